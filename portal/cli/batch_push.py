"""``imgmig batch push-status``: how far a batch's documents are at its target."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed, action, reason
from portal.ledger import Ledger
from portal.models import utc_now
from portal.services import batches, push_reports
from portal.services.push_reports import PushCause, PushProgress

FAILED_EXIT = 1
_LOOK_SECONDS = 1.0


@click.command("push-status")
@click.argument("batch_no")
@click.option("--retry", is_flag=True, help="重新推送失败的单据 Push the failed ones again.")
@click.option("--code", help="与 --retry 合用：只限一个错误码 With --retry: only this code.")
@click.option(
    "--wait",
    "waits",
    is_flag=True,
    help="等到没有待推送、待确认的为止；有失败的退出码为 1 Wait until nothing moves any more.",
)
@as_json
def push_status(
    *, batch_no: str, retry: bool, code: str | None, waits: bool, as_json: bool
) -> None:
    """推送进度：待推送、已推送、已确认、失败及原因 How far the batch is at its target."""
    with opened() as portal:
        with portal.ledger.read() as session:
            batch = batches.find(session, batch_no)
        if batch.push_target_id is None:
            raise NotAllowed(f"批次 {batch_no} 不推送", f"batch {batch_no} is not pushed on")
        again = None
        if retry:
            again = push_reports.retry(portal.ledger, batch, by=actor(), now=utc_now(), code=code)
        progress, causes = _look(portal.ledger, batch_no)
        while waits and not progress.is_settled:
            time.sleep(_LOOK_SECONDS)
            progress, causes = _look(portal.ledger, batch_no)
    _tell(batch_no, progress, causes, again, as_json=as_json)
    if waits and progress.failed:
        raise click.exceptions.Exit(FAILED_EXIT)


def _look(ledger: Ledger, batch_no: str) -> tuple[PushProgress, Sequence[PushCause]]:
    with ledger.read() as session:
        batch = batches.find(session, batch_no)
        progress = push_reports.progress(session, batch)
        assert progress is not None  # noqa: S101 - it has a target
        return progress, push_reports.causes(session, batch)


def _tell(
    batch_no: str,
    progress: PushProgress,
    causes: Sequence[PushCause],
    again: int | None,
    *,
    as_json: bool,
) -> None:
    told: dict[str, Any] = {
        "batch_no": batch_no,
        **progress.as_json(),
        "failures": [
            {
                "code": one.code,
                "count": one.count,
                "example": one.image_no,
                "reason": reason(one.code, one.params, "zh"),
                "action": action(one.code, one.params, "zh"),
            }
            for one in causes
        ],
    }
    if again is not None:
        told["retried"] = again
    if as_json:
        say_json(told)
        return
    if again is not None:
        say(f"重新推送 pushed again: {again}")
    say(f"{batch_no} → {progress.target.name}")
    say(
        f"  已归档 archived {progress.archived}  待推送 waiting {progress.waiting}  "
        f"已推送 pushed {progress.pushed}  已确认 confirmed {progress.confirmed}  "
        f"失败 failed {progress.failed}"
    )
    target = progress.target
    if target.hold_code:
        say(f"  目标暂缓 held: {reason(target.hold_code, target.hold_params, 'zh')}")
        say(f"    处理措施 what to do: {action(target.hold_code, target.hold_params, 'zh')}")
    if not target.enabled:
        say("  目标已停用，不会推送 the target is disabled")
    for one in told["failures"]:
        say(f"  {one['code']} ×{one['count']}：{one['reason']}")
        say(f"    例 example: {one['example']}")
        say(f"    处理措施 what to do: {one['action']}")
