"""Manifests: whatever their bytes are, each line is a document or says why it is none."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from portal.errors import InvalidSetting, SyncError
from portal.sync.sources.files.paths import BadPath, parts_of
from portal.sync.sources.manifest.reading import read_manifest
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Scope, SourceDocument
from portal.sync.sources.sql.query import check_query, is_bound, statement
from portal.sync.sources.sql.template import check_template, filled
from portal.sync.sources.tables.columns import Names
from portal.sync.sources.tables.gathering import check_path, table_profile
from portal.sync.sources.tables.spool import Spool
from portal.sync.sources.tables.spool_making import SpoolMaker
from tests.fuzz.bending import bent_bytes, bent_texts
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser
from tests.fuzz.promises import assert_shown, assert_stored

_PROFILE = ConnectorProfile()
_EVER = Scope(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
_CSV = (
    "scanBillNo,fbillTypeCode,组织代码,采集时间,totalAmount,fileType,path,fileSize\r\n"
    'A-1,FYBX,1001,2024-01-02 09:00:00,12.50,发票,a/1.pdf,120\r\n"A-1",FYBX,1001,'
    "2024-01-02 09:00:00,12.50,附件,a/2.pdf,7\nB-1,JK,1002,2024-02-03,,cover,b/1.jpg,\n"
).encode()
_ROW = {
    "scanBillNo": "A-1", "fbillTypeCode": "FYBX", "orgCode": "1001", "totalAmount": 3.5,
    "collectTime": "2024-01-02T09:00:00+08:00",
    "files": [{"fileType": "cover", "path": "a/1.pdf", "fileSize": 3}],
}  # fmt: skip
_FLAT = {**_ROW, "scanBillNo": "B-1", "fileType": "invoice", "path": "b/2.ofd"}
_FLAT.pop("files")
_JSONL = "\n".join(json.dumps(row, ensure_ascii=False) for row in (_ROW, _FLAT)).encode()


def _documents(name: str, content: bytes) -> Iterator[SourceDocument]:
    """By way of a spool, page by page, as a listing sees them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool"
        with closing(SpoolMaker(path, table_profile(_PROFILE), check_path, lambda: None)) as maker:
            maker.make(read_manifest(name, io.BytesIO(content), Names.of(_PROFILE)))
        spool, page_no, listed = Spool(path), 1, 0
        counted = spool.count(_EVER).documents
        while documents := spool.page(_EVER, page_no, table_profile(_PROFILE)).documents:
            listed += len(documents)
            page_no += 1
            yield from documents
        assert listed == counted


def _manifest(name: str, content: bytes) -> bool:
    known, sound = set(), 0
    try:
        for document in _documents(name, content):
            assert (document.resource, document.image_no) not in known
            known.add((document.resource, document.image_no))
            assert_shown(document.image_no, 128)
            if document.problem is None:
                sound += 1
                for file in document.files:
                    parts_of(file.download_url or "")
            else:
                assert document.problem.code.startswith("META_")
                assert_stored(document.problem.params)
    except SyncError as error:
        assert error.code == "SRC_MANIFEST_HEADER"
        assert_stored(error.params)
        return REFUSED
    return ACCEPTED if sound else REFUSED


def _path(text: str) -> bool:
    try:
        parts = parts_of(text)
    except BadPath:
        return REFUSED
    assert "/".join(parts) == text
    assert not {"", ".", ".."} & set(parts)
    assert not Path(text).is_absolute()
    return ACCEPTED


def _query(text: str) -> bool:
    try:
        check_query(text)
    except InvalidSetting:
        return REFUSED
    statement(text)
    is_bound(text)
    return ACCEPTED


def _template(text: str) -> bool:
    try:
        check_template(text)
    except InvalidSetting:
        return REFUSED
    for value in ("a.pdf", "../b", "/etc/passwd", "", "x y/ü"):
        for for_web in (False, True):
            values = dict.fromkeys(("path", "fileId", "fileSuffix"), value)
            try:
                path = filled(text, values, for_web=for_web)
            except BadPath:
                continue
            parts_of(path.partition("?")[0] if for_web else path)
    return ACCEPTED


PARSERS = (
    Parser("manifest CSV", bent_bytes([_CSV]), lambda case: _manifest("m.csv", case)),
    Parser("manifest JSONL", bent_bytes([_JSONL]), lambda case: _manifest("m.jsonl", case)),
    Parser("path of a file", bent_texts(["a/b c/发票.pdf", "../a", "C:\\a", "/a"]), _path),
    Parser(
        "query of a source",
        bent_texts(
            [
                "SELECT a AS b FROM c WHERE d >= :from_date AND e = ';:x' -- ;",
                "WITH x AS (SELECT 1) SELECT * FROM x;",
                "DELETE FROM a",
            ]
        ),
        _query,
    ),
    Parser(
        "place of a file", bent_texts(["{path}", "a/{fileId}.{fileSuffix}?x={path}"]), _template
    ),
)
