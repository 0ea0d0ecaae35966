"""Packages whose members are bent, and which then are put together again, or bent as a whole.

A bent byte of a packed member only breaks its checksum; what lies behind is met by bending first.
"""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import tests.portal.sync.checks.check_samples as samples
from tests.fuzz.bending import bent_bytes

_INFO = (
    '<ofd:DocInfo><ofd:Title>发票</ofd:Title><ofd:CustomDatas><ofd:CustomData Name="发票号码">1'
    "</ofd:CustomData></ofd:CustomDatas></ofd:DocInfo>"
)
_CORE = b'<cp:coreProperties xmlns:cp="c" xmlns:dc="d"><dc:title>t</dc:title></cp:coreProperties>'
_NAMES = [
    "../up", "/root", "C:\\x", "a\\..\\b", "", "OFD.xml", "Doc_0/Document.xml", "x\x00y", "a/b/",
    "\u202exml.exe", "[Content_Types].xml", "inner.zip",
]  # fmt: skip


@cache
def _members(kind: str) -> tuple[tuple[str, bytes], ...]:
    if kind == "ofd":
        members = samples.ofd_members(2)
        root = members["OFD.xml"].decode()
        members["OFD.xml"] = root.replace("<ofd:DocRoot>", f"{_INFO}<ofd:DocRoot>").encode()
        content = members["Doc_0/Pages/Page_0/Content.xml"].decode()
        text = "<ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox><ofd:TextCode>金额</ofd:TextCode>"
        members["Doc_0/Pages/Page_0/Content.xml"] = content.replace("发票", text).encode()
        return tuple(members.items())
    if kind == "ooxml":
        return (
            ("[Content_Types].xml", b"<Types/>"),
            ("word/document.xml", b"<document/>"),
            ("docProps/core.xml", _CORE),
        )
    inner = samples.zipped({"a.txt": b"text", "deeper.zip": samples.zipped({"b": b"c"})})
    return (("a.xml", samples.XML), ("inner.zip", inner), ("a.ofd", samples.ofd(1)))


def bent_packages(kind: str) -> SearchStrategy[bytes]:
    """Packages of this kind with something wrong inside, outside, or nowhere."""
    members = _members(kind)
    contents = [bent_bytes([content], edits=1) for _name, content in members]
    names = [name for name, _content in members]
    return st.builds(
        lambda contents, number: _packed(names, contents, random.Random(number)),
        st.tuples(*contents),
        st.integers(0, 2**64 - 1),
    ).flatmap(lambda whole: bent_bytes([whole], edits=1))


def _packed(names: Sequence[str], contents: Sequence[bytes], chance: random.Random) -> bytes:
    method = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)  # a name that comes twice is meant
        for name, content in zip(names, contents, strict=True):
            if chance.random() < 0.02:
                continue
            shown = chance.choice(_NAMES) if chance.random() < 0.05 else name
            archive.writestr(zipfile.ZipInfo(shown or "x"), content, method)
    return out.getvalue()
