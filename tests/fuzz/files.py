"""Files as a source delivers them: checked, drawn, told of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

import tests.portal.sync.checks.check_samples as samples
from portal.errors import PROBLEMS
from portal.sync.checks.inspection import InspectionJob
from portal.sync.checks.inspector import inspect
from portal.sync.checks.sniff import HEAD_BYTES, KNOWN_KINDS, sniff, text_encodings
from portal.sync.viewing.as_it_is import body_as_it_is
from portal.sync.viewing.facts import TOLD_KINDS, Facts
from portal.sync.viewing.painter import Drawer, answer
from portal.sync.viewing.painter_child import PaintOrder, _failure
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import REFUSALS
from tests.fuzz.bending import as_json, bent_bytes, bent_values
from tests.fuzz.ofd_samples import bent_packages
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser
from tests.fuzz.promises import assert_shown, assert_stored

#: Small pages: most of the time is to go into many cases, not into many dots.
RULES = replace(samples.RULES, max_pixels=1_000_000, max_pages=50, min_short_side=1)
_SIZE = (48, 40)


def _seeds() -> dict[str, list[tuple[str, bytes]]]:
    """Whole small files by kind, each with its suffix."""
    picture = partial(samples.picture, size=_SIZE)
    return {
        "jpeg": [
            ("jpg", picture("JPEG", quality=80, dpi=(300, 300))),
            ("jpg", picture("JPEG", progressive=True)),
            ("jpg", picture("JPEG", mode="CMYK")),
        ],
        "png": [
            ("png", picture("PNG", dpi=(200, 200))),
            ("png", picture("PNG", mode="P")),
            ("png", picture("PNG", mode="1")),
        ],
        "tiff": [
            ("tif", samples.tiff(3, _SIZE)),
            ("tif", picture("TIFF", big_tiff=True)),
            ("tif", picture("TIFF", mode="1", compression="group4")),
            ("tif", picture("TIFF", compression="jpeg")),
        ],
        "gif": [("gif", picture("GIF"))],
        "bmp": [("bmp", picture("BMP"))],
        "webp": [("webp", picture("WEBP")), ("webp", picture("WEBP", lossless=True))],
        "pdf": [("pdf", samples.pdf(1)), ("pdf", samples.pdf(3))],
        "xml": [
            ("xml", samples.XML),
            ("xml", '<?xml version="1.0" encoding="GBK"?><发票>张伟</发票>'.encode("gbk")),
            ("xml", samples.XML.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
        ],
        "txt": [("txt", "报销说明\r\n".encode()), ("txt", "报销说明，共两页".encode("gbk"))],
        "ole": [("doc", samples.OLE)],
    }  # fmt: skip


SEEDS = _seeds()
_Case = tuple[str, bytes]


@cache
def _path() -> Path:
    """One file that is written again and again; its folder lies in memory when the runner is."""
    return Path(tempfile.mkdtemp(), "file")


def _kept(content: bytes) -> str:
    _path().write_bytes(content)
    return str(_path())


def _checked(case: _Case) -> bool:
    suffix, content = case
    path = _kept(content)
    result = inspect(InspectionJob(1, path, suffix, "attachment", None, RULES))
    if result.error is None:
        assert result.facts is not None
        assert result.facts.kind in KNOWN_KINDS
        assert result.facts.pages is None or 0 < result.facts.pages <= RULES.max_pages
        return ACCEPTED
    if result.error.code == "INTERNAL":
        raise result.error.__cause__ or result.error
    assert result.error.code.startswith("FILE_")
    assert_stored(result.to_mapping())
    assert path not in str(result.error.params)
    for value in result.error.params.values():
        assert_shown(str(value), 120)
    return REFUSED


def _drawn(case: _Case) -> bool:
    """A painter's answer is a picture, or names a problem."""
    kind, content = case
    order = PaintOrder(kind, 1, 60)
    name = TOLD_KINDS.get(kind) or ("pdf" if kind == "pdf" else "pictures")
    said = answer(cast(Drawer, import_module(f"portal.sync.viewing.{name}")), _kept(content), order)
    failure: Any = _failure(said)
    if failure is not None:
        assert failure.code != "INTERNAL", said.decode()[-1500:]
        assert failure.code in PROBLEMS or failure.code in REFUSALS
        return REFUSED
    if kind in TOLD_KINDS:
        _assert_told(Facts.from_bytes(said))
    else:
        assert Rendition.from_bytes(said).pages >= 1
    return ACCEPTED


def _assert_told(facts: Facts) -> None:
    assert len(facts.named) <= 60
    for name, value in facts.named:
        assert_shown(name, 60)
        assert_shown(value, 300)
    assert len(facts.text) <= 6000
    assert all(char.isprintable() or char in "\n\t" for char in facts.text)


def _passed_on(case: _Case) -> bool:
    kind, content = case
    body = body_as_it_is(BytesIO(content), len(content), kind)
    assert body in (None, content)
    return REFUSED if body is None else ACCEPTED


def _sniffed(head: bytes) -> bool:
    kind = sniff(head[:HEAD_BYTES])
    assert kind in KNOWN_KINDS | {"html", "unknown"}
    for encoding in text_encodings(head):
        head.decode(encoding, "replace")
    return REFUSED if kind == "unknown" else ACCEPTED


def _painted(data: bytes) -> bool:
    """A painter that a file has taken over may say anything."""
    assert isinstance(_failure(data), Exception | None)
    read = 0
    for what in (Rendition.from_bytes, Facts.from_bytes):
        read += _is_read(cast("Callable[[bytes], object]", what), data)
    return ACCEPTED if read else REFUSED


def _is_read(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        found = read(data)
    except (ValueError, RecursionError, TypeError, LookupError):
        return False  # what the parent takes for nonsense
    if isinstance(found, Facts):
        _assert_told(found)
    return True


def _bent(kind: str, first: str | None = None) -> st.SearchStrategy[_Case]:
    cases = [
        st.tuples(st.just(first or suffix), bent_bytes([content]))
        for suffix, content in SEEDS[kind]
    ]
    return st.one_of(cases)


def _named(case: _Case) -> bytes:
    return case[1]


def _packages(first: dict[str, str]) -> st.SearchStrategy[_Case]:
    kinds = st.sampled_from(sorted(first))
    return kinds.flatmap(lambda kind: st.tuples(st.just(first[kind]), bent_packages(kind)))


_PICTURES = ("jpeg", "png", "tiff", "gif", "bmp", "webp")
_FACTS = Facts.made_of([("title", "发票")], "text").to_bytes()
_PICTURE = Rendition("image/png", SEEDS["png"][0][1], 2).to_bytes()
_PROBLEM = {"code": "FILE_CORRUPT", "params": {"detail": "x"}, "trace": None}
PARSERS = (
    *(Parser(f"check {kind}", _bent(kind), _checked, shown=_named) for kind in SEEDS),
    Parser("check ofd", _packages({"ofd": "ofd"}), _checked, shown=_named),
    Parser("check ooxml, zip", _packages({"ooxml": "docx", "zip": "zip"}), _checked, shown=_named),
    *(
        Parser(f"view {kind}", _bent(kind, kind), _drawn, shown=_named, refuses=kind != "txt")
        for kind in (*_PICTURES, "pdf", "xml", "txt")
    ),
    Parser("view ofd", _packages({"ofd": "ofd"}), _drawn, shown=_named),
    Parser("view ooxml, zip", _packages({"ooxml": "ooxml", "zip": "zip"}), _drawn, shown=_named),
    Parser("view as it is", _bent("jpeg", "jpeg") | _bent("png", "png"), _passed_on, shown=_named),
    Parser(
        "first bytes",
        bent_bytes(
            [seeds[0][1][:64] for seeds in SEEDS.values()] + [b"<!doctype html>", b"PK\3\4"]
        ),
        _sniffed,
    ),
    Parser(
        "painter's answer",
        bent_bytes([_FACTS, _PICTURE]) | as_json(bent_values([_PROBLEM])),
        _painted,
    ),
)
