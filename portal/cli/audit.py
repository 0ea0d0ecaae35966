"""``imgmig audit``: whether the trail is still what was sealed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import NotFound, action, reason
from portal.models import utc_now
from portal.services import audit_checks
from portal.services.anchor_file import NAME, kept_anchors
from portal.services.audit_findings import TrailReport
from portal.services.audit_verification import verify_trail
from portal.services.seal_form import Anchor, anchors_in
from portal.services.sealing import newest_anchor

FAULTS_EXIT = 1


@click.group("audit")
def command() -> None:
    """操作日志 The audit trail."""


@command.command()
@click.option(
    "--anchor",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="另存的锚点，或含有锚点的文字，可多次 An anchor kept elsewhere; repeatable.",
)
@click.option(
    "--anchor-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="含有锚点的文件，如保存的任务日志，可多次 A file with anchors, such as a job's log.",
)
@as_json
def verify(texts: tuple[str, ...], files: tuple[Path, ...], as_json: bool) -> None:
    """核对操作日志与封存链；有问题时指出第一条，退出码为 1。

    Compare the trail with its seals; names the first bad event and exits 1 when there is one.
    """
    given = list(_anchors_given(texts))
    with opened() as portal, ProgressBar("核对 verify", quiet=as_json) as bar:
        own = kept_anchors(portal.settings.home / NAME)
        report = verify_trail(
            portal.ledger,
            portal.seal_key,
            anchors=chain(given, *map(kept_anchors, files), own),
            progress=bar.show,
        )
        with portal.ledger.write() as session:
            audit_checks.record_done(session, report, by=actor(), now=utc_now())
    if as_json:
        say_json(report.as_json())
    else:
        _tell(report)
    raise click.exceptions.Exit(0 if report.is_sound else FAULTS_EXIT)


@command.command()
@as_json
def anchor(as_json: bool) -> None:
    """显示最新锚点，供另行保存 Print the newest anchor, to be kept elsewhere.

    :raises NotFound: when nothing is sealed yet
    """
    with opened() as portal, portal.ledger.read() as session:
        newest = newest_anchor(session)
    if newest is None:
        raise NotFound("操作日志尚未封存；启动代理进程", "nothing is sealed yet: start the agent")
    if as_json:
        say_json({"anchor": str(newest), "seal": newest.no})
    else:
        say(str(newest))


def _anchors_given(texts: tuple[str, ...]) -> Iterator[Anchor]:
    """
    :raises click.BadParameter: for a text without any anchor: a mistyped one must not pass
    """
    for text in texts:
        found = list(anchors_in(text))
        if not found:
            raise click.BadParameter(f"没有锚点 no anchor in {text!r}", param_hint="--anchor")
        yield from found


def _tell(report: TrailReport) -> None:
    say(f"核对 verified: {report.events} 条日志 events, {report.seals} 个封存 seals")
    say(f"锚点 anchors compared: {report.anchors}；最新 newest: {report.newest or '—'}")
    if report.unsealed:
        say(f"尚未封存 not sealed yet: {report.unsealed}，自 since {report.oldest_unsealed_at}")
    if report.is_sound:
        say("完好 sound")
        return
    say(f"发现问题 faults: {report.count}")
    for place, fault in enumerate(report.faults):
        mark = "第一处 first:" if place == 0 else "  "
        texts = [reason(fault.code, fault.params, language) for language in ("zh", "en")]
        say(f"{mark} {fault.code} {' / '.join(texts)}")
    say(f"处理措施 what to do: {action(report.faults[0].code, report.faults[0].params, 'zh')}")
