"""Downloads: the archived bytes under their original name, saved and never run."""

from __future__ import annotations

import os
from email.message import Message
from urllib.parse import unquote

import pytest
from sqlalchemy import select

from portal.browser import FOREIGN_POLICY
from portal.models import AuditEvent
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.visitor import Visitor


def saved_name(header: str) -> str:
    """The name a browser saves under (RFC 6266): ``filename*`` before ``filename``."""
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    _, _, extended = header.partition("filename*=UTF-8''")
    return unquote(extended)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("发票 2024（一）.pdf", "发票 2024（一）.pdf"),
        ("plain.pdf", "plain.pdf"),
        ('quo"te;x=y.pdf', "quo_te;x=y.pdf"),
        ("back\\slash.pdf", "back_slash.pdf"),
        ("../../etc/passwd", "__.._etc_passwd"),
        ("..", "_"),
        (".hidden.pdf", "_hidden.pdf"),
        ("CON", "_CON"),
        ("nul.pdf", "_nul.pdf"),
        ("com1.发票.pdf", "_com1.发票.pdf"),
        ("console.pdf", "console.pdf"),
        ("trailing. . ", "trailing"),
        ("发" * 255, "发" * 66),
        ("发" * 251 + ".pdf", "发" * 65 + ".pdf"),
        ("100%.pdf", "100%.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "a__Set-Cookie_ x=1.pdf"),
        ("fdp.exe\u202efdp.js", "fdp.exe_fdp.js"),
        ("nul\0.pdf", "nul_.pdf"),
        ("<script>alert(1)</script>.html", "_script_alert(1)__script_.html"),
        ("'; DROP TABLE files;--.pdf", "'; DROP TABLE files;--.pdf"),
        ("emoji😀.pdf", "emoji😀.pdf"),
    ],
)
def test_the_original_name_is_kept_and_breaks_nothing(
    scene: PageScene, auditor: Visitor, name: str, saved: str
) -> None:
    document = scene.archived(Content(name, b"bytes of the file", "xml"))
    file = scene.file(document)
    auditor.get(f"/documents/{document.id}")  # the checks for all pages see the name too
    with auditor.raw(f"/files/{file.id}/download") as response:
        assert response.data == b"bytes of the file"
        header = response.headers["Content-Disposition"]
        assert "Set-Cookie" not in response.headers
    # A server sends headers as latin-1 and refuses what is no printable character.
    assert header.isascii()
    assert header.isprintable()
    assert saved_name(header) == saved


def test_a_web_page_from_the_source_is_saved_and_never_run(
    scene: PageScene, auditor: Visitor
) -> None:
    body = b"<!doctype html><script>fetch('/logout')</script>"
    document = scene.archived(Content("发票.html", body, "html"))
    with auditor.raw(f"/files/{scene.file(document).id}/download") as response:
        assert response.data == body
        assert response.mimetype == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment;")
        assert response.headers["Content-Security-Policy"] == FOREIGN_POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.content_length == len(body)


def test_a_large_file_arrives_whole(scene: PageScene, auditor: Visitor) -> None:
    body = os.urandom(700_000)
    document = scene.archived(Content("大.ofd", body, "ofd"))
    with auditor.raw(f"/files/{scene.file(document).id}/download") as response:
        assert response.data == body


def test_a_file_that_vanished_from_the_archive_is_told(scene: PageScene, auditor: Visitor) -> None:
    document = scene.archived(Content("发票.xml", b"<x/>", "xml"))
    file = scene.file(document)
    scene.path(file).unlink()
    response = auditor.raw(f"/files/{file.id}/download")
    assert (response.status_code, response.headers["Location"]) == (
        303,
        f"/documents/{document.id}",
    )
    (message,) = auditor.get(f"/documents/{document.id}").messages
    assert "ARCHIVE_MISSING" in message


def downloads(scene: PageScene) -> list[tuple[str, int | None, str]]:
    """Who downloaded, of which document, which file."""
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == "file.download")
        return [
            (event.actor, event.document_id, (event.detail or {})["file"])
            for event in session.scalars(query.order_by(AuditEvent.id))
        ]


def test_every_download_is_in_the_trail_and_looking_is_not(
    scene: PageScene, auditor: Visitor, operator: Visitor
) -> None:
    document = scene.archived(Content("发票.txt", b"text", "txt"))
    address = f"/files/{scene.file(document).id}"
    auditor.get(f"/documents/{document.id}")
    auditor.get(f"{address}/facts")
    assert downloads(scene) == []
    for visitor in (auditor, operator, operator):
        with visitor.raw(f"{address}/download") as response:
            assert response.data == b"text"
    assert downloads(scene) == [
        ("auditor", document.id, "发票.txt"),
        ("operator", document.id, "发票.txt"),
        ("operator", document.id, "发票.txt"),
    ]
    (shown, *_) = auditor.get("/audit/?action=file.download").rows()
    assert shown[1:3] == ["operator", "下载文件"]
    assert "下载文件" not in auditor.get(f"/documents/{document.id}").text  # not its migration


def test_the_parts_of_a_file_are_one_download(scene: PageScene, auditor: Visitor) -> None:
    body = bytes(range(256)) * 4000
    document = scene.archived(Content("大.ofd", body, "ofd"))
    address = f"/files/{scene.file(document).id}/download"
    got = b""
    for low in range(0, len(body), 300_000):
        with auditor.raw(address, Range=f"bytes={low}-{low + 299_999}") as response:
            assert response.status_code == 206
            assert response.headers["Content-Range"].startswith(f"bytes {low}-")
            got += response.data
    assert got == body
    assert len(downloads(scene)) == 1
    with auditor.raw(address, Range="bytes=99999999-") as response:
        assert response.status_code == 416
    with auditor.raw(address) as response:
        tag = response.headers["ETag"]
    with auditor.raw(address, If_None_Match=tag) as response:
        assert (response.status_code, response.data) == (304, b"")
    assert len(downloads(scene)) == 2
