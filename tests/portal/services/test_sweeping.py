from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from portal.models import Document, File
from portal.services import batches
from portal.services.leases import LEASE_SECONDS, free_slot
from portal.services.sweeping import suspects, sweep_documents
from portal.statuses import ItemStatus
from portal.sync.archive.local import LocalArchive
from portal.sync.transfer.work import Claim
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene
from tests.portal.publishing import published
from tests.portal.services.archive_scene import Checking


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


def folders(archive: LocalArchive) -> set[str]:
    return {key.rpartition("/")[0] for key, _ in archive.walk()}


def sweep(scene: Scene, archive: LocalArchive) -> int:
    """As the agent does, over everything."""
    with scene.ledger.read() as session:
        ids, more = suspects(session, 0)
    assert more == 0
    return sweep_documents(scene.ledger, archive, ids, now=scene.now)


def listed(scene: Scene, count: int = 1) -> int:
    return scene.listed_batch([make_document(number, files=2) for number in range(count)])


def died_unrecorded(scene: Scene, archive: LocalArchive, batch_id: int) -> Claim:
    """A worker published a document and died before it could record it."""
    (claim,) = scene.claim(batch_id, limit=1)
    published(archive, claim)
    free_slot(scene.ledger, "w1", now=scene.now)
    return claim


def test_a_folder_that_its_dead_worker_never_recorded_goes(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    died_unrecorded(scene, archive, batch_id)
    assert sweep(scene, archive) == 1
    assert folders(archive) == set()
    (claim,) = scene.claim(batch_id, owner="w2")
    assert scene.settle(batch_id, published(archive, claim), owner="w2") == []
    assert sweep(scene, archive) == 0
    assert Checking(scene, archive).run().is_clean


def test_so_does_one_of_a_batch_that_nobody_works_on_any_more(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    died_unrecorded(scene, archive, batch_id)
    scene.do(batches.cancel, batch_id)
    assert sweep(scene, archive) == 1
    assert folders(archive) == set()


def test_what_a_running_lease_protects_stays_until_it_has_run_out(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    (claim,) = scene.claim(batch_id)
    result = published(archive, claim)
    assert sweep(scene, archive) == 0
    assert folders(archive) == {claim.folder}
    scene.advance(LEASE_SECONDS)
    assert sweep(scene, archive) == 1
    # Its worker was frozen, wakes up and would record what is gone: it may not.
    assert scene.settle(batch_id, result) == [result]
    assert scene.items(batch_id)["FYBX00000"].status is ItemStatus.PENDING


def test_a_folder_published_late_by_an_overtaken_claim_goes_and_the_archived_one_stays(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    (frozen,) = scene.claim(batch_id)
    scene.advance(LEASE_SECONDS)
    (new,) = scene.claim(batch_id, owner="w2")
    scene.settle(batch_id, published(archive, new), owner="w2")
    published(archive, frozen)  # and its worker was killed before it could remove it
    assert folders(archive) == {frozen.folder, new.folder}
    assert sweep(scene, archive) == 1
    assert folders(archive) == {new.folder}
    assert Checking(scene, archive).run().is_clean


def test_an_older_folder_goes_while_a_newer_claim_is_at_work(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    died_unrecorded(scene, archive, batch_id)
    (claim,) = scene.claim(batch_id, owner="w2")
    result = published(archive, claim)
    assert sweep(scene, archive) == 1
    assert scene.settle(batch_id, result, owner="w2") == []
    assert folders(archive) == {claim.folder}


def test_nothing_that_the_ledger_names_is_ever_removed(scene: Scene, archive: LocalArchive) -> None:
    batch_id = listed(scene, 3)
    results = [published(archive, claim) for claim in scene.claim(batch_id)]
    scene.settle(batch_id, *results)
    before = folders(archive)
    with scene.ledger.write() as session:  # as if it had been claimed again and again since
        session.execute(update(Document).values(fence=5))
    assert sweep(scene, archive) == 0
    # The files' own keys count too, whatever the document says.
    with scene.ledger.write() as session:
        session.execute(update(Document).values(folder=None, archived_at=None))
    assert sweep(scene, archive) == 0
    assert folders(archive) == before
    with scene.ledger.write() as session:
        session.execute(update(File).values(storage_key=None))
    assert sweep(scene, archive) == 3


def test_a_folder_of_a_document_nobody_knows_is_reported_and_not_removed(
    scene: Scene, archive: LocalArchive
) -> None:
    batch_id = listed(scene)
    died_unrecorded(scene, archive, batch_id)
    stage = archive.stage("影像系统/2024-01/STRANGE", owner="w1")
    stage.path("01.txt").write_bytes(b"x")
    archive.publish([stage])
    sweep(scene, archive)
    assert folders(archive) == {"影像系统/2024-01/STRANGE"}
    checking = Checking(scene, archive)
    assert [finding.code for finding in checking.found(checking.run())] == ["ARCHIVE_EXTRA"]


def test_suspects_are_looked_through_in_stretches_and_only_those_that_may_have_left_something(
    scene: Scene, archive: LocalArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.sweeping._SPAN", 4)
    batch_id = listed(scene, 12)
    untried = {scene.document(f"FYBX{number:05d}").id for number in range(9, 12)}
    claims = scene.claim(batch_id, limit=9)
    scene.settle(batch_id, *(published(archive, claim) for claim in claims[:3]))
    seen: list[int] = []
    after = claims[0].document_id - 1
    for _ in range(20):
        with scene.ledger.read() as session:
            ids, after = suspects(session, after, most=2)
        assert len(ids) <= 2
        seen += ids
        if after == 0:
            break
    assert sorted(seen) == sorted(claim.document_id for claim in claims[3:])
    assert not untried & set(seen)
