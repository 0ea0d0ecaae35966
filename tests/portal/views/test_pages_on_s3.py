"""Looking at, downloading and packing what is archived in a bucket, with no copy on this host."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from portal.app import create_app
from portal.models import Document
from portal.runtime import Portal
from portal.settings import read_settings
from tests.portal.sync.archive.faulty_s3 import Fault, FaultyS3, faulty_s3
from tests.portal.sync.archive.stores import KEYS, S3, bucket, s3_url
from tests.portal.views.page_scene import TOKEN, Content, PageScene
from tests.portal.views.test_documents_pages import KINDS, picture_of
from tests.portal.views.test_packages import post
from tests.portal.views.visitor import Visitor

pytestmark = pytest.mark.s3
LARGE = hashlib.shake_128(b"large").digest(3_500_000)


@pytest.fixture
def faulty() -> Iterator[FaultyS3]:
    if not S3:
        pytest.skip("IMGMIG_TEST_S3 names no S3 server")
    with faulty_s3(S3) as faulty:
        yield faulty


@pytest.fixture
def app(home: Path, faulty: FaultyS3) -> Iterator[Flask]:
    with bucket() as name:
        environment = {
            "IMGMIG_HOME": str(home),
            "XXL_JOB_ACCESS_TOKEN": TOKEN,
            "PORTAL_ARCHIVE_URL": s3_url(name, endpoint=faulty.url),
            "PORTAL_S3_ACCESS_KEY_ID": KEYS.access_key,
            "PORTAL_S3_SECRET_ACCESS_KEY": KEYS.secret_key,
        }
        app = create_app(read_settings(environment))
        yield app
        portal: Portal = app.extensions["portal"]
        portal.ledger.close()
        portal.queue.close()


def archived(scene: PageScene, *contents: Content) -> Document:
    """A document whose files lie in the bucket."""
    document = scene.archived(*contents)
    stage = scene.portal.archive.stage(str(document.folder), owner="w1")
    for file in scene.ledger_scene.files(document.id):
        name = str(file.storage_key).rpartition("/")[2]
        shutil.move(scene.path(file), stage.path(name))
        stage.note(name, size=int(file.size or 0), sha256=str(file.sha256))
    scene.portal.archive.publish([stage])
    shutil.rmtree(scene.home / "archive")
    return document


def copies(scene: PageScene) -> list[Path]:
    """Files below the home that are neither the ledger's nor pictures made small."""
    found = [path for path in scene.home.rglob("*") if path.is_file()]
    usual = (".db", ".db-wal", ".db-shm", ".key", ".token", ".lock", ".counts")
    return [path for path in found if path.suffix not in usual and "cache" not in path.parts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_shown(scene: PageScene, auditor: Visitor, kind: str) -> None:
    document = archived(scene, Content(f"发票.{kind}", KINDS[kind], kind, pages=1))
    response = auditor.raw(picture_of(auditor, document, scene.file(document)))
    assert response.status_code == 200
    with Image.open(io.BytesIO(response.data)) as shown:
        shown.load()
    assert copies(scene) == []


def test_a_file_is_downloaded_whole_and_in_parts(
    scene: PageScene, auditor: Visitor, faulty: FaultyS3
) -> None:
    document = archived(scene, Content("大.bin", LARGE, "xml"))
    address = f"/files/{scene.file(document).id}/download"
    assert auditor.raw(address).data == LARGE
    faulty.seen.clear()
    with auditor.raw(address, Range="bytes=3000000-3000999") as response:
        assert response.status_code == 206
        assert response.data == LARGE[3_000_000:3_001_000]
    # The beginning is read to see that it is there; not the three megabytes between.
    assert len(faulty.requests("GET")) == 2
    assert copies(scene) == []


def test_a_package_is_made(scene: PageScene, operator: Visitor) -> None:
    document = archived(
        scene, Content("一.png", KINDS["png"], "png"), Content("大.bin", LARGE, "xml")
    )
    with post(operator, "/packages/chosen", {"document_id": str(document.id)}) as response:
        content = response.data
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        contents = {book.read(name) for name in book.namelist()}
    assert {KINDS["png"], LARGE} <= contents
    assert copies(scene) == []


def test_an_outage_is_named_and_passes(
    scene: PageScene, auditor: Visitor, faulty: FaultyS3
) -> None:
    document = archived(scene, Content("发票.png", KINDS["png"], "png", pages=1))
    file = scene.file(document)
    address = picture_of(auditor, document, file)
    faulty.fault = Fault("refuse", status=403, code="InvalidAccessKeyId")
    broken = auditor.raw(address)
    assert broken.status_code == 404
    assert "密钥" in broken.get_data(as_text=True)
    assert KEYS.secret_key not in broken.get_data(as_text=True)
    assert auditor.raw(f"/files/{file.id}/download").status_code == 303
    faulty.fault = None
    assert auditor.raw(address).status_code == 200


def test_free_space_is_said_to_be_unknown(scene: PageScene, admin: Visitor) -> None:
    scene.waiting()
    assert "未知" in admin.get("/").root.text


def test_no_page_shows_the_secret(scene: PageScene, admin: Visitor) -> None:
    document = archived(scene, Content("发票.png", KINDS["png"], "png", pages=1))
    for path in ("/", "/metrics", "/healthz", "/sources", f"/documents/{document.id}"):
        assert KEYS.secret_key not in admin.raw(path).get_data(as_text=True)
