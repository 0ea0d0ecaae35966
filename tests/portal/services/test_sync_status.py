"""同步状态: what a batch or a month says of itself is what the database says of it."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from portal.models import Batch, Slice, table_of
from portal.statuses import ListingStatus, RunStatus, SyncStatus
from tests.portal.ledger_scene import START, Scene

COUNTS = st.fixed_dictionaries(
    {name: st.integers(0, 2) for name in ("total", "synced", "skipped", "failed")}
)
KNOWN = st.none() | st.integers(0, 3)
BATCHES = st.fixed_dictionaries(
    {
        "run_status": st.sampled_from(list(RunStatus)),
        "listing_failed": st.booleans(),
        "cancelled_by": st.none() | st.just("周敏"),
        "deleted_at": st.none(),
    }
)
FINISHED = {
    **dict.fromkeys(("total", "synced", "skipped", "failed"), 0),
    "run_status": RunStatus.ENDED,
    "listing_failed": False,
}
SLICES = st.fixed_dictionaries(
    {
        "listing_status": st.sampled_from(list(ListingStatus)),
        "expected_documents": KNOWN,
        "source_total": KNOWN,
    }
)


def add(session: Session, scene: Scene, number: int, values: dict[str, Any]) -> int:
    """A batch with these columns; nothing of it is ever committed."""
    row = {
        "batch_no": f"MB-{number}",
        "data_source_id": scene.source_id,
        "date_from": date(2024, 1, 1),
        "date_to": date(2024, 1, 31),
        "org_codes": [],
        "bill_type_codes": [],
        "overlap": "missing",
        "scope_key": "",
        "run_no": 0,
        "created_by": "周敏",
        "created_at": START,
        "stored_files": 0,
        "stored_bytes": 0,
    }
    return new_row(session, Batch, row | values)


def new_row(session: Session, kind: type[Batch] | type[Slice], values: dict[str, Any]) -> int:
    column = kind.__table__.c.id
    query = insert(table_of(kind)).values(values).returning(column)
    return int(session.execute(query).scalar_one())


def assert_agree(session: Session, kind: Any, row_ids: list[int]) -> None:
    things = session.scalars(select(kind).where(kind.id.in_(row_ids))).all()
    assert len(things) == len(row_ids)
    said = {row[0]: row[1] for row in session.execute(select(kind.id, kind.sync_status))}
    assert {thing.id: said[thing.id] for thing in things} == {
        thing.id: thing.sync_status for thing in things
    }
    for status in SyncStatus:
        found = session.scalars(
            select(kind.id).where(kind.sync_status == status, kind.id.in_(row_ids))
        )
        assert set(found) == {thing.id for thing in things if thing.sync_status is status}
    orders = select(kind.id).where(kind.id.in_(row_ids)).order_by(kind.not_done, kind.id)
    assert list(session.scalars(orders)) == [
        thing.id for thing in sorted(things, key=lambda thing: (thing.not_done, thing.id))
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(COUNTS, BATCHES), min_size=1, max_size=12))
def test_batches(scene: Scene, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    with scene.ledger.read() as session:  # which forgets what is written
        ids = [add(session, scene, n, {**counts, **b}) for n, (counts, b) in enumerate(rows)]
        assert_agree(session, Batch, ids)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(COUNTS, SLICES), min_size=1, max_size=12))
def test_months(scene: Scene, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    with scene.ledger.read() as session:
        batch_id = add(session, scene, 0, FINISHED)
        row = {
            "batch_id": batch_id,
            "month": "2024-01",
            "starts_at": START,
            "ends_at": START,
            "next_try_at": START,
            "stored_files": 0,
            "stored_bytes": 0,
        }
        ids = [new_row(session, Slice, {**row, **counts, **part}) for counts, part in rows]
        assert_agree(session, Slice, ids)
