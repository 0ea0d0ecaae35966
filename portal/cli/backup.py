"""``imgmig backup``: ledger, documents' files and what belongs to them, while everything runs."""

from __future__ import annotations

import os
from pathlib import Path

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import SyncError, reason
from portal.models import utc_now
from portal.services import backups
from portal.services.backup.making import BackupMaking, Made, Order
from portal.services.preflight_host import amount
from portal.services.schema_fit import Fit

DAMAGED_EXIT = 1
_SHOWN = 200


@click.command("backup")
@click.argument("place", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--without-archive",
    is_flag=True,
    help="不含影像文件：另有办法保存归档时用 Leave the documents' files to other means.",
)
@click.option(
    "--without-keys",
    is_flag=True,
    help="不含密钥与令牌：另行保管时用 Leave out secret key and executor token.",
)
@as_json
def command(place: Path, without_archive: bool, without_keys: bool, as_json: bool) -> None:
    """备份到目录 PLACE，不必停止任何进程 Back up into PLACE, while everything runs.

    每次备份在 PLACE 下有自己的文件夹；影像文件按内容只存一份，所以再次备份只复制新增的。

    Each backup gets a folder of its own; documents' files are kept once for all backups. Exits 1
    when files of the archive were found missing or changed.
    """
    os.umask(0o077)  # it holds the key to every secret in it
    with opened() as portal, ProgressBar("备份 backup", quiet=as_json) as bar:
        from portal import schema  # noqa: PLC0415 - heavy; not for --help

        if schema.fit(portal.ledger) is not Fit.CURRENT:
            raise SyncError("SCHEMA_TOO_NEW")  # what it added would be missing in the copy
        making = BackupMaking(
            portal.ledger,
            portal.archive,
            portal.seal_key,
            portal.settings,
            Order(
                place.absolute(),
                with_archive=not without_archive,
                with_keys=not without_keys,
                by=actor(),
            ),
            revision=str(schema.revision(portal.ledger)),
            clock=utc_now,
            progress=lambda step, done, total: bar.show(done, total, step),
        )
        made = making.run()
        with portal.ledger.write() as session:
            backups.record(session, made, now=utc_now())
    if as_json:
        say_json(_report(made))
    else:
        _tell(made, kept_key=not without_keys)
    raise click.exceptions.Exit(DAMAGED_EXIT if made.damaged else 0)


def _report(made: Made) -> dict[str, object]:
    archive = made.manifest.archive
    return {
        "folder": str(made.folder),
        "name": made.manifest.name,
        "as_of": made.manifest.as_of,
        "anchor": made.manifest.anchor,
        "rows": sum(table.rows for table in made.manifest.tables),
        "has_key": made.manifest.has_key,
        "files": archive.files if archive else None,
        "bytes": archive.bytes if archive else None,
        "new_files": made.new_files,
        "new_bytes": made.new_bytes,
        "damaged": list(made.damaged),
    }


def _tell(made: Made, *, kept_key: bool) -> None:
    manifest, archive = made.manifest, made.manifest.archive
    say(f"备份 backup: {made.folder}")
    say(f"账本 ledger: {sum(table.rows for table in manifest.tables)} 行 rows")
    if archive is None:
        say("影像文件 documents' files: 不在其中，须另行保存 not in it, keep them by other means")
    else:
        say(
            f"影像文件 documents' files: {archive.files}（{amount(archive.bytes)}），"
            f"本次复制 copied now: {made.new_files}（{amount(made.new_bytes)}）"
        )
    say(f"锚点 anchor: {manifest.anchor or '—'}")
    if manifest.has_key:
        say("内含密钥，仅属主可读，勿与他人共用该目录 it holds the secret key: keep it to yourself")
    elif kept_key:
        say(
            "密钥由环境变量给出，不在其中，请另行保管 "
            "the secret key comes from the environment and is not in it: keep it elsewhere"
        )
    else:
        say("密钥不在其中，恢复时须另外给出 the secret key is not in it; a restore needs it")
    for key in made.damaged[:_SHOWN]:
        say(f"  ARCHIVE_DAMAGED {key}：{reason('ARCHIVE_DAMAGED', {}, 'zh')}")
