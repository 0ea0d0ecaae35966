from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pypdfium2
from flask.testing import FlaskClient
from PIL import Image

Ask = Callable[..., dict[str, Any]]

FILES = "/imgsys/migrate/v1/files"
OFD = "{http://www.ofdspec.org/2016}"
CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "tif": "image/tiff",
    "pdf": "application/pdf",
    "ofd": "application/ofd",
    "xml": "application/xml",
}


def picture_pages(data: bytes, picture_format: str) -> int:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == picture_format
        frames: int = getattr(picture, "n_frames", 1)
        for frame in range(frames):
            picture.seek(frame)
            picture.load()
            assert min(picture.size) >= 1000
    return frames


def pdf_pages(data: bytes) -> int:
    with pypdfium2.PdfDocument(data) as document:
        for page in document:
            assert page.get_size() == (595, 842)
            assert [item.get_px_size()[0] >= 1000 for item in page.get_objects()] == [True]
            page.close()
        return len(document)


def ofd_pages(data: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        assert package.testzip() is None
        root = ElementTree.fromstring(package.read("OFD.xml"))
        document = root.find(f".//{OFD}DocRoot")
        assert document is not None
        assert document.text == "Doc_0/Document.xml"
        pages = ElementTree.fromstring(package.read(document.text)).findall(f".//{OFD}Page")
        for page in pages:
            ElementTree.fromstring(package.read(f"Doc_0/{page.attrib['BaseLoc']}"))
        picture_pages(package.read("Doc_0/Res/scan.jpg"), "JPEG")
    return len(pages)


def xml_pages(data: bytes) -> int:
    root = ElementTree.fromstring(data)
    assert root.tag == "EInvoice"
    assert root.findtext(".//InvoiceNumber")
    return 1


PAGES: dict[str, Callable[[bytes], int]] = {
    "jpg": lambda data: picture_pages(data, "JPEG"),
    "png": lambda data: picture_pages(data, "PNG"),
    "tif": lambda data: picture_pages(data, "TIFF"),
    "pdf": pdf_pages,
    "ofd": ofd_pages,
    "xml": xml_pages,
}


def test_every_healthy_file_is_what_the_listing_says(client: FlaskClient, ask: Ask) -> None:
    defects = client.get("/_demo/expected").get_json()["defects"]
    spoilt = {defect["imageNo"] for defect in defects}
    digests = set()
    for row in ask(client, "documents")["rows"]:
        if row.get("scanBillNo") in spoilt:
            continue
        for file in row["files"]:
            data = client.get(f"{FILES}/{file['fileId']}").data
            assert len(data) == file["fileSize"]
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
            assert "md5" not in file or hashlib.md5(data).hexdigest() == file["md5"]
            assert file["fileName"].endswith(f".{file['fileSuffix']}")
            assert PAGES[file["fileSuffix"]](data) == file["pageCount"]
            digests.add(file["sha256"])

    # No two files are the same, so nothing can pass for something else.
    totals = client.get("/_demo/expected").get_json()
    assert len(digests) > totals["files"] - 6 * 5


def test_multi_page_files_exist(client: FlaskClient, ask: Ask) -> None:
    files = [file for row in ask(client, "documents")["rows"] for file in row["files"]]

    assert {file["pageCount"] for file in files if file["fileSuffix"] == "tif"} == {2, 3}
    assert {file["pageCount"] for file in files if file["fileSuffix"] == "pdf"} == {1, 2, 3}


def test_downloads_carry_length_type_and_etag(client: FlaskClient, ask: Ask) -> None:
    files = [file for row in ask(client, "documents")["rows"] for file in row["files"]]
    for suffix, content_type in CONTENT_TYPES.items():
        file = next(file for file in files if file["fileSuffix"] == suffix)
        answer = client.get(f"{FILES}/{file['fileId']}")
        assert answer.status_code == 200
        assert answer.headers["Content-Length"] == str(file["fileSize"])
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["ETag"] == f'"{file["sha256"]}"'


def test_ranges_are_honoured(client: FlaskClient) -> None:
    url = f"{FILES}/f-000001-1"
    whole = client.get(url)
    size = len(whole.data)
    cases = {
        "bytes=0-0": (0, 1),
        "bytes=100-199": (100, 200),
        f"bytes={size - 50}-": (size - 50, size),
        # Across the border between what files share and what is their own.
        "bytes=-200": (size - 200, size),
        f"bytes=10-{size * 2}": (10, size),
    }
    for header, (start, stop) in cases.items():
        answer = client.get(url, headers={"Range": header})
        assert answer.status_code == 206
        assert answer.data == whole.data[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.headers["Content-Length"] == str(stop - start)

    beyond = client.get(url, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    for headers in (
        {"Range": "pages=1-2"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "bytes=0-1", "If-Range": '"old"'},
    ):
        assert client.get(url, headers=headers).data == whole.data
    current = {"Range": "bytes=0-1", "If-Range": whole.headers["ETag"]}
    assert client.get(url, headers=current).data == whole.data[:2]


def test_there_is_one_id_for_each_file_and_no_other(client: FlaskClient) -> None:
    for file_id in ("f-000241-1", "f-000000-1", "f-000001-9", "f-000001-0", "f-0000001-1", "x"):
        answer = client.get(f"{FILES}/{file_id}")
        assert answer.status_code == 404
        assert answer.get_json()["errcode"] == "404"
