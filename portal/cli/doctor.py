"""``imgmig doctor``: everything about an installation at one look, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

import click

from portal.cli.opening import as_json, opened, say, say_json
from portal.errors import SettingsError

if TYPE_CHECKING:
    from portal.services.source_check import Finding

_MARKS = {"ok": "✔", "warning": "⚠", "failed": "✘", "skipped": "–"}
_EXITS = {"failed": 2, "warning": 1}


@click.command("doctor")
@click.option("--sources", is_flag=True, help="也测试每个数据源 Try every data source, too.")
@as_json
def command(sources: bool, as_json: bool) -> None:
    """检查整个系统并说明怎么办 Check the whole installation and say what to do.

    退出码：0 正常，1 有需要注意的，2 有问题 Exit code: 0 fine, 1 warnings, 2 errors.
    """
    logging.disable(logging.CRITICAL)  # what is found is told below, each with what to do
    findings = list(_tell(_look(sources=sources), quiet=as_json))
    states = {finding.state for finding in findings}
    worst = next((state for state in _EXITS if state in states), "ok")
    if as_json:
        say_json({"state": worst, "checks": [asdict(finding) for finding in findings]})
    raise click.exceptions.Exit(_EXITS.get(worst, 0))


def _look(*, sources: bool) -> Iterator[Finding]:
    from portal.models import utc_now  # noqa: PLC0415 - heavy; not for --help
    from portal.services.doctor import looking  # noqa: PLC0415
    from portal.services.source_check import Finding  # noqa: PLC0415
    from portal.settings import read_settings  # noqa: PLC0415
    from portal.tasks.preflighting import Installation  # noqa: PLC0415

    try:
        settings = read_settings()
    except SettingsError as error:
        yield Finding("settings", "failed", error.text("zh"), error.text("en"))
        return
    with opened(settings, current=False) as portal:
        installation = Installation(portal.queue, portal.executor, settings.admin_addresses)
        families = [
            looking.before_all(settings, portal.archive),
            looking.of_installation(
                portal.readiness,
                portal.ledger,
                settings,
                lambda: installation.registrations(utc_now()),
                now=utc_now(),
            ),
        ]
        if sources:
            families.append(looking.of_sources(portal.ledger, portal.box, settings, clock=utc_now))
        yield from chain.from_iterable(families)


def _tell(findings: Iterator[Finding], *, quiet: bool) -> Iterator[Finding]:
    """Each as soon as it is there: some take their time."""
    for finding in findings:
        if not quiet:
            _say(finding)
        yield finding


def _say(finding: Finding) -> None:
    """A line, its code once, and below it what to do."""
    code = finding.code or ""
    zh, en = (text.removeprefix(code).strip() for text in (finding.zh, finding.en))
    said = zh if zh == en else f"{zh} {en}"
    say(f"{_MARKS[finding.state]} {finding.check:<12} {code}{' ' * bool(code)}{said}")
    for todo in filter(None, (finding.todo_zh, finding.todo_en)):
        say(f"{'':15}→ {todo}")
