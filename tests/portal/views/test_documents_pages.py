"""One document: its data, its files, their pictures and downloads."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from portal.browser import FOREIGN_POLICY
from portal.models import Document, File
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.visitor import Visitor

ONE_PAGE_PDF = (
    b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
    b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>\nendobj\n"
    b"trailer<</Size 4/Root 1 0 R>>\n%%EOF\n"
)


def picture(kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "navy").save(out, kind, **how)
    return out.getvalue()


def tiff(pages: int) -> bytes:
    frames = [Image.new("L", (60 + 10 * page, 40), 100) for page in range(pages)]
    out = io.BytesIO()
    frames[0].save(out, "TIFF", save_all=True, append_images=frames[1:])
    return out.getvalue()


KINDS = {"jpeg": picture("JPEG"), "png": picture("PNG"), "tiff": tiff(1), "pdf": ONE_PAGE_PDF}


def picture_of(visitor: Visitor, document: Document, file: File) -> str:
    """The address of the picture that the page shows."""
    page = visitor.get(f"/documents/{document.id}?file={file.id}")
    image = page.root.one(class_="view").one("img")
    assert file.name in image.get("alt")
    return image.get("src")


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_of_a_file(scene: PageScene, auditor: Visitor, kind: str) -> None:
    document = scene.archived(Content(f"发票.{kind}", KINDS[kind], kind, pages=1))
    response = auditor.raw(picture_of(auditor, document, scene.file(document)))
    assert response.status_code == 200
    with Image.open(io.BytesIO(response.data)) as shown:
        shown.load()
        assert response.mimetype == Image.MIME[str(shown.format)]
        assert shown.format in ("JPEG", "PNG")
    assert response.headers["Content-Security-Policy"] == FOREIGN_POLICY
    assert response.headers["Cache-Control"].startswith("private")


def test_pages_are_turned(scene: PageScene, auditor: Visitor) -> None:
    document = scene.archived(Content("三页.tif", tiff(3), "tiff", pages=3))
    address = f"/documents/{document.id}"
    widths = []
    while address:
        page = auditor.get(address)
        response = auditor.raw(page.root.one(class_="view").one("img").get("src"))
        with Image.open(io.BytesIO(response.data)) as shown:
            widths.append(shown.width)
        following = [a.get("href") for a in page.root.all("a") if a.text == "下一页"]
        address = following[0] if following else ""
    assert widths == [60, 70, 80]
    for beyond, shown_page in (("99", "3 / 3"), ("0", "1 / 3"), ("-1", "1 / 3"), ("x", "1 / 3")):
        page = auditor.get(f"/documents/{document.id}?page={beyond}")
        assert page.root.one(class_="pages").one("span").text == shown_page


@pytest.mark.parametrize("page", ["0", "-1", "2", "99999999999999999999", "x"])
@pytest.mark.parametrize("kind", ["jpeg", "tiff", "pdf"])
def test_a_page_that_a_file_does_not_have_is_no_error_of_ours(
    scene: PageScene, auditor: Visitor, kind: str, page: str
) -> None:
    document = scene.archived(Content(f"发票.{kind}", KINDS[kind], kind, pages=1))
    response = auditor.raw(f"/files/{scene.file(document).id}/picture?page={page}")
    if page == "x":
        assert response.status_code == 200  # no page asked for: the first
    else:
        assert (response.status_code, response.mimetype) == (404, "image/svg+xml")
        assert "1" in response.text


@pytest.mark.parametrize(("kind", "name"), [("ofd", "发票.ofd"), ("xml", "发票.xml")])
def test_what_has_no_picture_is_offered_as_a_download(
    scene: PageScene, auditor: Visitor, kind: str, name: str
) -> None:
    document = scene.archived(Content(name, b"<x/>", kind))
    file = scene.file(document)
    page = auditor.get(f"/documents/{document.id}")
    assert page.root.one(class_="view").all("img") == []
    assert kind in page.root.one(class_="none").text
    assert f"/files/{file.id}/download" in page.links
    refused = auditor.raw(f"/files/{file.id}/picture")
    assert (refused.status_code, refused.mimetype) == (404, "image/svg+xml")
    assert "不支持在线查看" in refused.text


@pytest.mark.parametrize("damage", ["missing", "changed", "not a picture"])
def test_a_picture_that_cannot_be_shown_says_why(
    scene: PageScene, auditor: Visitor, damage: str
) -> None:
    body = b"no picture at all" if damage == "not a picture" else tiff(1)
    document = scene.archived(Content("发票.tif", body, "tiff", pages=1))
    file = scene.file(document)
    if damage == "missing":
        scene.path(file).unlink()
    if damage == "changed":
        scene.path(file).write_bytes(tiff(2))
    response = auditor.raw(picture_of(auditor, document, file))
    assert (response.status_code, response.mimetype) == (404, "image/svg+xml")
    assert "Traceback" not in response.text
    assert str(scene.home) not in response.text
    auditor.speak_english()
    page = auditor.raw(f"/files/{file.id}/picture")
    assert page.text.isascii()


def test_files_stand_under_their_category(scene: PageScene, auditor: Visitor) -> None:
    document = scene.archived(
        Content("封面.xml", b"1", "xml", category="cover"),
        Content("发票一.xml", b"2", "xml", category="invoice"),
        Content("发票二.xml", b"3", "xml", category="invoice"),
        Content("附件.xml", b"4", "xml", category="attachment"),
    )
    page = auditor.get(f"/documents/{document.id}")
    groups = [
        (card.one("h2").text, [item.text.split(" ")[0] for item in card.one("ul").all("li")])
        for card in page.root.all(class_="card")
        if card.all("ul")
    ]
    assert groups == [
        ("封面 1 / 1", ["封面.xml"]),
        ("发票 2 / 2", ["发票一.xml", "发票二.xml"]),
        ("附件 1 / 1", ["附件.xml"]),
    ]


def test_a_hostile_name_is_only_text(scene: PageScene, auditor: Visitor) -> None:
    name = '"><img src=x onerror=alert(1)>'
    document = scene.archived(Content(name, picture("PNG"), "png"), image_no="<b>&amp;'\"")
    page = auditor.get(f"/documents/{document.id}")
    assert len(page.root.all("img")) == 1
    assert name in page.text
    assert "<b>&amp;'\"" in page.title


def test_a_document_that_failed_says_why_and_can_be_sent_again(
    scene: PageScene, operator: Visitor, auditor: Visitor
) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_DIGEST_MISMATCH")
    (first, second) = operator.get(f"/batches/{number}/documents?status=failed").root.all("tr")[1:]
    path = first.one("a").get("href")
    page = operator.get(path)
    cause = page.root.one(class_="cause")
    assert [fact.text for fact in cause.all("dt")][:2] == ["处理措施", "尝试次数"]
    assert "该单据还没有归档的文件" in page.text
    assert not auditor.get(path).root.one(class_="cause").all("form")
    after = operator.submit(page.form(f"/retry/{number}"))
    assert after.messages == ["1 份单据重新同步"]
    log = after.root.one(id="log").one("tbody").all("tr")
    assert [[cell.text for cell in row.all("td")][2:5] for row in log] == [
        ["状态变更", "失败", "待处理"],
        ["状态变更", "待处理", "失败"],
    ]
    left = operator.get(f"/batches/{number}/documents?status=failed").root.all("tr")[1:]
    assert [row.one("a").get("href") for row in left] == [second.one("a").get("href")]
    refused = operator.get(second.one("a").get("href"))
    assert refused.actions <= {"language", "logout"}  # its batch runs now


def test_what_does_not_exist_is_a_404_in_the_portals_look(
    scene: PageScene, operator: Visitor
) -> None:
    scene.ended("FILE_CORRUPT", synced=0)
    for path in (
        "/documents/999999",
        "/documents/x",
        "/documents/-1",
        "/files/999999/picture",
        "/files/999999/download",
        "/files/1/download",  # listed and never archived
        "/files/1/picture",
    ):
        assert operator.get(path, status=404).title.startswith("没有找到")
    operator.post("/documents/1/retry/MB20200101-0001", status=404)
    page = operator.get("/documents/1?file=999999")
    assert "该单据还没有归档的文件" in page.text


def test_earlier_versions_are_listed_and_can_be_downloaded(
    scene: PageScene, auditor: Visitor
) -> None:
    document = scene.archived(Content("发票.txt", b"first", "txt"))
    assert auditor.get(f"/documents/{document.id}").root.all(id="versions") == []
    scene.replaced(document, Content("发票.txt", b"second", "txt"))
    page = auditor.get(f"/documents/{document.id}")
    versions = page.root.one(id="versions")
    assert "源端信息变化" in versions.text
    (link,) = versions.all("a")
    current = scene.file(scene.ledger_scene.document(document.image_no))
    for address, body in (
        (link.get("href"), b"first"),
        (f"/files/{current.id}/download", b"second"),
    ):
        with auditor.raw(address) as response:
            assert (response.status_code, response.data) == (200, body)
    auditor.get("/versions/files/99/download", status=404)
    auditor.speak_english()
    assert "described anew" in auditor.get(f"/documents/{document.id}").root.one(id="versions").text


def test_what_an_ofd_says_of_itself_comes_by_itself(scene: PageScene, auditor: Visitor) -> None:
    document = scene.archived(
        Content("发票.xml", b"<a><InvoiceNumber>77</InvoiceNumber></a>", "xml")
    )
    page = auditor.get(f"/documents/{document.id}")
    region = page.root.one(id="told")
    assert region.get("hx-trigger") == "load"
    part = auditor.get(region.get("hx-get"), htmx=True)
    assert "发票号码77" in part.text.replace(" ", "")
    assert auditor.get(region.get("hx-get")).title.startswith("发票.xml")
    auditor.speak_english()
    assert "Invoice number" in auditor.get(region.get("hx-get"), htmx=True).text
    broken = scene.archived(Content("b.xml", b"<a", "xml"), image_no="FYBX90002")
    part = auditor.get(f"/files/{scene.file(broken).id}/facts", htmx=True)
    assert "Download" not in part.text
    assert part.root.one(class_="told").text


def test_a_batch_is_walked_through_under_its_filters(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_CORRUPT", "FILE_DIGEST_MISMATCH", synced=3)
    for query, length in (
        ("", 6),
        ("?status=failed", 3),
        ("?code=FILE_CORRUPT", 2),
        ("?status=synced", 3),
    ):
        page = auditor.get(f"/batches/{number}/documents{query}")
        wanted = [row[1] for row in page.rows()]
        assert len(wanted) == length
        here = page.root.one("tbody").all("a")[0].get("href")
        walked = []
        while here:
            page = auditor.get(here)
            walked.append(page.title.split()[1])
            here = next((a.get("href") for a in page.root.all("a") if a.text == "下一份"), "")
        assert walked == wanted
        (back,) = [a.get("href") for a in page.root.all("a") if a.text == "返回列表"]
        assert [row[1] for row in auditor.get(back).rows()] == wanted


def test_a_list_that_does_not_hold_the_document_is_passed_over(
    scene: PageScene, auditor: Visitor
) -> None:
    number = scene.ended("FILE_CORRUPT")
    for name in ("archive", "MB20200101-0001", "%00", "x" * 500, f"{number}&status=nonsense"):
        assert auditor.get(f"/documents/1?list={name}&sort=amount&month=x").title


def test_its_passages_and_its_files_are_told(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    failed_id = auditor.get(f"/batches/{number}/documents?status=failed").root.one("tbody")
    page = auditor.get(failed_id.all("a")[0].get("href"))
    (row,) = [cells for cells in page.rows() if cells[0] == number]
    assert row[1] == "失败"
    facts = page.root.one(id="files").text
    assert "出错" in facts
    assert "处理措施" in facts
    assert "0 / 1" in facts
