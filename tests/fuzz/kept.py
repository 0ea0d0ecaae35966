"""What the product itself wrote and somebody may have changed: backups, seals, manifests."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from portal.errors import SyncError
from portal.seal_key import SealKey
from portal.services.backup import ledger_copy, manifest
from portal.services.backup.manifest import KeptArchive, KeptFile, KeptTable, Manifest
from portal.services.backup.rows import Column, DumpedTable, lines, rows
from portal.services.manifest_lines import (
    ManifestDocument,
    ManifestFile,
    document_line,
    in_order,
    read_line,
)
from portal.services.seal_form import anchors_in
from portal.sync.archive.names import document_folder, file_name
from portal.sync.archive.s3.failures import parsed
from tests.fuzz.bending import as_json, bent_bytes, bent_texts, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser

KEY = SealKey("a-key-for-tests")
TABLE = DumpedTable(
    "things",
    (
        Column("id", "int"), Column("name", "text"), Column("at", "instant"), Column("day", "date"),
        Column("amount", "decimal.2"), Column("data", "bytes"), Column("more", "json"),
    ),
    ("id",),
)  # fmt: skip
ROW = [1, "名", "2026-11-22T08:00:00.000000+00:00", "2026-11-22", "1.50", "aGFsbG8=", {"a": 1}]
WHOLE = Manifest(
    name="20261122T080000Z",
    as_of=datetime(2026, 11, 22, 8, tzinfo=UTC),
    made_by="admin",
    host="alpha",
    version="1.0",
    revision="0022",
    database="sqlite",
    timezone="Asia/Shanghai",
    anchor="1-" + "a" * 20,
    has_key=True,
    tables=(KeptTable(TABLE, 1, "0" * 64),),
    files=(KeptFile("home/secret.key", 5, "0" * 64),),
    archive=KeptArchive(1, 2, 0),
)
_FORM = json.loads(json.dumps({"form": manifest.FORM, **asdict(WHOLE)}, default=str))
DOCUMENT = ManifestDocument(
    "EAS", "FY%BX\t1", "FYBX", (ManifestFile("cover", 1, "f-1", 10, "0" * 64),)
)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def _manifest(case: tuple[bytes, bytes]) -> bool:
    content, mac = case
    folder = _folder()
    (folder / manifest.NAME).write_bytes(content)
    (folder / manifest.SIGNATURE).write_bytes(mac)
    right = KEY.mac(hashlib.sha256(content).hexdigest()).encode()
    assert manifest.is_signed(folder, KEY) == (mac.strip() == right)
    try:
        found = manifest.read(folder)
    except SyncError as error:
        assert error.code == "BACKUP_UNREADABLE"
        return REFUSED
    for kept in found.tables:
        kept.table.table()
        assert isinstance(kept.rows, int)
    for damaged in manifest.damaged_files(folder, found):
        assert isinstance(damaged, str)
    assert all(not Path(file.path).is_absolute() for file in found.files)
    assert all(".." not in Path(file.path).parts for file in found.files)
    return ACCEPTED


def _rows(texts: list[str]) -> bool:
    try:
        found = list(rows(TABLE, texts))
    except ValueError:
        return REFUSED
    names = [column.name for column in TABLE.columns]
    again = list(lines(TABLE, [[row[name] for name in names] for row in found]))
    assert list(rows(TABLE, again)) == found or "NaN" in "".join(again)
    return ACCEPTED


def _list(content: bytes) -> bool:
    path = _folder() / "list.gz"
    path.write_bytes(content)
    try:
        for _ in ledger_copy.read_list(path):
            pass
    except SyncError as error:
        assert error.code == "BACKUP_DAMAGED"
        return REFUSED
    return ACCEPTED


def _line(line: bytes) -> bool:
    try:
        document = read_line(line)
    except ValueError:
        return REFUSED
    in_order(document.files)
    assert read_line(document_line(document)).image_no == document.image_no
    return ACCEPTED


def _anchors(text: str) -> bool:
    found = list(anchors_in(text))
    assert all(anchor.no > 0 for anchor in found)
    return ACCEPTED if found else REFUSED


def _tree(body: bytes) -> bool:
    try:
        parsed(body)
    except ValueError:
        return REFUSED
    return ACCEPTED


def _place(case: tuple[str, str, str, str]) -> bool:
    """Where a document comes to lie: a path below the archive, whatever its names are."""
    source, image_no, resource, suffix = case
    folder = document_folder(
        source=source, month="2024-01", resource=resource, image_no=image_no, fence=2
    )
    parts = [*folder.split("/"), file_name(position=1, category="cover", suffix=suffix)]
    assert len(parts) == 4
    assert all(part and not part.startswith(".") for part in parts)
    assert all(len(part.encode()) <= 255 for part in parts)
    assert "".join(parts).isprintable()
    assert not set('\\/:*?"<>|') & set("".join(parts))
    return ACCEPTED


_mac = KEY.mac(hashlib.sha256(json.dumps(_FORM).encode()).hexdigest()).encode()
_ANSWERS = [
    b'<?xml version="1.0"?><ListBucketResult xmlns="x"><Contents><Key>a</Key><Size>1</Size>'
    b"</Contents></ListBucketResult>",
    b"<Error><Code>NoSuchKey</Code><Message>m</Message></Error>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
]
PARSERS = (
    Parser(
        "backup manifest",
        st.tuples(as_json(bent_values([_FORM, {**_FORM, "archive": None}])), bent_bytes([_mac])),
        _manifest,
        shown=lambda case: case[0],
    ),
    Parser(
        "backup rows",
        st.lists(
            as_json(bent_values([ROW], edits=2)).map(lambda b: b.decode("utf-8", "replace")),
            max_size=3,
        ),
        _rows,
    ),
    Parser(
        "backup list",
        bent_bytes([gzip.compress(b'["a/b", 5, "0"]\n["c", 1, "1"]\n', mtime=0)])
        | as_json(bent_values([["a/b", 5, "0"]])).map(lambda b: gzip.compress(b, 1, mtime=0)),
        _list,
    ),
    Parser("sealed manifest", bent_bytes([document_line(DOCUMENT)]), _line),
    Parser("anchors", bent_texts([f"2026-11-22T08:00:00 12-{'a' * 20} x 3-{'0' * 64}"]), _anchors),
    Parser("S3 answer", bent_bytes(_ANSWERS), _tree),
    Parser(
        "place in the archive",
        st.tuples(*(bent_texts([text]) for text in ("标准版影像", "FYBX-1", "EAS", "pdf"))),
        _place,
        refuses=False,
    ),
)
