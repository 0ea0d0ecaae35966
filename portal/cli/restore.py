"""``imgmig restore``: a backup into an installation in which nothing is, then verified."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import NotAllowed, SyncError, reason
from portal.models import utc_now
from portal.seal_key import SealKey
from portal.services import audit_checks, verification
from portal.services.anchor_file import NAME, kept_anchors
from portal.services.audit_verification import verify_trail
from portal.services.backup import restoring
from portal.services.backup.restoring import FoundBackup
from portal.services.schema_fit import known_revisions
from portal.services.verification import Order
from portal.services.verifying import Verifier
from portal.settings import Settings, read_settings
from portal.sync.archive.local import LocalArchive

if TYPE_CHECKING:
    from portal.models import Verification
    from portal.runtime import Portal
    from portal.services.audit_findings import TrailReport

FAULTS_EXIT = 1


@click.command("restore")
@click.argument("backup", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="只核对备份，不恢复 Only verify the backup.")
@click.option(
    "--anchor-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="另存的锚点文件，可多次 A file with anchors kept elsewhere; repeatable.",
)
@as_json
def command(backup: Path, check: bool, files: tuple[Path, ...], as_json: bool) -> None:
    """把 BACKUP 恢复到空的系统并核对 Restore BACKUP into an empty installation and verify it.

    BACKUP 是一次备份的文件夹，或含有多次备份的目录（取最新的）。恢复前先停掉旧系统的所有进程。

    The folder of a backup, or one with several: then the newest. Exits 1 when anything is wrong.
    """
    settings = read_settings()
    found = restoring.find(backup.absolute())
    key = restoring.key_of(found, settings.given_secret_key)
    with ProgressBar("恢复 restore", quiet=as_json) as bar:

        def show(step: str, done: int, total: int | None) -> None:
            bar.show(done, total, step)

        restoring.check(found, show)
        if check:
            _say_checked(found, as_json=as_json)
            return
        _refuse_unsuited(found, settings)
        with opened(settings.with_secret_key(key), current=False) as portal:
            aside = _restore(portal, found, settings, SealKey(key), show)
            run = _verify(portal, show)
            trail = _verify_trail(portal, files)
    report = _report(found, run, trail, aside)
    if as_json:
        say_json(report)
    else:
        _tell(report, trail)
    is_sound = not run.findings and trail.is_sound
    raise click.exceptions.Exit(0 if is_sound else FAULTS_EXIT)


def _refuse_unsuited(found: FoundBackup, settings: Settings) -> None:
    if found.manifest.revision not in known_revisions():
        raise SyncError("BACKUP_NEWER", revision=found.manifest.revision)
    if found.manifest.timezone != str(settings.timezone):
        raise NotAllowed(
            f"备份的时区是 {found.manifest.timezone}，月份按它划分：请设置 PORTAL_TIMEZONE",
            f"its months are those of {found.manifest.timezone}: set PORTAL_TIMEZONE to it",
        )


def _restore(
    portal: Portal, found: FoundBackup, settings: Settings, key: SealKey, show: restoring.Progress
) -> int:
    """Everything in its order; how many folders of an archive were put aside."""
    from portal import schema  # noqa: PLC0415 - heavy; not for --help

    home, ledger, archive = settings.home, portal.ledger, portal.archive
    restoring.refuse_unless_empty(ledger, archive, home, found)
    restoring.begin(home, found, with_key=settings.keeps_secret_key)
    restoring.bring_archive(archive, found, show)
    with ledger.read() as session:
        is_loaded = restoring.is_loaded(session, found)
    if not is_loaded:
        schema.upgrade(found.manifest.revision)
        with ledger.write() as session:
            restoring.load_ledger(session, found, show)
            restoring.record(session, found, key, by=actor(), now=utc_now())
    schema.upgrade()
    aside = 0
    if found.manifest.archive is None and isinstance(archive, LocalArchive):
        aside = restoring.put_aside_unnamed(ledger, archive)
    restoring.end(home)
    return aside


def _verify(portal: Portal, show: restoring.Progress) -> Verification:
    """Re-read the archive and compare it with the ledger, both ways."""

    def progress(now: Verification) -> None:
        show(f"verify {now.step}", now.looked_at, max(now.total, now.looked_at))

    zone = portal.settings.timezone
    run_id = verification.start(portal.ledger, Order(), by=actor(), zone=zone, now=utc_now())
    verifier = Verifier(portal.ledger, portal.archive, run_id, zone=zone, progress=progress)
    return verifier.run()


def _verify_trail(portal: Portal, files: tuple[Path, ...]) -> TrailReport:
    own = kept_anchors(portal.settings.home / NAME)
    report = verify_trail(
        portal.ledger, portal.seal_key, anchors=chain(*map(kept_anchors, files), own)
    )
    with portal.ledger.write() as session:
        audit_checks.record_done(session, report, by=actor(), now=utc_now())
    return report


def _say_checked(found: FoundBackup, *, as_json: bool) -> None:
    rows = sum(table.rows for table in found.manifest.tables)
    archive = found.manifest.archive
    files = archive.files if archive else None
    if as_json:
        report = {"backup": found.manifest.name, "sound": True, "rows": rows, "files": files}
        say_json({**report, "as_of": found.manifest.as_of})
        return
    say(f"备份完好 the backup is sound: {found.folder}")
    say(f"账本 ledger: {rows} 行 rows；影像文件 files: {'—' if files is None else files}")


def _report(
    found: FoundBackup, run: Verification, trail: TrailReport, aside: int
) -> dict[str, Any]:
    moment: datetime = found.manifest.as_of
    return {
        "backup": found.manifest.name,
        "as_of": moment,
        "documents": run.documents,
        "files": run.files,
        "bytes": run.bytes,
        "findings": run.findings,
        "put_aside": aside,
        "trail": trail.as_json(),
    }


def _tell(report: dict[str, Any], trail: TrailReport) -> None:
    say(f"已恢复到 restored as of: {report['as_of']}（{report['backup']}）")
    say(
        f"核对 verified: {report['documents']} 份单据 documents, {report['files']} 个文件 files, "
        f"不符 findings: {report['findings']}"
    )
    if report["put_aside"]:
        say(
            f"归档中账本不知道的文件夹，已移到 .incoming/aside: {report['put_aside']} "
            "folders of the archive that the ledger does not know were put aside"
        )
    say(f"操作日志 audit trail: {'完好 sound' if trail.is_sound else '有问题 faults'}")
    for fault in trail.faults:
        texts = [reason(fault.code, fault.params, language) for language in ("zh", "en")]
        say(f"  {fault.code} {' / '.join(texts)}")
    say("接着启动 now start: imgmig up")
