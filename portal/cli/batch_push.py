"""``imgmig batch push-status``: how far a batch's documents are at its target."""

from __future__ import annotations

from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed, action, reason
from portal.models import utc_now
from portal.services import batches, push_reports


@click.command("push-status")
@click.argument("batch_no")
@click.option("--retry", is_flag=True, help="重新推送失败的单据 Push the failed ones again.")
@click.option("--code", help="与 --retry 合用：只限一个错误码 With --retry: only this code.")
@as_json
def push_status(batch_no: str, retry: bool, code: str | None, as_json: bool) -> None:
    """推送进度：待推送、已推送、已确认、失败及原因 How far the batch is at its target."""
    with opened() as portal:
        with portal.ledger.read() as session:
            batch = batches.find(session, batch_no)
        if batch.push_target_id is None:
            raise NotAllowed(f"批次 {batch_no} 不推送", f"batch {batch_no} is not pushed on")
        again = None
        if retry:
            again = push_reports.retry(portal.ledger, batch, by=actor(), now=utc_now(), code=code)
        with portal.ledger.read() as session:
            progress = push_reports.progress(session, batch)
            causes = push_reports.causes(session, batch)
    assert progress is not None  # noqa: S101 - it has a target
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
