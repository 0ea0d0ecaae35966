"""Batches that look at everything again, with real bytes, a real stint and the real ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from portal.models import Overlap
from portal.services.desk import LedgerDesk
from portal.services.leases import LEASE_SECONDS
from portal.statuses import ItemStatus
from portal.sync.archive.local import LocalArchive
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.stint import Stint, StintOptions
from portal.sync.transfer.work import Claim, Control, Result
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.ledger_scene import SHANGHAI, Scene
from tests.portal.services.archive_scene import Checking, flip_a_bit
from tests.portal.sync.transfer.fake_desk import FileServer, body_of

NUMBER = "FYBX00000"


class Dead(BaseException):
    """The process was killed."""


class Site:
    """A scene with workers that fetch from a server into an archive."""

    def __init__(self, scene: Scene, root: Path, server: FileServer) -> None:
        self.scene = scene
        self.root = root
        self.server = server
        self.archive = LocalArchive(root)
        self.source = FakeSource(address=server.address)
        self.inspectors = InspectorPool(1)
        self.downloader = Downloader(DownloadOptions())

    def close(self) -> None:
        self.inspectors.close()
        self.downloader.close()

    def batch(self, *documents: SourceDocument, overlap: Overlap = Overlap.MISSING) -> int:
        self.scene.advance(60)
        self.server.asked.clear()
        return self.scene.listed_batch(documents, overlap)

    def archived(self, *documents: SourceDocument) -> int:
        batch_id = self.batch(*documents)
        self.work(batch_id)
        return batch_id

    def again(self, *documents: SourceDocument) -> int:
        batch_id = self.batch(*documents, overlap=Overlap.ALL)
        self.work(batch_id)
        return batch_id

    def work(self, batch_id: int, desk: LedgerDesk | None = None) -> None:
        Stint(
            desk=desk or self.desk(batch_id),
            source=self.source,
            archive=self.archive,
            downloader=self.downloader,
            inspectors=self.inspectors,
            rules=CompatibilityRules(),
            options=StintOptions(owner="w1"),
            blame=Blame(self.source, self.archive),
            stopping=lambda: False,
        ).run()

    def desk(self, batch_id: int, kind: type[LedgerDesk] = LedgerDesk) -> LedgerDesk:
        return kind(
            self.scene.ledger,
            batch_id,
            self.scene.source_id,
            owner="w1",
            zone=SHANGHAI,
            others_waiting=lambda: False,
            clock=self.scene.clock,
        )

    def status(self, batch_id: int, number: str = NUMBER) -> ItemStatus:
        return self.scene.items(batch_id)[number].status

    def path(self, position: int = 0) -> Path:
        """Where a file of the document in force is."""
        key = self.scene.files(self.scene.document(NUMBER).id)[position].storage_key
        assert key is not None
        return self.root / key

    def keys(self) -> list[str]:
        return sorted(key for key, _ in self.archive.walk())

    def is_sound(self) -> bool:
        checking = Checking(self.scene, self.archive)
        return checking.run().is_clean


@pytest.fixture
def site(scene: Scene, tmp_path: Path) -> Iterator[Site]:
    server = FileServer()
    site = Site(scene, tmp_path / "archive", server)
    yield site
    site.close()
    server.close()


def digested(document: SourceDocument) -> SourceDocument:
    files = tuple(
        replace(file, sha256=sha256(body_of(file.file_id)).hexdigest()) for file in document.files
    )
    return replace(document, files=files)


WHOLE = digested(make_document(0, files=2))
PLAIN = make_document(0, files=2)


def test_sound_files_with_digests_are_read_and_not_fetched(site: Site) -> None:
    site.archived(WHOLE)
    keys = site.keys()
    batch_id = site.again(WHOLE, digested(make_document(1)))
    assert site.status(batch_id) is ItemStatus.SKIPPED
    assert site.status(batch_id, "FYBX00001") is ItemStatus.SYNCED
    assert site.server.asked == ["f-1-1"]
    assert set(keys) < set(site.keys())
    assert site.is_sound()


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_copy_is_fetched_again_and_replaced(site: Site, how: str) -> None:
    site.archived(WHOLE)
    path = site.path(1)
    if how == "flipped":
        flip_a_bit(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert not site.is_sound()
    batch_id = site.again(WHOLE)
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert site.path(1).read_bytes() == body_of("f-0-2")
    (event,) = site.scene.events(batch_id, "document.replace")
    assert event.reason == "damaged"
    # The damage of the copy that was replaced is known and not blamed for ever.
    assert site.is_sound()


def test_a_damaged_copy_without_digests_is_not_taken_for_the_same(site: Site) -> None:
    site.archived(PLAIN)
    flip_a_bit(site.path())
    batch_id = site.again(PLAIN)
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert site.path().read_bytes() == body_of("f-0-1")


def test_without_digests_equal_bytes_are_thrown_away(site: Site) -> None:
    site.archived(PLAIN)
    keys = site.keys()
    batch_id = site.again(PLAIN)
    assert site.status(batch_id) is ItemStatus.SKIPPED
    assert sorted(site.server.asked) == ["f-0-1", "f-0-2"]
    assert site.keys() == keys
    assert site.is_sound()


def test_without_digests_other_bytes_replace(site: Site) -> None:
    site.archived(PLAIN)
    old = site.path(1)
    site.server.answers["f-0-2"] = (200, {}, b"something else\n")
    batch_id = site.again(PLAIN)
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert site.path(1).read_bytes() == b"something else\n"
    assert old.read_bytes() == body_of("f-0-2")
    assert site.is_sound()


def test_a_file_that_the_source_added_replaces_and_the_old_version_stays(site: Site) -> None:
    site.archived(WHOLE)
    keys = site.keys()
    batch_id = site.again(digested(make_document(0, files=3)))
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert len(site.scene.files(site.scene.document(NUMBER).id)) == 3
    assert set(keys) < set(site.keys())
    assert len(site.keys()) == 5
    assert site.is_sound()
    assert site.scene.batch(batch_id).stored_files == 3


class DiesBeforeTheCommit(LedgerDesk):
    """Its process is killed when the new version is published_all and not recorded."""

    def settle(self, results: Sequence[Result]) -> list[Result]:
        raise Dead

    def release(self, held: Sequence[Claim]) -> None:
        """A dead process gives nothing back."""


def test_a_crash_between_publishing_and_the_commit_leaves_the_old_version(site: Site) -> None:
    site.archived(WHOLE)
    keys = site.keys()
    folder = site.scene.document(NUMBER).folder
    changed = digested(make_document(0, files=3))
    batch_id = site.batch(changed, overlap=Overlap.ALL)
    with pytest.raises(Dead):
        site.work(batch_id, site.desk(batch_id, DiesBeforeTheCommit))
    assert len(site.keys()) == len(keys) + 3
    document = site.scene.document(NUMBER)
    assert (document.folder, len(site.scene.files(document.id))) == (folder, 2)
    assert site.scene.versions(document.id) == []
    assert site.is_sound()

    site.scene.advance(LEASE_SECONDS + 1)
    site.work(batch_id)
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert set(keys) < set(site.keys())
    assert len(site.keys()) == len(keys) + 3
    assert site.is_sound()


class DiesAfterTheCommit(LedgerDesk):
    """Its process is killed before it hears that its commit went through."""

    def settle(self, results: Sequence[Result]) -> list[Result]:
        super().settle(results)
        raise Dead

    def release(self, held: Sequence[Claim]) -> None:
        """A dead process gives nothing back."""


def test_a_crash_after_the_commit_leaves_the_new_version(site: Site) -> None:
    site.archived(WHOLE)
    batch_id = site.batch(digested(make_document(0, files=3)), overlap=Overlap.ALL)
    with pytest.raises(Dead):
        site.work(batch_id, site.desk(batch_id, DiesAfterTheCommit))
    assert site.status(batch_id) is ItemStatus.SYNCED
    assert len(site.scene.files(site.scene.document(NUMBER).id)) == 3
    assert site.is_sound()


class StopsAtOnce(LedgerDesk):
    """The batch is paused as soon as anybody asks."""

    def control(self) -> Control:
        return Control(stop=True)


def test_a_pause_ends_the_reading_too(site: Site) -> None:
    site.archived(WHOLE)
    path = site.path()
    path.unlink()
    path.mkdir()
    batch_id = site.batch(WHOLE, digested(make_document(1)), overlap=Overlap.ALL)
    site.server.held.update(["f-0-1", "f-1-1"])
    site.work(batch_id, site.desk(batch_id, StopsAtOnce))
    items = site.scene.items(batch_id)
    assert {item.lease_owner for item in items.values()} == {None}
    assert {item.status for item in items.values()} == {ItemStatus.PENDING}
