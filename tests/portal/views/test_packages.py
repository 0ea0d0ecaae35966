"""打包下载 and 文件下载 on the pages."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from portal.chores.clerk import Clerk
from portal.chores.kinds import KINDS
from portal.models import AuditEvent, Chore, utc_now
from portal.services.packing import MANIFEST, PackageBroken
from portal.services.stream_places import PLACES, take_place
from tests.portal.ledger_scene import stored
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.visitor import Visitor

INVOICE = Content("发票 2024（一）.pdf", b"%PDF-1 invoice", "pdf")
COVER = Content("封面.jpg", b"\xff\xd8 cover", "jpg", category="cover")


def post(visitor: Visitor, path: str, fields: Mapping[str, str | list[str]]) -> TestResponse:
    return visitor.client.post(path, data={"csrf_token": visitor.token(), **fields})


def opened(response: TestResponse) -> zipfile.ZipFile:
    with response:
        assert response.mimetype == "application/zip", response.text
        return zipfile.ZipFile(io.BytesIO(response.data))


def manifest(book: zipfile.ZipFile) -> list[list[str]]:
    text = book.read(MANIFEST).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))[1:]


def events(scene: PageScene, action: str) -> list[AuditEvent]:
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        return list(session.scalars(query))


def batch_of(scene: PageScene, document_id: int) -> str:
    with scene.portal.ledger.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.document_id == document_id)
        ).first()
        assert event is not None
        assert event.batch_id is not None
        return scene.ledger_scene.batch(event.batch_id).batch_no


def test_a_batch_is_downloaded_as_folders_of_documents_with_a_manifest(
    scene: PageScene, auditor: Visitor, tmp_path: Path
) -> None:
    document = scene.archived(INVOICE, INVOICE, COVER)
    response = post(auditor, "/packages/batches", {"batch_no": batch_of(scene, document.id)})
    book = opened(response)
    folder = f"{document.image_no}_{document.bill_no}"
    assert book.namelist() == [
        f"{folder}/发票/发票 2024（一）.pdf",
        f"{folder}/发票/发票 2024（一） (2).pdf",
        f"{folder}/封面/封面.jpg",
        MANIFEST,
    ]
    assert book.testzip() is None
    assert book.read(f"{folder}/封面/封面.jpg") == COVER.body
    (first, *_rest) = manifest(book)
    assert first[:2] == [document.image_no, document.bill_no]
    assert first[4:] == [
        "发票",
        INVOICE.name,
        f"{folder}/发票/发票 2024（一）.pdf",
        str(len(INVOICE.body)),
        hashlib.sha256(INVOICE.body).hexdigest(),
        "一致 matches",
    ]
    path = tmp_path / "package.zip"
    path.write_bytes(response.data)
    checked = subprocess.run(["unzip", "-tq", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    (begun,) = events(scene, "package.begin")
    assert (begun.actor, begun.detail) == (
        "auditor",
        {"batches": [batch_of(scene, document.id)], "documents": 1},
    )
    (ended,) = events(scene, "package.end")
    assert ended.new == "complete"
    assert ended.detail is not None
    assert ended.detail["files"] == 3


def test_chosen_documents_each_come_once_and_what_is_not_archived_is_named(
    scene: PageScene, operator: Visitor
) -> None:
    one = scene.archived(INVOICE, image_no="A1")
    two = scene.archived(INVOICE, image_no="a1")
    number = scene.running()
    absent = scene.ledger_scene.document("FYBX00002")
    ids = [str(one.id), str(two.id), str(one.id), str(absent.id)]
    book = opened(post(operator, "/packages/chosen", {"document_id": ids}))
    folders = {name.split("/")[0] for name in book.namelist()} - {MANIFEST}
    assert {name.casefold() for name in folders} == {"a1_fy-0", "a1_fy-0 (2)"}
    assert [row[0] for row in manifest(book) if row[-1].startswith("未归档")] == [absent.image_no]
    assert number


def test_all_that_match_a_filter_of_a_batch(scene: PageScene, operator: Visitor) -> None:
    document = scene.archived(INVOICE)
    number = batch_of(scene, document.id)
    fields = {"all": "1", "batch_no": number, "image_no": document.image_no[:4]}
    assert len(opened(post(operator, "/packages/chosen", fields)).namelist()) == 2
    response = post(operator, "/packages/chosen", {**fields, "image_no": "nothing"})
    assert response.status_code == 303
    assert operator.get("/batches/").messages == ["所选范围内没有已归档的单据"]


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_file_is_never_sent_and_breaks_the_download(
    scene: PageScene, operator: Visitor, how: str
) -> None:
    document = scene.archived(INVOICE, COVER)
    path = scene.path(scene.file(document, 1))
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(COVER.body[:-1] if how == "cut" else COVER.body.replace(b"c", b"C"))
    parts: list[bytes] = []
    response = post(operator, "/packages/chosen", {"document_id": str(document.id)})
    with response, pytest.raises(PackageBroken):
        parts.extend(response.iter_encoded())
    sent = b"".join(parts)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(sent))
    assert INVOICE.body in sent
    assert COVER.body not in sent
    # The manifest is the last thing that came, and names the file.
    last = sent.rsplit(b"PK\x03\x04", 1)[1].decode("utf-8", "replace")
    assert "封面.jpg" in last
    assert "ARCHIVE_" in last.splitlines()[-1]
    (ended,) = events(scene, "package.end")
    assert (ended.new, ended.reason) == ("broken", "ARCHIVE_DAMAGED")
    assert ended.detail is not None
    assert ended.detail["damaged"] == scene.file(document, 1).storage_key


def test_a_download_that_nobody_waits_for_ends_and_its_place_is_free(
    scene: PageScene, operator: Visitor
) -> None:
    big = Content("大.pdf", b"x" * 1_000_000, "pdf")
    document = scene.archived(big)
    for _ in range(PLACES + 1):
        response = post(operator, "/packages/chosen", {"document_id": str(document.id)})
        assert response.status_code == 200
        next(response.iter_encoded())
        response.close()
    assert {event.new for event in events(scene, "package.end")} == {"aborted"}


def test_when_all_places_are_taken_it_says_so(scene: PageScene, operator: Visitor) -> None:
    document = scene.archived(INVOICE)
    taken = [take_place(scene.home) for _ in range(PLACES)]
    fields = {"document_id": str(document.id), "next": f"/documents/{document.id}"}
    response = post(operator, "/packages/chosen", fields)
    assert (response.status_code, response.headers["Location"]) == (303, fields["next"])
    (message,) = operator.get(fields["next"]).messages
    assert str(PLACES) in message
    assert events(scene, "package.begin") == []
    for give_back in taken:
        assert give_back is not None
        give_back()
    opened(post(operator, "/packages/chosen", fields))


def test_nothing_ticked_is_said(operator: Visitor) -> None:
    for path in ("/packages/batches", "/packages/chosen", "/packages/fetch"):
        assert operator.post(path, status=303).messages == ["请先勾选批次或单据"]


def test_a_batch_that_is_not_there_is_named(operator: Visitor) -> None:
    for path in ("/packages/batches", "/packages/fetch-batches", "/packages/fetch"):
        page = operator.post(path, {"batch_no": "MB19990101-0001"}, status=303)
        assert page.messages == ["没有批次 MB19990101-0001"]


def test_a_fetch_shows_its_progress_and_in_the_end_what_is_missing_and_why(
    scene: PageScene, operator: Visitor
) -> None:
    number = scene.ended("FILE_CORRUPT")
    page = operator.post("/packages/fetch", {"batch_no": number}, status=303)
    (poller,) = page.pollers
    clerk = Clerk(scene.portal, KINDS)
    assert clerk.do_one(["fetch"])
    region = operator.get(poller.get("hx-get"), htmx=True, status=286)
    (then,) = region.pollers
    part = operator.get(then.get("hx-get"), htmx=True)
    assert "处理措施" in part.text
    assert "FILE_CORRUPT" in part.text
    whole = operator.get(page.path)
    assert "FILE_CORRUPT" in whole.text
    # And on wish once more, with what failed for good.
    again = operator.submit(whole.form("/fetch"), {"permanent_too": "1"})
    assert clerk.do_one(["fetch"])
    batch = scene.batch(number)
    assert str(batch.run_status) == "running"
    scene.ledger_scene.now = utc_now()
    scene.ledger_scene.settle(batch.id, *map(stored, scene.ledger_scene.claim(batch.id)))
    # It was put off for a second; until then the clerk has its hands free.
    assert not clerk.do_one(["fetch"])
    with scene.portal.ledger.write() as session:
        session.execute(update(Chore).values(lease_expires_at=None))
    assert clerk.do_one(["fetch"])
    done = operator.get(again.path)
    assert "已取回 1" in " ".join(done.text.split())


def test_a_batch_that_was_never_listed_is_named(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    page = operator.post("/packages/fetch", {"batch_no": number}, status=303)
    assert page.messages == [f"批次 {number} 还没有清点单据，请先运行该批次"]


def test_the_buttons_stand_where_batches_are(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    page = operator.get("/batches/")
    wanted = {button.get("formaction") for button in page.root.all("button")}
    assert {"/packages/fetch-batches", "/packages/batches"} <= wanted
    assert {"fetch", "batches"} <= operator.get(f"/batches/{number}").actions
    filtered = operator.get(f"/batches/{number}/documents?status=failed")
    (form,) = filtered.root.all("form", action="/packages/chosen?status=failed")
    page = operator.submit(form)
    assert page.messages == ["所选范围内没有已归档的单据"]
