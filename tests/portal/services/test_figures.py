"""The ledger's figures, on each database."""

from __future__ import annotations

from datetime import timedelta

from executor.exposition import Family, Histogram, Observed, page
from portal.ledger import Ledger
from portal.models import Overlap, PushTarget
from portal.services import beats, failure_counts
from portal.services.figures import batches, sources, targets, upkeep
from tests.exposition_parser import Parsed, parse
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed, stored


def figures(scene: Scene, *, later: float = 0.0) -> Parsed:
    now = scene.now + timedelta(seconds=later)
    with scene.ledger.read() as session:
        parts = (part.figures(session, now) for part in (batches, sources, targets, upkeep))
        return parse(page(family for part in parts for family in part))


def test_an_empty_ledger_has_figures_too(scene: Scene) -> None:
    seen = figures(scene)
    assert seen.sum("imgmig_documents") == 0
    assert seen.value("imgmig_lease_oldest_age_seconds") == 0
    assert seen.value("imgmig_slices", state="running") == 0


def test_a_batch_under_way(scene: Scene) -> None:
    batch_id = scene.listed_batch([make_document(n) for n in range(5)], Overlap.MISSING)
    first, second, *rest = scene.claim(batch_id)
    scene.settle(batch_id, stored(first), failed(second, "SRC_NOT_FOUND"))
    seen = figures(scene, later=12)
    assert seen.value("imgmig_documents", state="running", outcome="synced") == 1
    assert seen.value("imgmig_documents", state="running", outcome="failed") == 1
    assert seen.value("imgmig_documents", state="running", outcome="pending") == len(rest) == 3
    assert seen.sum("imgmig_documents_in_flight") == 3
    assert seen.value("imgmig_lease_oldest_age_seconds") == 12
    assert seen.value("imgmig_document_failures_total", code="SRC_NOT_FOUND") == 1
    assert seen.sum("imgmig_stored_bytes", state="running") > 0
    # Leases that ran out are nobody's.
    assert figures(scene, later=31).sum("imgmig_documents_in_flight") == 0


def test_a_held_target_says_why_and_since_when(scene: Scene) -> None:
    assert figures(scene).sum("imgmig_target_hold_age_seconds") == 0
    with scene.ledger.write() as session:
        session.add(
            PushTarget(
                name="旗舰版",
                base_url="http://127.0.0.1:9",
                app_id="a",
                app_secret_box="",
                account_id="1",
                user="u",
                user_type="UserName",
                max_file_bytes=1,
                created_at=scene.now,
                enabled=True,
                hold_code="TGT_CONNECTION",
                held_since=scene.now,
            )
        )
    held = figures(scene, later=90)
    name = "imgmig_target_hold_age_seconds"
    assert held.value(name, target="旗舰版", code="TGT_CONNECTION") == 90


def test_failures_of_several_codes_are_counted_beside_each_other(ledger: Ledger) -> None:
    scene = Scene(ledger)
    batch_id = scene.listed_batch([make_document(0)], Overlap.MISSING)
    with ledger.write() as session:
        failure_counts.add(session, batch_id, {"FILE_CORRUPT": 2, "SRC_NOT_FOUND": 1})
    with ledger.write() as session:
        failure_counts.add(session, batch_id, {"FILE_CORRUPT": 3, "FILE_EMPTY": 1})
        failure_counts.add(session, batch_id, {})
    with ledger.read() as session:
        counted = failure_counts.by_code(session)
    assert counted == {"FILE_CORRUPT": 5, "FILE_EMPTY": 1, "SRC_NOT_FOUND": 1}


def test_processes_are_shown_while_they_live(scene: Scene) -> None:
    with scene.ledger.write() as session:
        beats.beat(session, "clerk", now=scene.now)
    assert figures(scene, later=5).value("imgmig_processes", kind="clerk") == 1
    assert figures(scene, later=5).sum("imgmig_process_beat_age_seconds", kind="clerk") == 5
    assert figures(scene, later=60).value("imgmig_processes", kind="clerk") == 0


def test_hostile_labels_and_histograms_are_written_as_prometheus_reads_them() -> None:
    hostile = 'a"b\\c\nd{}=,é'
    seen = parse(
        page(
            [
                Family("plain", "Help.", [({"x": hostile}, 1.5), ({"x": ""}, float("inf"))]),
                Histogram("took", "Help.", (0.1, 1.0), [Observed({"x": hostile}, (1, 0, 2), 7.25)]),
            ]
        )
    )
    assert seen.value("plain", x=hostile) == 1.5
    assert seen.value("took_bucket", x=hostile, le="1") == 1
    assert seen.value("took_bucket", x=hostile, le="+Inf") == 3
    assert seen.value("took_sum", x=hostile) == 7.25
