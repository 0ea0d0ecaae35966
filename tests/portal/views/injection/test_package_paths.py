"""A package unpacks below its own folder on every system, whatever the source called its files."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from tests.portal.fake_source import make_document, make_file
from tests.portal.ledger_scene import stored
from tests.portal.views.injection.hostile import MARKUP
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.test_packages import opened, post
from tests.portal.views.visitor import Visitor

pytestmark = pytest.mark.faults

NAMES = [
    "../../../etc/passwd", "/etc/passwd", "C:\\Windows\\evil.dll", "C:evil", "..\\..\\evil", "..",
    ".", "", "a/../../b", "CON", "con.txt", "LPT1.pdf", "nul .pdf", "a\x00b", "a\r\nb", "x.pdf ",
    "x.pdf.", "X.PDF", "x.pdf", "ｘ.pdf", "e\u0301.pdf", "\u00e9.pdf", "\u202efdp.exe", "a:b:$DATA",
    "~", "-rf", "=1+1.csv", "*?<>|", "\\\\server\\share", "名" * 300, MARKUP,
]  # fmt: skip
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\s*(\..*)?", re.IGNORECASE)


def test_no_name_leads_out_of_its_folder_or_hides_another_file(
    scene: PageScene, operator: Visitor, tmp_path: Path
) -> None:
    ledger_scene = scene.ledger_scene
    files = tuple(make_file(0, n + 1, name=name, suffix="") for n, name in enumerate(NAMES))
    listed = [
        replace(make_document(n, image_no=f"{name}#"[:100], bill_no=name[:100]), files=files)
        for n, name in enumerate(("../../up", "C:\\x", "CON", "a", "A", "/root", "．．"))
    ]
    batch_id = ledger_scene.listed_batch(listed)
    for claim in ledger_scene.claim(batch_id):
        kept = tuple(
            scene._keep(
                f"{claim.folder}/{file.seq:02d}",
                file.file_id,
                Content("x", f"{claim.document_id} {file.file_id}".encode(), "txt"),
            )
            for file in claim.files
        )
        ledger_scene.settle(batch_id, replace(stored(claim), files=kept))
    number = ledger_scene.batch(batch_id).batch_no
    book = opened(post(operator, "/packages/batches", {"batch_no": number}))
    paths = book.namelist()
    assert len(paths) == len(listed) * len(NAMES) + 1
    folded = {unicodedata.normalize("NFD", path).casefold() for path in paths}
    assert len(folded) == len(paths)
    for path in paths:
        assert path.isprintable()
        assert not PurePosixPath(path).is_absolute()
        assert not PureWindowsPath(path).drive
        assert not set('\\:*?"<>|') & set(path)
        for part in path.split("/"):
            assert part.strip(". ") == part, path
            assert not _DEVICE.fullmatch(part), path
    book.extractall(tmp_path / "out")
    found = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert len(found) == len(paths)
    assert [one.name for one in tmp_path.iterdir()] == ["out"]
    contents = {one.read_bytes() for one in found}
    assert len(contents) == len(paths)
