"""Hostile texts in spreadsheets, statements and the job log: they stay texts."""

from __future__ import annotations

import csv
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from portal.models import Batch
from portal.services import batch_lists, csv_text, finding, item_list
from portal.services.archive_filters import ArchiveFilter, search
from portal.services.batch_lists import BatchFilter
from portal.services.export_kinds import FORMATS, KINDS
from portal.services.export_tables import Wanted
from portal.services.item_filter import ItemFilter
from portal.services.paging import Place
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, stored
from tests.portal.services.hostile_ledger import FILLED, TICKET, HostileLedger
from tests.portal.services.test_exports import export, lines, sheets

#: How spreadsheets are made to compute, to fetch, and to start programs (DDE).
WORDS = [
    "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\r\n=1", "＝1+1", "＋1", "－1",
    "=cmd|'/c calc'!A1", "-2+3+cmd|' /C calc'!A0", '=DDE("cmd";"/C calc";"x")', '="a",=1+1\n=1',
    '=HYPERLINK("http://evil.example","x")', " =1+1", "\xa0\u3000@a", "\ufeff=1", "\u200b\u202e=1",
]  # fmt: skip
#: Columns that nobody but the portal fills: numbers, instants, codes, digests, places.
OURS = re.compile(
    r"\w+_(at|bytes|files|documents|amount|status|sha256|md5|pages|size)|documents_\w+"
    r"|(at|action|month|category|kind|part|state|status|verdict|balance|overlap|date_from|date_to)"
    r"|(batch_no|document_id|sample_id|id|key|seq|position|error_code|sha256|folder|storage_key)"
    r"|(amount|attempts|bound|bytes|defects|documents|done|dpi|failed|files|found|height|width)"
    r"|(not_done|pages|run_no|size|skipped|synced|total|undecided|compared)"
    # JSON, which begins with a brace, and sentences of the portal.
    r"|(detail|error_params|source_metadata|action|reason|statement)"
)
FORMULAS = [
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠a",
    "\x1f\u2060=1",
]
#: What LIKE, quotes and comments make of a text that gets into a statement.
LIKELY = ["A%", "A_", "A\\", "A'", 'A"', "A' OR '1'='1", "A;--", "A\\%", "A%%", "A/*", "A:x", "A?"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_cell_of_any_export_is_computed_and_programs_get_it_exactly(
    scene: Scene, tmp_path: Path, kind: str
) -> None:
    assert set(FILLED) == set(KINDS), "a new kind needs its hostile rows"
    names = [column.name for column in KINDS[kind].columns]
    assert not [name for name in names if name not in FILLED[kind] and not OURS.fullmatch(name)]
    ledger = HostileLedger(scene, tmp_path / "home")
    filters = {name: ledger.filters[name] for name in KINDS[kind].filters if name in ledger.filters}
    for word in WORDS:
        ledger.say(word)
        for format_ in FORMATS:
            assert export(scene, tmp_path, kind, format_, **filters).rows
        about, *told = lines(tmp_path / f"{kind}.jsonl")
        assert TICKET not in str((about, told))
        exact = told[-1]
        for name in FILLED[kind]:
            assert str(exact[name]).startswith(word), (name, word)
        with (tmp_path / f"{kind}.csv").open(encoding="utf-8-sig", newline="") as file:
            _, *rows = csv.reader(file)
        for cell in (cell for row in rows for cell in row):
            assert not _is_computed(cell), (word, cell)
            assert TICKET not in cell
        shown = dict(zip(names, rows[-1], strict=True))
        for name in FILLED[kind]:
            assert shown[name] == f"'{exact[name]}", (name, word)
        _, (_, *seen) = sheets(tmp_path / f"{kind}.xlsx")  # which refuses formulas
        assert {str(exact[name]) for name in FILLED[kind]} <= {*map(_as_written, seen[-1])}
        assert TICKET not in str(seen)
        _assert_plain_book(tmp_path / f"{kind}.xlsx")


def _is_computed(cell: str) -> bool:
    """Whether a spreadsheet takes it for more than a text or a number."""
    seen = cell.lstrip("".join(map(chr, range(33))) + "\x7f\x85\xa0\u2028\u3000\ufeff\u200b")
    return seen.startswith(tuple("=+-@＝＋－＠")) and not re.fullmatch(r"-?\d+(\.\d+)?", cell)


def _as_written(cell: str) -> str:
    """XLSX writes control characters as ``_x000D_``."""
    return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), cell)


def _assert_plain_book(path: Path) -> None:
    """No link, no connection, no name that is a formula, nothing from outside."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            assert not re.search("external|connection|vba|query", name, re.IGNORECASE), name
            root = ET.fromstring(book.read(name))
            for tag in ("hyperlink", "ddeLink", "definedName", "dataValidation"):
                assert not root.findall(f".//{{*}}{tag}"), (name, tag)
            if name.startswith("xl/worksheets/_rels"):
                assert not list(root), name


@pytest.mark.parametrize("word", FORMULAS)
def test_every_start_of_a_formula_is_known(word: str) -> None:
    assert csv_text.line([word, 5, -5]).startswith(("'", "\"'"))
    assert csv_text.line([-5, 1.5]) == "-5,1.5\r\n"


@pytest.mark.parametrize("word", LIKELY)
def test_what_is_looked_for_is_taken_as_it_is_written(scene: Scene, word: str) -> None:
    """On every database: wildcards match themselves, and nothing ends a statement."""
    names = [f"{word}1", "AXB1", "A1", "B%"]
    rows = [
        make_document(number, image_no=name, bill_no=name, applicant=name)
        for number, name in enumerate(names)
    ]
    batch_id = scene.listed_batch(rows)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    with scene.ledger.read() as session:
        batch = session.get_one(Batch, batch_id)
        for name in ("image_no", "bill_no", "applicant"):
            of: dict[str, Any] = {name: word}
            totals = item_list.totals(session, batch, replace(ItemFilter(), **of), zone=SHANGHAI)
            assert totals.documents == 1, name
            wanted = Wanted.of({"batch_no": [batch.batch_no], name: [word]}, SHANGHAI)
            assert KINDS["documents"].count(session, wanted) == 1, name
        query, _column = search(session, ArchiveFilter(image_no=word)).query("image_no")
        assert [one.image_no for one in session.scalars(query)] == [names[0]]
        found = finding.find(session, word)
        assert [one.document.image_no for one in found.documents] == [names[0]]
        place = Place("created_at", descending=True)
        for wanted_batches in (BatchFilter(number=word), BatchFilter(creator=word)):
            leaf = batch_lists.batch_page(session, wanted_batches, place, zone=SHANGHAI)
            assert not leaf.rows
