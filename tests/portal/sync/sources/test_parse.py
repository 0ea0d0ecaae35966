from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sync.answers import CONTROLS
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile, FileFields, RowFields
from portal.sync.sources.rows import SourceDocument, SourceFile

CONTRACT = ConnectorProfile()
ROW_KEY = re.compile(r"ROW-[0-9a-f]{32}")
Row = dict[str, Any]


def problem(row: object) -> tuple[str, dict[str, Any]] | None:
    found = parse_row(row, CONTRACT).problem
    return (found.code, found.params) if found else None


def test_row_of_the_contract(row: Row) -> None:
    assert parse_row(row, CONTRACT) == SourceDocument(
        image_no="FYBX20240103000017",
        resource="EAS",
        bill_no="FY-2024-000017",
        bill_type_code="FYBX",
        bill_type_name="费用报销单",
        org_code="1001",
        org_name="深圳总部",
        applicant="张伟",
        collected_at=datetime(2024, 1, 3, 1, 21, 44, tzinfo=UTC),
        amount=Decimal("1280.50"),
        files=(
            SourceFile(
                file_id="f-000017-1",
                category="cover",
                seq=1,
                name="封面.jpg",
                suffix="jpg",
                size=61240,
                sha256="ab" * 32,
                md5=None,
                page_count=1,
                download_url=None,
            ),
        ),
        extra={},
        problem=None,
    )


def test_optional_fields_may_be_absent(row: Row) -> None:
    required = {"scanBillNo", "fbillTypeCode", "fapplyOrganizationCode", "collectTime", "files"}
    row = {name: value for name, value in row.items() if name in required}
    row["files"] = [{"fileId": "f1", "fileType": "attach", "fileName": "x.tar.PDF"}]
    document = parse_row(row, CONTRACT)
    assert (document.problem, document.resource, document.amount) == (None, "", None)
    (file,) = document.files
    assert (file.category, file.seq, file.suffix, file.size) == ("attachment", 1, "pdf", None)


@pytest.mark.parametrize("value", [None, "", " \t"])
@pytest.mark.parametrize("field", ["fbillTypeCode", "fapplyOrganizationCode", "collectTime"])
def test_required_field_of_the_row(row: Row, field: str, value: object) -> None:
    row[field] = value
    assert problem(row) == ("META_MISSING_FIELD", {"field": field})
    assert parse_row(row, CONTRACT).image_no == "FYBX20240103000017"


@pytest.mark.parametrize("field", ["fileId", "fileType", "fileName"])
def test_required_field_of_a_file(row: Row, field: str) -> None:
    del row["files"][0][field]
    assert problem(row) == ("META_MISSING_FIELD", {"field": field})


@pytest.mark.parametrize("value", [None, "", "  "])
def test_row_without_image_number_is_kept_under_a_steady_key(row: Row, value: object) -> None:
    row["scanBillNo"] = value
    document = parse_row(row, CONTRACT)
    assert document.problem is not None
    assert document.problem.code == "META_NO_IMAGE_NO"
    assert ROW_KEY.fullmatch(document.image_no)
    again = dict(reversed(row.items()))
    assert parse_row(again, CONTRACT).image_no == document.image_no
    assert parse_row(row | {"billNo": "other"}, CONTRACT).image_no != document.image_no
    assert (document.org_code, len(document.files)) == ("1001", 1)


def test_signature_in_a_download_address_does_not_change_the_key(row: Row) -> None:
    del row["scanBillNo"]
    keys = set()
    for url in ("https://a/f-1?sign=1", "https://a/f-1?sign=2", "https://a/f-2?sign=2"):
        row["files"][0]["downloadUrl"] = url
        keys.add(parse_row(row, CONTRACT).image_no)
    assert len(keys) == 2


@pytest.mark.parametrize("value", ["x" * 129, "a\x00b", "a\x1bb", "\ud800", True, 1.5, ["x"], {}])
def test_unusable_image_number_is_replaced(row: Row, value: object) -> None:
    row["scanBillNo"] = value
    found = problem(row)
    assert found is not None
    assert (found[0], found[1]["field"]) == ("META_BAD_VALUE", "scanBillNo")
    assert len(found[1]["value"]) <= 80
    assert ROW_KEY.fullmatch(parse_row(row, CONTRACT).image_no)


def test_longest_image_number_and_numbers_as_texts(row: Row) -> None:
    row["scanBillNo"] = "x" * 128
    assert parse_row(row, CONTRACT).image_no == "x" * 128
    row["scanBillNo"] = 123
    row["totalAmount"] = 1280.5
    row["files"][0] |= {"fileSize": " 61240 ", "pageCount": 2.0, "fileSuffix": ".JPG"}
    document = parse_row(row, CONTRACT)
    assert document.problem is None
    assert (document.image_no, document.amount) == ("123", Decimal("1280.5"))
    (file,) = document.files
    assert (file.size, file.page_count, file.suffix) == (61240, 2, "jpg")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("billNo", {"a": 1}),
        ("fbillTypeCode", "A\x07"),
        ("fapplyUserName", "张" * 256),
        ("collectTime", "2024-01-03"),
        ("collectTime", "2024-01-03T09:21:44"),
        ("collectTime", "2024-02-30 00:00:00"),
        ("collectTime", "0001-01-01 00:00:00"),
        ("collectTime", 1704244904000),
        ("totalAmount", "NaN"),
        ("totalAmount", "1_000"),
        ("totalAmount", float("inf")),
        ("totalAmount", 10**16),
        ("resource", "x" * 65),
        ("resource", "a\nb"),
        ("files", "f-1"),
        ("files", [7]),
    ],
)
def test_invalid_value_of_the_row(row: Row, field: str, value: object) -> None:
    row[field] = value
    found = problem(row)
    assert found is not None
    assert (found[0], found[1]["field"]) == ("META_BAD_VALUE", field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fileId", "x" * 129),
        ("fileId", "f\x00"),
        ("fileName", "x" * 256),
        ("fileSuffix", "../jpg"),
        ("fileSize", -1),
        ("fileSize", True),
        ("fileSize", 2**63),
        ("fileSize", 1.5),
        ("sha256", "ab" * 31),
        ("md5", "zz" * 16),
        ("pageCount", "two"),
        ("seq", -1),
        ("downloadUrl", "https://a/\x00"),
        ("downloadUrl", "https://a/" + "x" * 4096),
    ],
)
def test_invalid_value_of_a_file(row: Row, field: str, value: object) -> None:
    row["files"][0][field] = value
    found = problem(row)
    assert found is not None
    assert (found[0], found[1]["field"]) == ("META_BAD_VALUE", field)
    (file,) = parse_row(row, CONTRACT).files
    assert len(file.file_id) <= 128
    assert file.download_url is None


UNSAFE = ("a\0b", "a\nb", "a\u202egpj.exe", "a\ud800b", "a\u2066b", "长" * 5_000)
TEXTS_OF_A_ROW = (
    "billNo",
    "fbillTypeCode",
    "fbillTypeDes",
    "fapplyOrganizationCode",
    "fapplyOrganizationName",
    "fapplyUserName",
    "resource",
)


@pytest.mark.parametrize("text", UNSAFE, ids=ascii)
@pytest.mark.parametrize("field", TEXTS_OF_A_ROW)
def test_unsafe_text_of_a_row_is_refused_and_not_shown(row: Row, field: str, text: str) -> None:
    row[field] = text
    assert_refused(row, field)


def test_no_unsafe_character_passes(row: Row) -> None:
    unsafe = re.compile(f"[{CONTROLS}]")
    for character in filter(unsafe.match, map(chr, range(sys.maxunicode + 1))):
        row["fapplyUserName"] = f"张{character}伟"
        document = parse_row(row, CONTRACT)
        assert document.problem is not None, hex(ord(character))
        assert document.applicant == "张 伟"


@pytest.mark.parametrize("text", UNSAFE, ids=ascii)
@pytest.mark.parametrize("field", ["fileId", "fileType", "fileName", "fileSuffix", "downloadUrl"])
def test_unsafe_text_of_a_file_is_refused_and_not_shown(row: Row, field: str, text: str) -> None:
    row["files"][0][field] = text
    assert_refused(row, field)


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "a/../../b.jpg",
        "..\\a.jpg",
        "/etc/a.jpg",
        "C:\\a.jpg",
        "\\\\server\\a.jpg",
        "..",
    ],
)
def test_path_for_a_name_is_refused(row: Row, name: str) -> None:
    row["files"][0]["fileName"] = name
    assert_refused(row, "fileName")


@pytest.mark.parametrize("name", ["1/2.jpg", "..a.jpg", "a..jpg", "发票:1.jpg", "a\\b.jpg"])
def test_name_that_only_looks_a_little_like_a_path_is_kept(row: Row, name: str) -> None:
    row["files"][0]["fileName"] = name
    document = parse_row(row, CONTRACT)
    assert document.problem is None
    assert document.files[0].name == name


def assert_refused(row: Row, field: str) -> None:
    document = parse_row(row, CONTRACT)
    assert document.problem is not None
    assert (document.problem.code, document.problem.params["field"]) == ("META_BAD_VALUE", field)
    kept = asdict(replace(document, problem=None, collected_at=None, amount=None))
    for text in texts([kept, document.problem.params]):
        assert text.isprintable()
        assert len(text) <= 255


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-01-01 00:00:00", datetime(2023, 12, 31, 16, tzinfo=UTC)),
        ("2024-02-29T23:59:59.999+08:00", datetime(2024, 2, 29, 15, 59, 59, 999000, tzinfo=UTC)),
        ("2024-01-31T23:30:00Z", datetime(2024, 1, 31, 23, 30, tzinfo=UTC)),
    ],
)
def test_instants(row: Row, text: str, instant: datetime) -> None:
    row["collectTime"] = text
    assert parse_row(row, CONTRACT).collected_at == instant


@pytest.mark.parametrize("files", [None, []])
def test_document_without_files(row: Row, files: object) -> None:
    row["files"] = files
    assert problem(row) == ("META_NO_FILES", {})


@pytest.mark.parametrize("word", ["Cover", "0", "附件"])
def test_unknown_category(row: Row, word: str) -> None:
    row["files"].append(row["files"][0] | {"fileId": "f-2", "fileType": word})
    assert problem(row) == ("META_BAD_CATEGORY", {"value": word})
    assert [file.file_id for file in parse_row(row, CONTRACT).files] == ["f-000017-1"]


def test_file_listed_twice(row: Row) -> None:
    row["files"] *= 2
    assert problem(row) == ("META_DUPLICATE_FILE", {"file_id": "f-000017-1"})
    assert len(parse_row(row, CONTRACT).files) == 1


def test_first_problem_in_the_order_of_the_contract_wins(row: Row) -> None:
    row |= {"totalAmount": "x", "collectTime": "", "files": []}
    assert problem(row) == ("META_MISSING_FIELD", {"field": "collectTime"})


def test_unknown_fields_are_kept_and_can_be_stored(row: Row) -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    row |= {"taxNo": "91440300", "note\ud800": "a\x00", "rate": float("nan"), "deep": deep}
    row["files"][0]["scanner"] = {"dpi": 300}
    document = parse_row(row, CONTRACT)
    assert document.problem is None
    assert document.extra["taxNo"] == "91440300"
    assert document.extra["note\\ud800"] == "a\\x00"
    assert document.extra["files"] == {"f-000017-1": {"scanner": {"dpi": 300}}}
    assert json.dumps(document.extra, allow_nan=False).isascii()


def test_profile_renames_fields_and_categories(row: Row) -> None:
    profile = ConnectorProfile.from_mapping(
        {"row": {"image_no": "no"}, "file": {"category": "kind"}, "categories": {"0": "invoice"}}
    )
    row["no"] = row.pop("scanBillNo")
    row["files"][0]["kind"] = 0
    document = parse_row(row, profile)
    assert (document.problem, document.image_no) == (None, "FYBX20240103000017")
    assert document.files[0].category == "invoice"
    del row["no"]
    assert parse_row(row, profile).problem is not None


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(
        ["cover", "2024-01-01 00:00:00", "9999-12-31T23:59:59-23:59", "1e999", "x" * 300]
    )
)


def objects(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(names) | st.text(), values, max_size=12)


ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | objects(["a"], inner), max_leaves=8
)
FILE = objects(list(vars(FileFields()).values()), ANY_JSON)
ANY_ROW = objects(
    list(vars(RowFields()).values()), SCALARS | st.lists(FILE | ANY_JSON, max_size=3) | ANY_JSON
)


@given(ANY_ROW | ANY_JSON)
def test_any_json_gives_a_document_that_can_be_stored(row: object) -> None:
    document = parse_row(row, CONTRACT)
    assert 0 < len(document.image_no) <= 128
    assert parse_row(row, CONTRACT).image_no == document.image_no
    assert len(document.resource) <= 64
    file_ids = [file.file_id for file in document.files]
    assert all(0 < len(file_id) <= 128 for file_id in file_ids)
    assert len(set(file_ids)) == len(file_ids)
    assert document.problem is not None or document.files
    kept = asdict(replace(document, problem=None, collected_at=None, amount=None))
    json.dumps(kept, allow_nan=False)
    for text in texts([kept, document.problem.params if document.problem else {}]):
        assert "\x00" not in text
        assert text.encode()  # no lone surrogates


def texts(value: object) -> Iterator[str]:
    """Every text in a nested value, keys included; empty ones left out."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict):
        yield from texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from texts(entry)
