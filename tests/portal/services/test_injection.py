"""Hostile texts in spreadsheets, statements and the job log: they stay texts."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import update

from portal.models import Batch, DataSource
from portal.services import batch_lists, csv_text, finding, item_list
from portal.services.archive_filters import ArchiveFilter, search
from portal.services.batch_lists import BatchFilter
from portal.services.export_kinds import KINDS
from portal.services.export_tables import Wanted
from portal.services.item_filter import ItemFilter
from portal.services.paging import Place
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import SHANGHAI, Scene, failed, stored
from tests.portal.services.test_exports import export, sheets

FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠a"]
#: What LIKE, quotes and comments make of a text that gets into a statement.
LIKELY = ["A%", "A_", "A\\", "A'", 'A"', "A' OR '1'='1", "A;--", "A\\%", "A%%", "A/*", "A:x", "A?"]


def hostile_batch(scene: Scene, word: str) -> str:
    """A batch whose source and documents are called so; one is archived, one failed."""
    texts: dict[str, Any] = dict.fromkeys(
        ("bill_no", "bill_type_name", "org_name", "applicant", "resource"), word
    )
    rows = [
        make_document(number, image_no=f"{word}{number}", amount="-12.50", **texts)
        for number in range(2)
    ]
    batch_id = scene.listed_batch(rows)
    good, bad = scene.claim(batch_id)
    scene.settle(batch_id, stored(good), failed(bad, "FILE_CORRUPT", detail=word))
    with scene.ledger.write() as session:
        session.execute(update(DataSource).values(name=word))
        session.execute(update(Batch).values(created_by=word, org_codes=[word]))
    return scene.batch(batch_id).batch_no


@pytest.mark.parametrize("kind", ["batches", "months", "documents", "files", "failures", "audit"])
@pytest.mark.parametrize("word", ["=cmd|'/c calc'!A1", "＝1+1", "@x", "-1+1", "＋1"])
def test_no_cell_of_a_csv_or_a_sheet_is_computed(
    scene: Scene, tmp_path: Path, kind: str, word: str
) -> None:
    hostile_batch(scene, word)
    export(scene, tmp_path, kind, "csv")
    text = (tmp_path / f"{kind}.csv").read_text("utf-8-sig")
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    started = [cell for cell in cells if cell.startswith(tuple("=+-@＝＋－＠\t\r"))]
    # Numbers stay numbers, below nought too.
    assert set(started) <= {"-12.50", "-12.5"}, started
    if kind == "documents":
        assert started
    assert any(cell.startswith(f"'{word}") for cell in cells) or kind == "audit"
    export(scene, tmp_path, kind, "xlsx")
    sheets(tmp_path / f"{kind}.xlsx")  # which refuses formulas
    with zipfile.ZipFile(tmp_path / f"{kind}.xlsx") as book:
        for name in book.namelist():
            assert not ET.fromstring(book.read(name)).findall(".//{*}hyperlink"), name


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
