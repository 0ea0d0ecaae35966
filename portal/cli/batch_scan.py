"""``imgmig batch scan``."""

from __future__ import annotations

import secrets

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import action, reason
from portal.models import utc_now
from portal.services import batches, scanning, scans
from portal.services.opening import open_source


@click.command("scan")
@click.argument("batch_no")
@click.option(
    "--sample",
    type=click.IntRange(0, scanning.MOST_SAMPLED),
    default=scans.USUAL_SAMPLE,
    show_default=True,
    help="抽样检查的文件数 How many files are fetched and looked at.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), help="重复某次抽样 Repeat a sample.")
@as_json
def command(*, batch_no: str, sample: int, seed: int | None, as_json: bool) -> None:
    """兼容性扫描：不迁移，预测哪些单据会失败 Predict what will fail; nothing is moved."""
    started_at = utc_now()
    with opened() as portal, ProgressBar("扫描 scan", quiet=as_json) as bar:
        with portal.ledger.read() as session:
            batch = batches.find(session, batch_no)
            chosen = secrets.randbelow(1 << 31) if seed is None else seed
            plan = scanning.plan_of(batch, sample=sample, seed=chosen)
            source = open_source(batch.data_source, portal.box, portal.settings.home)
        try:
            found = scanning.scan(
                portal.ledger, source, plan, portal.settings.home, progress=bar.show
            )
        finally:
            source.close()
        scanning.keep(
            portal.ledger,
            plan,
            found,
            chore_id=None,
            by=actor(),
            started_at=started_at,
            now=utc_now(),
        )
        with portal.ledger.read() as session:
            scan = scans.newest(session, plan.batch_id)
            if scan is None:
                raise RuntimeError("the scan was not kept")
            report, predictions = scans.scan_report(session, scan), scans.predictions(session, scan)
    if as_json:
        say_json(report)
        return
    say(
        f"单据 documents {scan.documents}（已归档 archived {scan.archived}）  "
        f"文件 files {scan.files}  抽样 sampled {scan.sampled}"
    )
    for one in predictions:
        say(f"{one.code}  预测 {one.predicted}  抽样 {one.sampled}  实际 {one.actual}")
        say(f"  {reason(one.code, one.params, 'zh')}")
        say(f"  处理措施 what to do: {action(one.code, one.params, 'zh')}")
