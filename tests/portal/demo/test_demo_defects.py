from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from portal.demo.options import DemoOptions

Ask = Callable[..., dict[str, Any]]

CODES = {
    "missing-field": "META_MISSING_FIELD",
    "wrong-suffix": "FILE_TYPE_MISMATCH",
    "truncated": "FILE_CORRUPT",
    "low-resolution": "FILE_RESOLUTION_LOW",
    "wrong-digest": "FILE_DIGEST_MISMATCH",
    "no-image-no": "META_NO_IMAGE_NO",
}


@pytest.fixture
def bad(client: FlaskClient, ask: Ask) -> Callable[[str], tuple[dict[str, Any], bytes]]:
    """The last file of the document with that defect, as listed and as downloaded."""

    def bad(defect: str) -> tuple[dict[str, Any], bytes]:
        defects = client.get("/_demo/expected").get_json()["defects"]
        image_no = next(entry["imageNo"] for entry in defects if entry["defect"] == defect)
        rows = ask(client, "documents")["rows"]
        row = next(row for row in rows if row.get("scanBillNo") == image_no)
        file = row["files"][-1]
        return file, client.get(f"/imgsys/migrate/v1/files/{file['fileId']}").data

    return bad


def declared_truly(file: dict[str, Any], data: bytes) -> bool:
    declared = (file["fileSize"], file["sha256"])
    return declared == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("documents", [12, 240, 5000])
def test_there_are_always_six(connect: Callable[..., FlaskClient], documents: int) -> None:
    expected = connect(DemoOptions(documents=documents)).get("/_demo/expected").get_json()

    assert {entry["defect"]: entry["code"] for entry in expected["defects"]} == CODES
    assert len({entry["imageNo"] for entry in expected["defects"]}) == len(CODES)
    assert expected["documents"] == documents


def test_exactly_one_row_lacks_the_image_number(client: FlaskClient, ask: Ask) -> None:
    rows = ask(client, "documents")["rows"]
    without = [row for row in rows if "scanBillNo" not in row]

    assert len(without) == 1
    assert ask(client, "documents")["rows"] == rows  # the same at every listing


def test_exactly_one_file_lacks_a_required_field(client: FlaskClient, ask: Ask) -> None:
    files = [file for row in ask(client, "documents")["rows"] for file in row["files"]]

    assert sum("fileName" not in file for file in files) == 1
    assert all(file["fileId"] and file["fileType"] for file in files)


def test_wrong_suffix(bad: Callable[[str], tuple[dict[str, Any], bytes]]) -> None:
    file, data = bad("wrong-suffix")

    assert file["fileSuffix"] == "pdf"
    assert declared_truly(file, data)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        picture.load()


def test_truncated(bad: Callable[[str], tuple[dict[str, Any], bytes]]) -> None:
    file, data = bad("truncated")

    assert declared_truly(file, data)
    with (
        Image.open(io.BytesIO(data)) as picture,
        pytest.raises(OSError, match="truncated"),
    ):
        picture.load()


def test_low_resolution(bad: Callable[[str], tuple[dict[str, Any], bytes]]) -> None:
    file, data = bad("low-resolution")

    assert declared_truly(file, data)
    with Image.open(io.BytesIO(data)) as picture:
        assert min(picture.size) < 200
        picture.load()


def test_wrong_digest(bad: Callable[[str], tuple[dict[str, Any], bytes]]) -> None:
    file, data = bad("wrong-digest")

    assert file["fileSize"] == len(data)
    assert file["sha256"] != hashlib.sha256(data).hexdigest()
    assert len(file["sha256"]) == 64
    assert "md5" not in file
