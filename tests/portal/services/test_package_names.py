"""Names in a ZIP: whatever the source calls its files, every system can unpack them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.services.package_names import (
    MOST_UNITS,
    TakenNames,
    file_name,
    folder_name,
    key_of,
    plain_name,
)

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
ANY_TEXT = st.one_of(
    st.text(max_size=300),
    st.text(alphabet='./\\ :*?"<>|\r\n\t\0\u202e\u200bA发com1nul', max_size=30),
    st.sampled_from(["..", "../../etc/passwd", "C:\\x", "con", "LPT¹.pdf", "nul .txt", "😀" * 90]),
)


def complaints_of_windows(name: str) -> list[str]:
    """What Windows says of a name, by its own rules (Naming Files, Paths, and Namespaces)."""
    found = []
    if not name or name in (".", ".."):
        found.append("no name")
    if any(char in '<>:"/\\|?*' or ord(char) < 32 for char in name):
        found.append("a forbidden character")
    if name.endswith((" ", ".")):
        found.append("ends with a blank or a dot")
    if name.split(".", maxsplit=1)[0].rstrip(" ").casefold() in DEVICES:
        found.append("a device")
    if len(name.encode("utf-16-le", "surrogatepass")) // 2 > MOST_UNITS:
        found.append("too long")
    return found


@given(ANY_TEXT)
def test_any_text_becomes_a_name_that_every_system_takes(text: str) -> None:
    name = plain_name(text)
    assert complaints_of_windows(name) == []
    assert not name.startswith((".", " "))
    assert len(name.encode()) <= 255
    assert name.isprintable()
    assert unicodedata.is_normalized("NFC", name)
    assert plain_name(name) == name


@given(ANY_TEXT, st.text(max_size=15))
def test_a_file_name_is_one_too(text: str, suffix: str) -> None:
    assert complaints_of_windows(file_name(text, suffix)) == []


@given(st.lists(ANY_TEXT, max_size=12))
def test_names_in_one_folder_differ_in_the_eyes_of_every_system(texts: list[str]) -> None:
    names = TakenNames()
    taken = [names.take(plain_name(text)) for text in texts + texts]
    names.close()
    assert len({key_of(name) for name in taken}) == len(taken)
    assert all(complaints_of_windows(name) == [] for name in taken)


@pytest.fixture
def names() -> Iterator[TakenNames]:
    taken = TakenNames()
    yield taken
    taken.close()


def test_the_second_of_a_name_is_numbered_before_its_suffix(names: TakenNames) -> None:
    assert [names.take(name) for name in ("发票.pdf", "发票.PDF", "发票.pdf", "README")] == [
        *("发票.pdf", "发票 (2).PDF", "发票 (3).pdf", "README")
    ]
    names.forget()
    assert names.take("发票.pdf") == "发票.pdf"


@pytest.mark.parametrize(
    ("name", "suffix", "plain"),
    [
        ("发票 2024（一）.pdf", "pdf", "发票 2024（一）.pdf"),
        ("发票", "pdf", "发票.pdf"),
        ("../../../etc/passwd", "", "___.._.._etc_passwd"),
        ("a/b\\c.pdf", "pdf", "a_b_c.pdf"),
        ("fdp.exe\u202efdp.js", "js", "fdp.exe_fdp.js"),
        ("con.pdf", "pdf", "_con.pdf"),
        ("", "", "_"),
        (".DS_Store", "", "_DS_Store"),
        ("a\r\nb.pdf", "pdf", "a__b.pdf"),
        ("长" * 300 + ".pdf", "pdf", "长" * 76 + ".pdf"),
        ("e\u0301.pdf", "pdf", "\u00e9.pdf"),
    ],
)
def test_names_stay_readable(name: str, suffix: str, plain: str) -> None:
    assert file_name(name, suffix) == plain


def test_a_folder_has_both_numbers() -> None:
    assert folder_name("FYBX001", "BX-2024-1") == "FYBX001_BX-2024-1"
    assert folder_name("FYBX001", "") == "FYBX001"
