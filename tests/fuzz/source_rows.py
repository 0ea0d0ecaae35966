"""What a source lists: rows, and the answers around them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from portal.errors import SyncError
from portal.sync.sources.control import _data
from portal.sync.sources.listings import read_count, read_named, read_page
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceDocument
from tests.fuzz.bending import as_json, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser
from tests.fuzz.promises import assert_shown, assert_stored

FILE = {
    "fileId": "F-1", "fileType": "invoice", "seq": 1, "fileName": "发票 1.pdf",
    "fileSuffix": "pdf", "fileSize": 81234, "sha256": "0" * 64, "md5": "a" * 32, "pageCount": 2,
    "downloadUrl": "https://files.example/f-1?sign=abc",
}  # fmt: skip
ROW: dict[str, Any] = {
    "scanBillNo": "FYBX00001", "billNo": "FY-1", "fbillTypeCode": "FYBX",
    "fbillTypeDes": "费用报销单", "fapplyOrganizationCode": "1001",
    "fapplyOrganizationName": "深圳总部", "fapplyUserName": "张伟",
    "collectTime": "2024-01-02 09:00:00", "totalAmount": "1234.50", "resource": "EAS",
    "files": [FILE, {**FILE, "fileId": "F-2", "fileType": "cover", "seq": 2}],
    "more": {"of": ["the", "source"]},
}  # fmt: skip
BARE = {**ROW, "collectTime": "2024-01-02T09:00:00+08:00", "totalAmount": -12, "files": [FILE]}
PROFILES = (
    ConnectorProfile(),
    ConnectorProfile.from_mapping(
        {
            "time_format": "local",
            "row": {"org_code": "more.of", "files": "more.files", "image_no": "scanBillNo"},
            "file": {"file_id": "fileId", "download_url": "links.download"},
        }
    ),
)
GROUP = {
    "month": "2024-01", "orgCode": "1001", "billTypeCode": "FYBX", "documents": 2, "files": 4,
    "bytes": 9, "amount": "1.5",
}  # fmt: skip
COUNT = {"documents": 3, "files": "7", "bytes": 12345, "groups": [GROUP, GROUP]}
PAGE = {"total": 1, "pageNo": 1, "rows": [ROW]}
NAMED = {"rows": [{"code": "1001", "name": "深圳总部"}, {"code": 2, "name": None}]}
ENVELOPE = {"errcode": "0000", "description": "ok", "data": COUNT}
_TEXTS = (
    ("resource", 64), ("bill_no", 255), ("bill_type_code", 255), ("bill_type_name", 255),
    ("org_code", 255), ("org_name", 255), ("applicant", 255),
)  # fmt: skip


def _row(case: tuple[Any, ConnectorProfile]) -> bool:
    row, profile = case
    document = parse_row(row, profile)
    _assert_document(document)
    # The same row gives the same document: what it is called must not hang on chance.
    assert parse_row(row, profile).image_no == document.image_no
    return REFUSED if document.problem else ACCEPTED


def _assert_document(document: SourceDocument) -> None:
    assert 0 < len(document.image_no) <= 128
    assert_shown(document.image_no, 128)
    for name, most in _TEXTS:
        assert_shown(getattr(document, name), most)
    if document.problem is not None:
        assert document.problem.code.startswith("META_")
        assert_stored(document.problem.params)
    else:
        assert document.files
        assert document.collected_at is not None
    if document.collected_at is not None:
        assert document.collected_at.utcoffset() == timedelta()
    if document.amount is not None:
        assert abs(document.amount) < 10**16
    assert len({file.file_id for file in document.files}) == len(document.files)
    for file in document.files:
        assert file.category in ("cover", "invoice", "attachment")
        assert 0 < len(file.file_id) <= 128
        assert_shown(file.file_id, 128)
        assert_shown(file.name, 255)
        assert 0 <= file.seq < 2**31
        assert file.size is None or 0 <= file.size < 2**63
        assert file.page_count is None or 0 <= file.page_count < 2**31
    assert_stored(document.extra)


def _page(data: Any) -> bool:
    return _answer(lambda: read_page(data, 1, PROFILES[0]))


def _count(data: Any) -> bool:
    return _answer(lambda: read_count(data, PROFILES[0]))


def _named(data: Any) -> bool:
    return _answer(lambda: read_named(data, PROFILES[0]))


def _envelope(content: bytes) -> bool:
    return _answer(lambda: _data(content, "application/json", PROFILES[0]))


def _answer(read: Any) -> bool:
    try:
        read()
    except SyncError as error:
        assert error.code.startswith("SRC_")
        assert_stored(error.params)
        for value in error.params.values():
            assert_shown(str(value), 400)
        return REFUSED
    return ACCEPTED


def _dict(seeds: list[Any]) -> Any:
    """What stands where data is expected is an object: the envelope sees to that."""
    return bent_values(seeds).filter(lambda value: isinstance(value, dict))


_ODD_ROWS = [ROW, BARE, {**ROW, "more": {"of": "1001", "files": [{"links": {"download": "x"}}]}}]
PARSERS = (
    Parser(
        "source row",
        st.tuples(bent_values(_ODD_ROWS), st.sampled_from(PROFILES)),
        _row,
        shown=lambda case: json.dumps(case[0]).encode(),
    ),
    Parser("source page", _dict([PAGE]), _page),
    Parser("source count", _dict([COUNT]), _count),
    Parser("source catalogue", _dict([NAMED]), _named),
    Parser(
        "source envelope",
        as_json(bent_values([ENVELOPE, {"errcode": "1101", "description": "拒绝"}])),
        _envelope,
    ),
)
