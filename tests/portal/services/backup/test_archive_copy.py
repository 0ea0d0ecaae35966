"""What lies in an archive of either kind comes back: documents' files, exports, manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.ledger import Ledger
from portal.models import Document, Export, File, Sample, SampleState
from portal.seal_key import SealKey
from portal.services.backup.making import BackupMaking, Order
from portal.services.backup.restoring import bring_archive, check, find
from portal.services.exports import folder_of as export_folder
from portal.services.manifests import folder_of as manifest_folder
from portal.settings import read_settings
from portal.sync.archive.keeping import keep, place_of
from tests.portal.ledger_scene import Scene, opened_ledger
from tests.portal.sync.archive.stores import STORES, Store, opened_store

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """A store of each kind in turn, and an empty one beside it."""
    with (
        opened_store(request.param, tmp_path / "here") as here,
        opened_store(request.param, tmp_path / "there") as there,
    ):
        yield here, there


@pytest.fixture
def ledger(empty_sqlite: Path, tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "ledger.db").write_bytes(empty_sqlite.read_bytes())
    with opened_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield ledger


def no_matter(_step: str, _done: int, _total: int | None) -> None:
    pass


def kept(store: Store, folder: str, name: str, text: str, made: Path) -> dict[str, str]:
    """Keep a file, as a clerk does; its key and what is in it."""
    made.write_text(text)
    keep(store.archive, folder, {name: made}, owner="clerk")
    return {f"{place_of(folder)}/{name}": text}


def test_documents_exports_and_sealed_manifests_come_back(
    stores: tuple[Store, Store], ledger: Ledger, tmp_path: Path
) -> None:
    here, there = stores
    source = Scene(ledger).source_id
    digest = hashlib.sha256(b"a page").hexdigest()
    manifest = hashlib.sha256(b"sealed").hexdigest()
    rows = hashlib.sha256(b"rows").hexdigest()
    here.archive.publish([here.staged("源/2024-01/1", text="a page")])
    expected = {"源/2024-01/1/00.txt": "a page"}
    expected |= kept(here, export_folder(1, 1), "a.csv", "rows", tmp_path / "a")
    expected |= kept(here, manifest_folder(1, manifest), "manifest", "sealed", tmp_path / "b")
    with ledger.write() as session:
        document = Document(
            data_source_id=source, resource="EAS", image_no="1", bill_no="", bill_type_code="",
            bill_type_name="", org_code="", org_name="", applicant="", source_metadata={},
            listing_digest="", archived_at=NOW,
        )  # fmt: skip
        session.add(document)
        session.flush()
        told = {"kind": "batches", "format": "csv", "language": "zh", "filters": {}}
        session.add_all([
            File(
                document_id=document.id, file_id="f", category="cover", seq=1, name="a", suffix="",
                storage_key="源/2024-01/1/00.txt", size=6, sha256=digest,
            ),
            Export(
                **told, asked_by="x", asked_at=NOW, made_at=NOW, bytes=4, sha256=rows,
                file=f"{export_folder(1, 1)}/a.csv",
            ),
            Export(**told, asked_by="x", asked_at=NOW),
            Sample(
                data_source_id=source, month="2024-01", state=SampleState.SEALED, asked_by="x",
                asked_at=NOW, manifest_sha256=manifest, manifest_bytes=6,
            ),
        ])  # fmt: skip

    settings = read_settings({"IMGMIG_HOME": str(tmp_path / "home")})
    order = Order(tmp_path / "backups", with_archive=True, with_keys=False, by="x")
    key = SealKey("k" * 32)
    making = BackupMaking(
        ledger, here.archive, key, settings, order, revision="x", clock=lambda: NOW
    )
    made = making.run()
    assert made.damaged == ()
    found = find(made.folder)
    check(found, no_matter)
    bring_archive(there.archive, found, no_matter)
    for file, text in expected.items():
        with there.archive.open(file) as stream:
            assert stream.read().decode() == text
    assert there.keys() == ["源/2024-01/1/00.txt"]
    assert there.left_over() == []
