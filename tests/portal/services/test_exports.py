"""导出: every kind in every format, whole, of one moment, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from portal.errors import NotAllowed
from portal.services import exports
from portal.services.export_kinds import FORMATS, KINDS
from portal.services.export_making import Made, make
from portal.services.export_tables import Wanted
from portal.services.export_writers import open_writer
from portal.sync.archive.keeping import keep, place_of
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored

HOSTILE = '=HYPERLINK("http://evil.example","x")'
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def export(scene: Scene, folder: Path, kind: str, format_: str, **filters: Sequence[str]) -> Made:
    return make(
        scene.ledger,
        KINDS[kind],
        Wanted.of(filters, SHANGHAI),
        folder / f"{kind}.{format_}",
        format_=format_,
        language="zh",
        filters=filters,
        by="审计员",
        now=scene.now,
        draft=folder / ".draft",
        progress=lambda _done, _total: None,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def sheets(path: Path) -> list[list[list[str]]]:
    """The cells of every sheet, without the empty ones."""
    found = []
    with zipfile.ZipFile(path) as book:
        texts = []
        if "xl/sharedStrings.xml" in book.namelist():
            root = ET.fromstring(book.read("xl/sharedStrings.xml"))
            texts = ["".join(node.itertext()) for node in root]
        names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        for name in names:
            root = ET.fromstring(book.read(name))
            assert not root.findall(f".//{SPREADSHEET}f"), "a formula"
            found.append(
                [[_cell(cell, texts) for cell in row] for row in root.iter(f"{SPREADSHEET}row")]
            )
    return found


def _cell(cell: ET.Element, texts: list[str]) -> str:
    if cell.get("t") == "s":
        return texts[int("".join(cell.itertext()))]
    return "".join(cell.itertext())


@pytest.fixture
def batch_no(scene: Scene) -> str:
    """Two archived documents, one that failed, with a hostile name among them."""
    documents = [make_document(number, files=2) for number in range(2)]
    documents.append(make_document(2, applicant=HOSTILE, amount="12345678901234.56"))
    batch_id = scene.listed_batch(documents)
    claims = scene.claim(batch_id)
    scene.settle(batch_id, *map(stored, claims[:2]), failed(claims[2], "FILE_CORRUPT", detail="坏"))
    return scene.batch(batch_id).batch_no


ROWS = {"batches": 1, "months": 1, "documents": 3, "files": 5, "failures": 1}


# Those of reconciliations and samples are exported in tests of their own.
OURS = [name for name in KINDS if not {"run", "sample"} & {*KINDS[name].filters}]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", OURS)
def test_every_kind_in_every_format_is_whole_and_has_its_digest(
    scene: Scene, tmp_path: Path, batch_no: str, kind: str, format_: str
) -> None:
    made = export(scene, tmp_path, kind, format_)
    (path,) = tmp_path.glob(f"{kind}.{format_}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == made.sha256
    assert (path.stat().st_size, path.name) == (made.bytes, made.file)
    assert not (tmp_path / ".draft").exists()
    columns = len(KINDS[kind].columns)
    if kind in ROWS:
        assert made.rows == ROWS[kind]
    assert made.rows
    if format_ == "jsonl":
        first, *rest = lines(path)
        assert first["_export"]["kind"] == kind
        assert len(rest) == made.rows
        assert all(len(row) == columns for row in rest)
    elif format_ == "csv":
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
        assert {len(row) for row in rows} == {columns}
        assert len(rows) == made.rows + 1
    else:
        about, rows = sheets(path)
        assert len(rows) == made.rows + 1
        assert ["by", "审计员"] in about
    assert batch_no


def test_a_text_that_looks_like_a_formula_is_never_run_and_stays_exact_in_jsonl(
    scene: Scene, tmp_path: Path, batch_no: str
) -> None:
    for format_ in FORMATS:
        export(scene, tmp_path, "failures", format_, batch_no=[batch_no])
    (_, row) = lines(tmp_path / "failures.jsonl")
    assert row["applicant"] == HOSTILE
    assert row["amount"] == "12345678901234.56"
    assert row["collected_at"] == "2024-01-02T01:02:00.000000+00:00"
    text = (tmp_path / "failures.csv").read_text("utf-8-sig")
    (_, cells) = csv.reader(io.StringIO(text, newline=""))
    assert f"'{HOSTILE}" in cells
    assert "2024-01-02 09:02:00" in cells
    (_, (_, shown)) = sheets(tmp_path / "failures.xlsx")
    assert HOSTILE in shown


def test_filters_narrow_it_and_nonsense_is_refused(
    scene: Scene, tmp_path: Path, batch_no: str
) -> None:
    def count(kind: str, **filters: Sequence[str]) -> int:
        return export(scene, tmp_path, kind, "jsonl", **filters).rows

    assert count("documents", batch_no=[batch_no], status=["failed"]) == 1
    assert count("documents", image_no=["FYBX00001"]) == 1
    assert count("documents", month=["2024-02"]) == 0
    assert count("documents", batch_no=[batch_no], month=["2024-01"]) == 3
    assert count("files", first=["2024-01-02"], last=["2024-01-02"]) == 5
    assert count("documents", least=["1"]) == 1
    assert count("failures", code=["FILE_CORRUPT"]) == 1
    assert count("audit", action=["batch.create"]) == 1
    assert count("audit", documents=["1"]) > count("audit")
    for filters in (
        {"batch_no": ["MB19990101-0001"]},
        {"month": ["2024-13"]},
        {"first": ["yesterday"]},
        {"least": ["much"]},
        {"status": ["failed"]},
    ):
        with pytest.raises(NotAllowed):
            count("documents", **filters)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_rows_beyond_a_sheet_go_on_in_the_next_one(tmp_path: Path) -> None:
    kind = KINDS["audit"]

    class Row:
        def __init__(self, number: int) -> None:
            self.id = number

        def __getattr__(self, name: str) -> None:
            return None

    path = tmp_path / "audit.xlsx"
    writer = open_writer(
        "xlsx", path, kind, {"by": "x"}, language="en", zone=SHANGHAI, sheet_rows=4
    )
    for number in range(7):
        writer.row(Row(number))
    writer.close()
    _about, *parts = sheets(path)
    assert [len(part) for part in parts] == [4, 4, 2]
    assert [row[0] for part in parts for row in part[1:]] == [str(number) for number in range(7)]
    assert all(part[0][0] == "number" for part in parts)


def test_all_rows_are_of_one_moment(scene: Scene, tmp_path: Path, batch_no: str) -> None:
    """What others commit while it is written is not in it."""
    seen: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if not seen:
            scene.listed_batch([make_document(number) for number in range(50, 60)])
        seen.append(total)

    kind = KINDS["documents"]
    made = make(
        scene.ledger,
        kind,
        Wanted.of({}, SHANGHAI),
        tmp_path / "documents.jsonl",
        format_="jsonl",
        language="zh",
        filters={},
        by="x",
        now=scene.now,
        draft=tmp_path / ".draft",
        progress=meanwhile,
    )
    assert (made.rows, seen) == (3, [3])
    assert export(scene, tmp_path, "documents", "jsonl").rows == 13
    assert batch_no


def test_an_equal_export_that_is_under_way_is_not_made_twice(scene: Scene, tmp_path: Path) -> None:
    def ask() -> int:
        with scene.ledger.write() as session:
            return exports.ask(
                session,
                "audit",
                format_="csv",
                language="zh",
                filters={"actor": ["周敏"], "unknown": ["x"]},
                by="周敏",
                now=scene.now,
            ).id

    first = ask()
    assert ask() == first
    with scene.ledger.read() as session:
        assert exports.find(session, first).filters == {"actor": ["周敏"]}


def test_old_files_are_removed_and_their_rows_stay(scene: Scene, tmp_path: Path) -> None:
    archive = LocalArchive(tmp_path / "archive")
    with scene.ledger.write() as session:
        wish = exports.ask(
            session, "batches", format_="csv", language="zh", filters={}, by="x", now=scene.now
        )
        made = export(scene, tmp_path, "batches", "csv")
        folder = exports.folder_of(wish.id, 1)
        keep(archive, folder, {made.file: tmp_path / made.file}, owner="clerk")
        exports.note_made(session, wish, made, folder, by="x", now=scene.now)
        wish_id = wish.id
    later = scene.now + exports.KEPT + timedelta(days=1)
    with scene.ledger.write() as session:
        assert exports.remove_old(session, archive, by="system", now=scene.now) == 0
        assert exports.remove_old(session, archive, by="system", now=later) == 1
        kept = exports.find(session, wish_id)
        assert (kept.is_kept, kept.sha256, kept.removed_by) == (False, made.sha256, "system")
        with pytest.raises(NotAllowed):
            exports.remove(session, kept, archive, by="x", now=later)
    assert not archive.present([place_of(folder)])
