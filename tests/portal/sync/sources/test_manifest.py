from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portal.errors import SyncError
from portal.services.source_form import SourceForm
from portal.sync.sources.kind import OpenSource
from portal.sync.sources.rows import Scope, SourceDocument
from portal.sync.sources.tables.spool import Spool
from portal.sync.sources.tables.spools import FOLDER, Spools
from tests.portal.sync.sources.source_rigs import opened

EVER = Scope(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
HEAD = "scanBillNo,fbillTypeCode,fapplyOrganizationCode,collectTime,totalAmount,fileType,path"
ROW = "A-{0},FYBX,1001,2024-01-02 09:00:0{0},1.50,invoice,a/{0}.pdf"


class Export:
    """A folder with a manifest, and the source of it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "export"
        self.home = root / "home"
        self.folder.mkdir()
        self.home.mkdir()

    def write(self, *lines: str | bytes, name: str = "manifest.csv") -> None:
        raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
        new = self.folder / f"{name}.new"
        new.write_bytes(b"\n".join(raw) + b"\n")
        new.rename(self.folder / name)

    def open(self, name: str = "manifest.csv", **options: Any) -> OpenSource:
        settings = {"place": str(self.folder), "manifest": name}
        return opened(SourceForm("源", kind="manifest", settings=settings, **options), self.home)

    def documents(self, name: str = "manifest.csv") -> list[SourceDocument]:
        return list(self.open(name).source.page(EVER, 1).documents)

    def codes(self, name: str = "manifest.csv") -> dict[str, str | None]:
        found = self.documents(name)
        return {one.image_no: one.problem.code if one.problem else None for one in found}

    def failure(self, name: str = "manifest.csv") -> SyncError:
        with pytest.raises(SyncError) as caught:
            self.documents(name)
        return caught.value

    def spools(self) -> list[Path]:
        return sorted((self.home / FOLDER).glob("*.sqlite"))


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


def test_names_of_columns_are_the_fields_own_words(export: Export) -> None:
    export.write(
        b"\xef\xbb\xbf"
        + "影像编号,单据类型代码,组织代码,采集日期,文件类别,文件路径,文件大小".encode(),
        "A-1,FYBX,1001,2024-01-02,发票,a/发票 1.PDF,12",
        "A-1,FYBX,1001,2024-01-02,封面,a/封面.jpg,",
    )
    (document,) = export.documents()
    assert document.problem is None
    assert document.collected_at == datetime(2024, 1, 1, 16, tzinfo=UTC)
    first, second = document.files
    assert (first.file_id, first.name, first.suffix) == ("a/发票 1.PDF", "发票 1.PDF", "pdf")
    assert (first.category, first.size, first.seq) == ("invoice", 12, 1)
    assert (second.category, second.size, second.seq) == ("cover", None, 2)


def test_jsonl_has_a_document_or_a_file_in_a_line(export: Export) -> None:
    common = '"scanBillNo":"A-1","orgCode":"1","billTypeCode":"F","collectTime":"2024-01-02"'
    export.write(
        f'{{{common},"files":[{{"fileType":"cover","path":"1.jpg"}}]}}',
        f'{{{common},"fileType":"invoice","path":"2.pdf"}}',
        '{"scanBillNo":"B-1","colour":"red"}',
        "[1]",
        "{",
        name="m.jsonl",
    )
    codes = export.codes("m.jsonl")
    assert codes.pop("A-1") is None
    assert codes.pop("B-1") == "META_BAD_LINE"
    assert list(codes.values()) == ["META_BAD_LINE"] * 2
    whole = next(one for one in export.documents("m.jsonl") if one.image_no == "A-1")
    assert [file.download_url for file in whole.files] == ["1.jpg", "2.pdf"]


@pytest.mark.parametrize(
    ("header", "line", "word"),
    [
        (HEAD.replace("totalAmount", "colour"), 1, "colour"),
        (HEAD.replace("totalAmount", "影像编号"), 1, "影像编号"),
        (HEAD.replace(",path", ",fileName"), 1, "path"),
        ("影像编号,路径".encode("gbk"), 1, "UTF-8"),
        ("\n" + HEAD.replace("scanBillNo", ""), 2, "“”"),
        ("", 1, "列名"),
    ],
)
def test_a_manifest_whose_columns_make_no_sense_is_not_read_at_all(
    export: Export, header: str | bytes, line: int, word: str
) -> None:
    export.write(header, ROW.format(1))
    error = export.failure() if header else _failure_of_empty(export)
    assert (error.code, error.params["line"]) == ("SRC_MANIFEST_HEADER", line)
    assert word in error.params["detail"]
    assert error.permanent


def _failure_of_empty(export: Export) -> SyncError:
    export.write("")
    return export.failure()


@pytest.mark.parametrize(
    ("bad", "image_no", "code"),
    [
        ("A-9,FYBX,1001", "A-9", "META_BAD_LINE"),
        (ROW.format(9) + ",more", "A-9", "META_BAD_LINE"),
        ('A-9,"FYBX,1001,2024-01-02,1,invoice,9.pdf', None, "META_BAD_LINE"),
        (b"A-9,FYBX,1001,2024-01-02 09:00:00,1.5,invoice,\xff.pdf", None, "META_BAD_LINE"),
        ("x" * (1 << 20) + ",y", None, "META_BAD_LINE"),
        (ROW.format(9).replace("a/9.pdf", "../9.pdf"), "A-9", "META_BAD_PATH"),
        (ROW.format(9).replace("a/9.pdf", "/etc/passwd"), "A-9", "META_BAD_PATH"),
        (ROW.format(9).replace("a/9.pdf", "a\\9.pdf"), "A-9", "META_BAD_PATH"),
        (ROW.format(9).replace("a/9.pdf", "a/\0.pdf"), "A-9", "META_BAD_PATH"),
        (ROW.format(9).replace("a/9.pdf", ""), "A-9", "META_BAD_PATH"),
        (ROW.format(9).replace("invoice", "picture"), "A-9", "META_BAD_CATEGORY"),
        (ROW.format(9).replace("1.50", "much"), "A-9", "META_BAD_VALUE"),
        (ROW.format(9).replace("2024-01-02 09:00:09", "soon"), "A-9", "META_BAD_VALUE"),
        (ROW.format(9).replace("1001", ""), "A-9", "META_MISSING_FIELD"),
        (ROW.format("").replace("09:00:0,", "09:00:00,"), "A-", None),
    ],
)
def test_a_bad_line_is_its_documents_failure_and_no_others(
    export: Export, bad: str | bytes, image_no: str | None, code: str | None
) -> None:
    export.write(HEAD, ROW.format(1), bad, ROW.format(2))
    codes = export.codes()
    assert codes.pop("A-1") is codes.pop("A-2") is None
    ((found, said),) = codes.items()
    assert said == code
    assert found == image_no if image_no else found.startswith("ROW-")
    if code in ("META_BAD_LINE", "META_BAD_PATH"):
        (problem,) = [one.problem for one in export.documents() if one.problem]
        assert problem.params["line"] == 3


def test_a_line_that_is_lost_fails_the_document_it_names(export: Export) -> None:
    second = ROW.format(1).replace("a/1", "a/2")
    export.write(HEAD, ROW.format(1), second + ",", ROW.format(2))
    assert export.codes() == {"A-1": "META_BAD_LINE", "A-2": None}
    assert export.documents()[0].bill_type_code == "FYBX"


def test_lines_that_contradict_each_other_are_both_named(export: Export) -> None:
    other = ROW.format(1).replace("1.50", "2.50").replace("a/1", "b/1")
    export.write(HEAD, ROW.format(1), ROW.format(2), other)
    problem = export.documents()[0].problem
    assert problem is not None
    assert (problem.code, problem.params) == (
        "META_CONTRADICTION",
        {"line": 4, "first": 2, "field": "totalAmount"},
    )


def test_one_whose_time_cannot_be_read_is_with_the_earliest(export: Export) -> None:
    odd = ROW.format(9).replace("2024-01-02 09:00:09", "")
    export.write(HEAD, ROW.format(1), odd, ROW.format(2).replace("2024-01", "2024-03"))
    january = replace(EVER, ends_at=datetime(2024, 2, 1, tzinfo=UTC))
    source = export.open().source
    assert [one.image_no for one in source.page(january, 1).documents] == ["A-1", "A-9"]
    assert source.count(EVER).documents == 3


def test_a_changed_manifest_is_read_anew_and_its_pages_say_so(export: Export) -> None:
    export.write(HEAD, *map(ROW.format, range(1, 4)))
    source = export.open(profile={"page_size": 2}).source
    first = source.page(EVER, 1)
    before = export.spools()
    export.write(HEAD, *map(ROW.format, range(1, 6)))
    second = source.page(EVER, 2)
    assert first.version != second.version
    assert second.total == 5
    assert not set(before) & set(export.spools())  # the old one is swept
    os.utime(export.folder / "manifest.csv")
    assert source.page(EVER, 2).version == second.version  # the same words, written again


def test_a_manifest_that_is_not_there_is_no_documents_failure(export: Export) -> None:
    assert export.failure().code == "SRC_MANIFEST"
    with pytest.raises(SyncError) as caught:
        export.open().source.check()
    assert caught.value.problem.where == "source"
    export.write(HEAD)
    assert export.documents() == []
    export.open().source.check()


@pytest.mark.parametrize("place", ["home", ".", "home/export"])
def test_a_place_around_or_in_our_home_is_none(export: Export, place: str) -> None:
    root = export.home.parent
    (export.home / "export").mkdir()
    export.folder = root / place
    (root / place / "manifest.csv").write_text(HEAD)
    assert export.failure().code == "SRC_PLACE_OURS"


def test_processes_of_a_host_make_a_spool_once(export: Export) -> None:
    made: list[str] = []
    begun = threading.Event()

    def make(path: Path, _on_step: Callable[[], None]) -> None:
        begun.set()
        path.write_bytes(b"")
        made.append(path.name)

    def get() -> None:
        Spools(export.home, "table", None).get("stamp", make)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert made[0].endswith(".building")


def test_an_unfinished_spool_is_never_used(export: Export) -> None:
    def fail(path: Path, _on_step: Callable[[], None]) -> None:
        path.write_bytes(b"half")
        raise SyncError("SRC_MANIFEST_CHANGED", name="m")

    spools = Spools(export.home, "table", None)
    with pytest.raises(SyncError):
        spools.get("stamp", fail)
    assert spools.find("stamp") is None
    assert export.spools() == []
    assert not list((export.home / FOLDER).glob("*.building"))


def test_who_waits_for_an_answer_does_not_wait_for_a_large_manifest(export: Export) -> None:
    def make(_path: Path, on_step: Callable[[], None]) -> None:
        while True:
            on_step()

    with pytest.raises(SyncError) as caught:
        Spools(export.home, "table", 0.01).get("stamp", make)
    assert caught.value.code == "SRC_TIMEOUT"


def test_a_spool_swept_meanwhile_is_an_error_of_its_own(export: Export) -> None:
    with pytest.raises(SyncError) as caught:
        Spool(export.home / "none.sqlite").count(EVER)
    assert caught.value.code == "SRC_SPOOL"
