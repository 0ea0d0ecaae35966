"""The name of a download: whatever the source calls a file, it is saved harmlessly."""

from __future__ import annotations

import re
import unicodedata
from email import message_from_string
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header

from portal.views.saved_names import attachment, safe_name

HOSTILE = "./\\ :*?\"<>|%';\r\n\t\0\x85\u2028\u202e\u2066\u200b\u200f\ufeff\u3164\ud800A发com1nul"
ANY_NAME = st.one_of(
    st.text(max_size=300),
    st.text(alphabet=HOSTILE, max_size=40),
    st.text(alphabet="发票😀é.", min_size=60, max_size=300),
)
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
# What turns the direction of writing, or is not seen at all.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def complaints(name: str) -> list[str]:
    """What is wrong with a name, by the rules of Windows, of Linux and of whoever reads it."""
    found = []
    if not name or set(name) <= {"."}:
        found.append("no name")
    if re.search(r'[<>:"/\\|?*]', name):
        found.append("forbidden, or a path")
    if name.startswith((".", " ")) or name.endswith((" ", ".")):
        found.append("hidden, or cut by Windows")
    if name.split(".", maxsplit=1)[0].rstrip(" ").casefold() in DEVICES:
        found.append("a device")
    if any(unicodedata.category(char) in UNSEEN or char == "\u3164" for char in name):
        found.append("a character that is not seen")
    if len(name.encode()) > 200:
        found.append("too long")
    return found


@given(ANY_NAME)
@example("CON")
@example("nul .txt")
@example("COM1.tar.gz")
@example("../../etc/passwd")
@example("..\\..\\autorun.inf")
@example("发票\u202efdp.exe")
@example("a.pdf. . ")
@example("发" * 300 + ".pdf")
@example("a." + "发" * 300)
def test_any_name_is_one_that_every_system_takes(name: str) -> None:
    safe = safe_name(name)
    assert complaints(safe) == []
    assert safe_name(safe) == safe


@given(ANY_NAME)
@example('a"; filename=evil.exe; x="')
@example("a\r\nSet-Cookie: imgmig=stolen\r\n\r\n<script>")
@example("100%41.pdf")
@example("a'b''c.pdf")
def test_the_header_says_that_name_and_nothing_else(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    Headers().set("Content-Disposition", header)  # refuses what would begin another line
    plain = re.fullmatch(
        r"attachment; filename=\"([^\"\\%]*)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]*)", header
    )
    assert plain is not None
    assert unquote(plain[2], errors="strict") == safe_name(name)
    assert complaints(plain[1]) == []
    # Two readers that know nothing of ours.
    kind, words = parse_options_header(header)
    assert (kind, words["filename"]) == ("attachment", safe_name(name))
    mail = message_from_string(f"Content-Disposition: {header}\n\n")
    assert mail.get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("增值税发票 2024（一）.pdf", "增值税发票 2024（一）.pdf"),
        ("CON", "_CON"),
        ("NUL.txt", "_NUL.txt"),
        ("com1 .pdf", "_com1 .pdf"),
        ("console.pdf", "console.pdf"),
        ("发票\u202efdp.exe", "发票_fdp.exe"),
        ("a\u200bb.pdf", "a_b.pdf"),
        ("../../a.pdf", "__.._a.pdf"),
        ("a:b|c.pdf", "a_b_c.pdf"),
        ("封面.jpg. .", "封面.jpg"),
        ("", "_"),
        ("..", "_"),
    ],
)
def test_names_stay_readable(name: str, safe: str) -> None:
    assert safe_name(name) == safe
