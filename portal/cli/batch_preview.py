"""``imgmig batch create --preview``: what the confirmation page tells, on a terminal."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from portal.cli.opening import say, say_json
from portal.models import DataSource, utc_now
from portal.models.overlap import overlap_label
from portal.runtime import Portal
from portal.services import batches, counting, previews
from portal.services.batches import BatchScope
from portal.services.counting import Counted
from portal.services.opening import open_source
from portal.services.previews import Basis, Earlier, Estimate
from portal.services.rough_times import time_range
from portal.statuses import label

#: What is said before the number of a batch that a new one would be the twin of.
TWIN = "范围相同的批次还没有结束 an unfinished batch has this scope"
_BASES = {
    Basis.SOURCE: "源端清点 told by the source",
    Basis.ARCHIVED: "按已归档 {of} 份的平均估算 estimated from {of} archived documents",
    Basis.SAMPLE: "按列表第一页 {of} 份的平均估算 estimated from {of} listed documents",
}


def show_preview(portal: Portal, scope: BatchScope, *, as_json: bool) -> None:
    """Count at the source and tell what the batch would do; nothing is created.

    :raises NotAllowed: for a scope that no batch may have
    :raises SyncError: when the source cannot be asked
    """
    zone = portal.settings.timezone
    with portal.ledger.read() as session:
        batches.check_scope(session, scope, zone)
        source = session.get_one(DataSource, scope.source_id)
    counted = _count(portal, source, scope, as_json=as_json)
    with portal.ledger.read() as session:
        free = portal.archive.free_bytes()
        estimate = previews.estimate(session, scope, counted, free_bytes=free)
        earlier = previews.earlier_batches(session, scope)
        twin = previews.twin(session, scope)
        today = previews.future_days(scope, now=utc_now(), zone=zone)
    if as_json:
        say_json(
            {
                **_figures(scope, counted, estimate),
                "twin": twin.batch_no if twin else None,
                "future": today is not None,
                "earlier": [{"batch_no": one.batch.batch_no, "days": one.days} for one in earlier],
            }
        )
        return
    _say_figures(scope, counted, estimate)
    for one in earlier:
        say(_line(one))
    if today is not None:
        say(f"注意 note: 采集范围晚于今天 the range reaches beyond today, {today}")
    if twin is not None:
        say(f"注意 note: {TWIN}: {twin.batch_no}")


def _count(portal: Portal, source: DataSource, scope: BatchScope, *, as_json: bool) -> Counted:
    zone = portal.settings.timezone
    with portal.ledger.read() as session:
        archived, unarchived = previews.known_documents(session, scope, zone)
    months = counting.months_of(scope, zone)
    counted = Counted(len(months), archived=archived, unarchived=unarchived)
    opened = open_source(source, portal.box, portal.settings.home)
    try:
        for month in counting.count_months(opened.source, scope, months, time.sleep):
            counted = replace(counted, months=(*counted.months, month))
            if not as_json:
                say(f"  {month.month}  单据 documents {month.documents}")
        return counting.with_sample(opened.source, scope, months, counted, time.sleep)
    finally:
        opened.close()


def _figures(scope: BatchScope, counted: Counted, estimate: Estimate) -> dict[str, Any]:
    size, pace = estimate.size, estimate.pace
    return {
        "months": counted.as_json()["months"],
        "documents": counted.documents,
        "files": size.files if size else None,
        "bytes": size.bytes if size else None,
        "size_from": size.basis if size else None,
        "archived": counted.archived,
        "unarchived": counted.unarchived,
        "overlap": scope.overlap,
        "to_move": estimate.to_move,
        "bytes_to_move": estimate.bytes_to_move,
        "seconds": estimate.seconds,
        "pace_of_runs": pace.runs if pace else 0,
        "free_bytes": estimate.free_bytes,
        "enough_space": not estimate.is_tight,
    }


def _say_figures(scope: BatchScope, counted: Counted, estimate: Estimate) -> None:
    size, pace = estimate.size, estimate.pace
    say(f"源端单据数 documents: {counted.documents}")
    if size is None:
        say("大小 size: 没有依据 nothing to go by")
    else:
        basis = _BASES[size.basis].format(of=size.of)
        say(f"文件 files: {size.files}  大小 bytes: {size.bytes}（{basis}）")
    policy = overlap_label(scope.overlap, "zh")
    say(
        f"已归档 archived: {counted.archived}  列出过而未归档 listed, not archived: "
        f"{counted.unarchived}（重叠策略 overlap: {policy} {scope.overlap}）"
    )
    say(f"将要迁移 to move: {estimate.to_move}  bytes: {_known(estimate.bytes_to_move)}")
    if pace is None or estimate.seconds is None:
        say("预计用时 time: 还没有依据 nothing to go by")
    else:
        zh, en = (time_range(*estimate.seconds, name) for name in ("zh", "en"))
        say(f"预计用时 time: {zh} {en}（最近 {pace.runs} 个批次 of the last {pace.runs} batches）")
    lacking = "  不够 not enough" if estimate.is_tight else ""
    say(f"归档剩余空间 free bytes: {_known(estimate.free_bytes)}{lacking}")


def _line(one: Earlier) -> str:
    batch = one.batch
    state = f"{label(batch.run_status, 'zh')} {label(batch.sync_status, 'zh')}"
    return (
        f"重叠 overlaps: {batch.batch_no}  {batch.date_from}…{batch.date_to}  "
        f"{one.days} 天 days  {state}  已同步 {batch.done}/{batch.total}"
    )


def _known(value: int | None) -> str:
    return "—" if value is None else str(value)
