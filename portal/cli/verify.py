"""``imgmig verify``."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import reason
from portal.ledger import Ledger
from portal.models import Verification, VerificationFinding, VerificationKind, utc_now
from portal.runtime import Portal
from portal.services import batches, verification
from portal.services.verification import Order
from portal.services.verification_scope import month_range
from portal.services.verifying import Verifier

FINDINGS_EXIT = 1
_SHOWN_FINDINGS = 200


class _Part(click.ParamType[tuple[int, int]]):
    name = "n/t"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value))
        number, total = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= total:
            self.fail(f"{value!r}：应为 n/t，如 1/4 must be n/t such as 1/4", param, ctx)
        return number, total


@click.command("verify")
@click.option("--batch", "batch_no", help="只核对一个批次 Only the documents of one batch.")
@click.option("--month", help="只核对采集月份，如 2024-03 Only documents collected in a month.")
@click.option(
    "--percent",
    type=click.FloatRange(0, 100, min_open=True),
    help="随机抽取的百分比 Only so many percent of the documents, chosen by chance.",
)
@click.option("--seed", type=click.IntRange(0, 2**62), help="重复某次抽样 Repeat a sample.")
@click.option("--part", type=_Part(), help="分几次核对：n/t The n-th of t parts.")
@click.option("--counters", is_flag=True, help="重新清点各项数量 Recompute the counts instead.")
@click.option("--resume", is_flag=True, help="继续上次中断的核对 Go on with the interrupted one.")
@as_json
def command(
    *,
    batch_no: str | None,
    month: str | None,
    percent: float | None,
    seed: int | None,
    part: tuple[int, int] | None,
    counters: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """重读归档中的每个文件并与账本核对；发现不符时退出码为 1。

    Re-read every file in the archive and compare it with the ledger; exits 1 on any finding.
    """
    narrowed = (month, percent, seed, part)
    if resume and (batch_no or counters or any(word is not None for word in narrowed)):
        raise click.UsageError("--resume 沿用原来的范围 goes on with the scope it had")
    if counters and any(word is not None for word in narrowed):
        raise click.UsageError("--counters 只能与 --batch 同用 goes with --batch only")
    if seed is not None and percent is None:
        raise click.UsageError("--seed 须与 --percent 同用 needs --percent")
    with opened() as portal, ProgressBar("核对 verify", quiet=as_json) as bar, _ended_by_sigterm():
        if resume:
            run_id = verification.resume(portal.ledger, now=utc_now())
        else:
            order = Order(
                batch_id=_batch_id(portal, batch_no),
                month=_month(portal, month),
                percent=percent,
                seed=seed,
                part=part,
                counters=counters,
            )
            zone = portal.settings.timezone
            run_id = verification.start(portal.ledger, order, by=actor(), zone=zone, now=utc_now())
        run = _perform(portal, run_id, bar)
        if as_json:
            say_json(_report(run, verification.findings(portal.ledger, run.id)))
        else:
            _tell(portal.ledger, run)
    raise click.exceptions.Exit(0 if run.is_clean else FINDINGS_EXIT)


def _perform(portal: Portal, run_id: int, bar: ProgressBar) -> Verification:
    def show(now: Verification) -> None:
        bar.show(
            now.looked_at, max(now.total, now.looked_at), f"{now.step} {now.bytes / 1e6:.0f} MB"
        )

    zone = portal.settings.timezone
    verifier = Verifier(portal.ledger, portal.archive, run_id, zone=zone, progress=show)
    try:
        return verifier.run()
    except KeyboardInterrupt:
        say("已中断，可用 --resume 继续 interrupted; go on with --resume")
        raise


def _batch_id(portal: Portal, batch_no: str | None) -> int | None:
    if batch_no is None:
        return None
    with portal.ledger.read() as session:
        return batches.find(session, batch_no).id


def _month(portal: Portal, month: str | None) -> str | None:
    if month is None:
        return None
    try:
        return month_range(month, portal.settings.timezone).month
    except (ValueError, OverflowError):
        raise click.UsageError(f"--month {month}：应如 must be such as 2024-03") from None


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let a polite kill end the command as Ctrl-C does, so that its row says so."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(ledger: Ledger, run: Verification) -> None:
    if run.kind is VerificationKind.COUNTERS:
        say(f"清点 counted: {run.looked_at} 个批次 batches")
    else:
        say(f"核对 verified: {run.documents} 份单据 documents, {run.files} 个文件 files")
    if run.seed is not None:
        say(f"抽样 sample: {run.looked_at} / {run.population}, --seed {run.seed}")
    say(f"不符 findings: {run.findings}")
    for number, finding in enumerate(verification.findings(ledger, run.id)):
        if number == _SHOWN_FINDINGS:
            say("  …… 仅列出前 200 条，全部见 --json the first 200; all with --json")
            break
        say(f"  {finding.code} {finding.storage_key}：{_reason(finding)}")


def _reason(finding: VerificationFinding) -> str:
    return reason(finding.code, finding.params, "zh")


def _report(run: Verification, findings: Iterator[VerificationFinding]) -> dict[str, Any]:
    return {
        "id": run.id,
        "kind": run.kind,
        "month": run.month,
        "percent": run.percent,
        "seed": run.seed,
        "part": f"{run.part_no}/{run.part_total}" if run.part_no else None,
        "state": run.state,
        "started_by": run.started_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "looked_at": run.looked_at,
        "documents": run.documents,
        "files": run.files,
        "bytes": run.bytes,
        "findings": [
            {
                "code": finding.code,
                "storage_key": finding.storage_key,
                "image_no": finding.image_no,
                "reason": _reason(finding),
            }
            for finding in findings
        ],
    }
