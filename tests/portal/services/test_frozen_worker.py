"""A worker is frozen past its lease and wakes up: what it then writes is refused, every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from portal.services.leases import LEASE_SECONDS
from portal.services.sweeping import sweep_documents
from portal.sync.archive.local import LocalArchive, LocalStage
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.committer import Committer
from portal.sync.transfer.incoming import Incoming
from portal.sync.transfer.work import Claim, Result
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import Scene, stored
from tests.portal.services.archive_scene import Checking

DOCUMENTS = 100
PARTS = (b"first half, ", b"second half\n")


class Hands:
    """One worker's dealings with a document, which can stop between any two of them."""

    def __init__(self, scene: Scene, archive: LocalArchive, batch_id: int, owner: str) -> None:
        self._archive = archive
        self._owner = owner
        self._blame = Blame(FakeSource(), archive)
        self.desk = scene.desk(batch_id, owner=owner)

    def claim_all(self) -> list[Claim]:
        """Everything that is due, portion by portion."""
        claims: list[Claim] = []
        while more := self.desk.claim(DOCUMENTS):
            claims += more
        return claims

    def begin(self, claim: Claim) -> tuple[LocalStage, list[Incoming]]:
        """The first half of every file."""
        stage = self._archive.stage(claim.folder, owner=self._owner)
        incoming = [
            Incoming(stage.path(_name(file.storage_key)), source, limit=1000)
            for file, source in zip(stored(claim).files, claim.files, strict=True)
        ]
        for file in incoming:
            file.write(PARTS[0])
        return stage, incoming

    def finish(self, claim: Claim, begun: tuple[LocalStage, list[Incoming]]) -> Result:
        """The second half of every file."""
        stage, incoming = begun
        files = []
        for file, sink in zip(stored(claim).files, incoming, strict=True):
            sink.write(PARTS[1])
            files.append(replace(file, size=sink.size, sha256=sink.finish()))
        return Result(claim, files=tuple(files), stage=stage)

    def commit(self, results: Sequence[Result]) -> None:
        """Publish and record, as a stint does."""
        with Committer(self.desk, self._archive, self._blame, stopping=lambda: False) as committer:
            committer.submit(list(results))
            committer.finish()

    def transfer(self, claims: Sequence[Claim]) -> None:
        """The whole way without a stop."""
        self.commit([self.finish(claim, self.begin(claim)) for claim in claims])


def _name(key: str) -> str:
    return key.rpartition("/")[2]


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


@pytest.fixture
def batch_id(scene: Scene) -> int:
    return scene.listed_batch([make_document(number, files=2) for number in range(DOCUMENTS)])


@pytest.mark.parametrize("frozen_at", ["in mid-body", "before publishing", "before recording"])
@pytest.mark.parametrize("meanwhile", ["archived by another", "held by another", "swept"])
def test_what_a_woken_worker_writes_is_refused_100_times_of_100(
    scene: Scene, archive: LocalArchive, batch_id: int, frozen_at: str, meanwhile: str
) -> None:
    frozen = Hands(scene, archive, batch_id, "frozen")
    other = Hands(scene, archive, batch_id, "other")
    claims = frozen.claim_all()
    assert len(claims) == DOCUMENTS
    begun = [(claim, frozen.begin(claim)) for claim in claims]
    results: list[Result] = []
    if frozen_at != "in mid-body":
        results = [frozen.finish(claim, parts) for claim, parts in begun]
    if frozen_at == "before recording":
        archive.publish([result.stage for result in results if result.stage is not None])

    scene.advance(LEASE_SECONDS)
    taken: Sequence[Claim] = ()
    if meanwhile == "swept":
        ids = [claim.document_id for claim in claims]
        swept = sweep_documents(scene.ledger, archive, ids, now=scene.now)
        assert swept == (DOCUMENTS if frozen_at == "before recording" else 0)
        taken = other.claim_all()
    else:
        taken = other.claim_all()
    assert len(taken) == DOCUMENTS
    if meanwhile == "archived by another":
        other.transfer(taken)

    # It wakes up and goes on where it was, knowing nothing.
    results = results or [frozen.finish(claim, parts) for claim, parts in begun]
    if frozen_at == "before recording":
        refused = frozen.desk.settle(results)
        assert len(refused) == DOCUMENTS
        for result in refused:
            archive.remove(result.claim.folder)
    else:
        frozen.commit(results)

    if meanwhile != "archived by another":
        assert scene.counts(batch_id) == (DOCUMENTS, 0, 0, 0)
        other.transfer(taken)
    assert scene.counts(batch_id) == (DOCUMENTS, DOCUMENTS, 0, 0)
    assert scene.batch(batch_id).stored_files == 2 * DOCUMENTS
    assert len(scene.events(batch_id, "item.status")) == DOCUMENTS
    folders = {key.rpartition("/")[0] for key, _ in archive.walk()}
    assert folders == {claim.folder for claim in taken}
    seen = Checking(scene, archive).run()
    assert (seen.documents, seen.files, seen.is_clean) == (DOCUMENTS, 2 * DOCUMENTS, True)
    digest = hashlib.sha256(b"".join(PARTS)).hexdigest()
    assert {file.sha256 for file in scene.files(taken[0].document_id)} == {digest}
