"""``imgmig export``: what the ledger knows, as a file."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import NotAllowed
from portal.models import utc_now
from portal.services import audit, exports
from portal.services.export_kinds import FORMATS, KINDS
from portal.services.export_making import make
from portal.services.export_tables import Wanted


@click.command("export")
@click.argument("kind", type=click.Choice([*KINDS]))
@click.option("--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0])
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="写到哪里 Where to write it.",
)
@click.option("--batch", "batch_no", multiple=True, help="批次号，可多次 Batch, repeatable.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="筛选，可多次，名称同网页地址 Filter by its name in the page's address, repeatable.",
)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@as_json
def command(
    *,
    kind: str,
    format_: str,
    output: Path,
    batch_no: tuple[str, ...],
    filters: tuple[str, ...],
    language: str,
    as_json: bool,
) -> None:
    """导出 KIND 到文件，公式不会执行 Write KIND to a file; audited.

    batches 批次汇总 · months 月度明细 · documents 影像单据 · files 影像文件 · failures 失败明细 ·
    audit 操作日志.
    """
    chosen = KINDS[kind]
    wishes = {"batch_no": [*batch_no], **dict(_pair(text) for text in filters)}
    known = exports.known_filters(chosen, wishes)
    unknown = sorted(name for name, values in wishes.items() if values and name not in known)
    if unknown:
        raise NotAllowed(
            f"{kind} 没有筛选 {'、'.join(unknown)}；可用：{'、'.join(chosen.filters)}",
            f"{kind} has no filter {', '.join(unknown)}",
        )
    with opened() as portal, ProgressBar("导出 export", quiet=as_json) as bar:
        made = make(
            portal.ledger,
            chosen,
            Wanted.of(known, portal.settings.timezone),
            output.absolute(),
            format_=format_,
            language=language,
            filters=known,
            by=actor(),
            now=utc_now(),
            draft=output.absolute().with_name(f".{output.name}.{secrets.token_hex(4)}.part"),
            progress=bar.show,
        )
        told = {"kind": kind, "format": format_, "filters": known, "rows": made.rows}
        with portal.ledger.write() as session:
            detail = {**told, "bytes": made.bytes, "sha256": made.sha256}
            audit.record(session, "export.make", by=actor(), at=utc_now(), detail=detail)
    if as_json:
        say_json({**detail, "output": str(output), "as_of": made.as_of, "anchor": made.anchor})
        return
    say(f"{output}  {made.rows} 行 rows  {made.bytes} B")
    say(f"SHA-256 {made.sha256}")
    say(f"操作日志锚点 audit anchor: {made.anchor or '—'}")


def _pair(text: str) -> tuple[str, list[str]]:
    """
    :raises click.BadParameter: for what is no name with a value
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} 应为 should be NAME=VALUE", param_hint="--filter")
    return name, [value]
