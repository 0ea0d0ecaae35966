"""The four settings of the older procedure: both forms, and whatever is around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sync.sources.old_settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    KEYS,
    STATUS,
    URL,
    OldSettings,
    decoded,
    read,
    read_nodes,
)

ZKUI = """\
#App Config Dashboard (ACD) dump created on :Sun Nov 22 18:00:00 CST 2026
/api-archive-scan/pri=dataSyncTaskPubImgsysClientId=ent-1
/api-archive-scan/pri=dataSyncTaskPubImgsysClientSecret=a=b\\c#d==
/api-archive-scan/pri=dataSyncTaskPubImgsysStatus=2
/api-archive-scan/pri=dataSyncTaskPubImgsysUrl=https://api.piaozone.com/
/api-archive-scan/pri=jdbc.url=jdbc:mysql://db/x?a=b
"""
PROPERTIES = """\
# 公有云
! and this
dataSyncTaskPubImgsysStatus = 2
  dataSyncTaskPubImgsysUrl : https\\://api.piaozone.com/
dataSyncTaskPubImgsysClientId ent-\\
    1
dataSyncTaskPubImgsysClientSecret=a\\=b\\\\c#d\\u003d=
other.key=x
"""
SOUND = {
    "status": "2",
    "url": "https://api.piaozone.com/",
    "client_id": "ent-1",
    "client_secret": "a=b\\c#d==",
}


def values(settings: OldSettings) -> dict[str, str]:
    return {name: getattr(settings, name) for name in SOUND}


@pytest.mark.parametrize("text", [ZKUI, PROPERTIES], ids=["zkui", "properties"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_both_forms_in_every_dress(text: str, line_break: str, encoding: str) -> None:
    found = read(decoded(text.replace("\n", line_break).encode(encoding)))
    assert values(found) == SOUND
    assert (found.missing, found.others, found.ambiguous) == ((), 1, ())
    assert found.is_enabled


def test_only_zkuis_lines_tell_the_path() -> None:
    assert read(ZKUI).path == "/api-archive-scan/pri"
    assert read(PROPERTIES).path is None


def test_the_usual_path_counts_and_a_second_value_is_told() -> None:
    elsewhere = f"/old/pri={URL}=https://old.example\n"
    for text in (ZKUI + elsewhere, elsewhere + ZKUI):
        found = read(text)
        assert found.url == SOUND["url"]
        assert found.ambiguous == (URL,)
    assert read(f"{URL}=https://a.example\n{URL}=https://b.example").url == "https://b.example"


def test_what_is_not_there_is_missing() -> None:
    found = read(f"{STATUS}=\n{URL}=https://a.example\n#{CLIENT_ID}=commented\n-/x/{CLIENT_ID}")
    assert found.missing == (STATUS, CLIENT_ID, CLIENT_SECRET)
    assert not found.is_enabled
    assert read("").missing == KEYS


def test_what_zkui_withholds_is_not_taken_for_the_secret() -> None:
    text = f"/api-archive-scan/pri={CLIENT_SECRET}=SOPA/PIPA BLACKLISTED VALUE"
    assert CLIENT_SECRET in read(text).missing


def test_the_secret_never_shows() -> None:
    assert "a=b" not in repr(read(ZKUI))


def test_characters_beyond_the_first_plane_come_whole_and_halves_are_none() -> None:
    assert read(f"{CLIENT_ID}=\\uD842\\uDFB7").client_id == "\U00020bb7"
    assert CLIENT_ID in read(f"{CLIENT_ID}=a\\uD842b").missing


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"https://api.example/", "https://api.example/"),
        (b"https\\://api.example/", "https://api.example/"),
        (b"\\u5f71\\u50cf", "影像"),
        ("影像".encode(), "影像"),
        ("影像".encode("gbk"), "影像"),
        (b"\xef\xbb\xbfx \r\n", "x"),
        (b"a=b\\c#d==", "a=b\\c#d=="),
    ],
)
def test_a_nodes_value_stands_for_itself_unless_java_escaped_it(data: bytes, value: str) -> None:
    assert read_nodes("/p", b"", {CLIENT_ID: data}).client_id == value


@pytest.mark.parametrize("data", [b"\x00\x01", b"\xff\xff\xff", b"\x80", b"a\nb"])
def test_junk_in_a_node_is_not_the_same_as_nothing(data: bytes) -> None:
    found = read_nodes("/p", b"", {CLIENT_ID: data, URL: b""})
    assert (CLIENT_ID in found.missing, found.unreadable) == (True, (CLIENT_ID,))


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1
).filter(lambda word: word == word.strip() and "\ufffd" not in word and "\ufeff" not in word)


def java_escaped(value: str) -> str:
    """As java.util.Properties writes a value."""
    escaped = "".join("\\" + one if one in "\\=:#!" else one for one in value)
    return "".join(
        one if one.isascii() else "".join(f"\\u{unit:04X}" for unit in _units(one))
        for one in escaped
    )


def _units(character: str) -> list[int]:
    data = character.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@given(client_id=WORDS, secret=WORDS)
def test_what_java_writes_is_read_back(client_id: str, secret: str) -> None:
    text = f"{CLIENT_ID}={java_escaped(client_id)}\r\n{CLIENT_SECRET}={java_escaped(secret)}\r\n"
    found = read(text)
    assert (found.client_id, found.client_secret) == (client_id, secret)


@given(client_id=WORDS, secret=WORDS)
def test_what_zkui_writes_is_read_back(client_id: str, secret: str) -> None:
    pairs = ((CLIENT_ID, client_id), (CLIENT_SECRET, secret))
    text = "".join(f"/api-archive-scan/pri={key}={value}\n" for key, value in pairs)
    found = read(text)
    expected = tuple("" if "\\n" in value else value for value in (client_id, secret))
    assert (found.client_id, found.client_secret) == expected


PIECES = st.one_of(
    st.sampled_from(
        [*KEYS, "=", ":", "\\", "\\u", "\\u00", "\n", "\r\n", "/a/b=", "#", " ", "\ufeff"]
    ),
    st.text(st.characters(), max_size=5),
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_junk_is_never_an_error_and_what_is_found_can_be_stored(text: str) -> None:
    found = read(text)
    for value in values(found).values():
        assert value == value.strip()
        value.encode()
        assert value.isprintable() or not any(ord(one) < 32 for one in value)


@given(st.binary(max_size=200))
def test_any_file_can_be_read(content: bytes) -> None:
    read(decoded(content))
