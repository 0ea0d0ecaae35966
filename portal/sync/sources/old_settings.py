"""The four settings of the older procedure, as they lie in ZooKeeper or were copied out of it.

Two forms of text are read, mixed if need be: ``.properties`` (``key=value``, with the escapes of
Java) and the lines that zkui exports, ``path=key=value``, in which only ``\\n`` is an escape. In
ZooKeeper itself each setting is a node of its own, or all are the text of one node. Nothing is
ever an error: what is not understood is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

STATUS = "dataSyncTaskPubImgsysStatus"
URL = "dataSyncTaskPubImgsysUrl"
CLIENT_ID = "dataSyncTaskPubImgsysClientId"
CLIENT_SECRET = "dataSyncTaskPubImgsysClientSecret"  # noqa: S105 - a key's name
KEYS = (STATUS, URL, CLIENT_ID, CLIENT_SECRET)
#: Where the older procedure keeps them.
USUAL_PATH = "api-archive-scan/pri"
#: The status with which the older procedure takes up work.
ENABLED = "2"
#: What zkui exports in place of a value to those who may not see it.
_WITHHELD = "SOPA/PIPA BLACKLISTED VALUE"

# Nothing is taken back, so that a line of millions of spaces costs no more than another one.
_ZKUI = re.compile(rf"\s*+([^=#!]*+)=\s*+({'|'.join(KEYS)})\s*+=(.*)", re.S)
_OF_ZKUI = re.compile(r"\s*/[^=]*=[^=]*=")
_BREAK = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.)|$)", re.S)
_KEY = re.compile(r"((?:\\.|[^\\=:\s])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.S)
# What Java's ``Properties.store`` writes; no address, id or secret holds it for its own sake.
_OF_JAVA = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|[:=#!])")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]")


class _Entry(NamedTuple):
    key: str
    value: str
    path: str | None
    is_junk: bool = False


@dataclass(frozen=True, slots=True)
class OldSettings:
    """What was found; an empty text where a setting is missing. The secret never shows.

    ``path`` is where in ZooKeeper they stood, if that was told; ``others`` how many other keys
    there were, ``ambiguous`` the settings that were given more than once with different values,
    ``unreadable`` those whose value is there, but is no text. ``servers`` is the ZooKeeper they
    were read from, empty when they were pasted; ``open_to_all`` whether anybody may read the
    secret there, None when that is not known.
    """

    status: str = ""
    url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    path: str | None = None
    others: int = 0
    ambiguous: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    servers: str = ""
    open_to_all: bool | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether the older procedure would have taken up work."""
        return self.status == ENABLED

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that were not found, or have no value."""
        values = (self.status, self.url, self.client_id, self.client_secret)
        return tuple(key for key, value in zip(KEYS, values, strict=True) if not value)


def decoded(content: bytes) -> str:
    """A file's text: UTF-8 or UTF-16 with their marks, UTF-8 without, else GB 18030."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def read(text: str) -> OldSettings:
    """Find the four settings in a text.

    Of a setting that is given more than once, the one at the usual path counts, else the last.
    """
    return _chosen(_entries_of(text))


def read_nodes(path: str, content: bytes, children: Mapping[str, bytes]) -> OldSettings:
    """Find them in the text of a node of ZooKeeper, and in its children by their names.

    Of a setting that is in both, the child counts: that is what zkui shows.
    """
    entries = [entry._replace(path=entry.path or path) for entry in _entries_of(decoded(content))]
    entries += [_entry(name, _of_node(decoded(data)), path) for name, data in children.items()]
    return _chosen(entries)


def _entries_of(text: str) -> list[_Entry]:
    return list(_entries(text.replace("\ufeff", "")))


def _chosen(entries: Sequence[_Entry]) -> OldSettings:
    ours = [entry for entry in entries if entry.key in KEYS]
    chosen: dict[str, _Entry] = {}
    for entry in ours:
        if entry.key not in chosen or _is_usual(entry) or not _is_usual(chosen[entry.key]):
            chosen[entry.key] = entry
    found = {key: entry.value for key, entry in chosen.items()}
    return OldSettings(
        status=found.get(STATUS, ""),
        url=found.get(URL, ""),
        client_id=found.get(CLIENT_ID, ""),
        client_secret=found.get(CLIENT_SECRET, ""),
        path=next((entry.path for entry in chosen.values() if entry.path), None),
        others=len(entries) - len(ours),
        ambiguous=tuple(
            key
            for key in KEYS
            if len({entry.value for entry in ours if entry.key == key and entry.value}) > 1
        ),
        unreadable=tuple(key for key in KEYS if key in chosen and chosen[key].is_junk),
    )


def _is_usual(entry: _Entry) -> bool:
    return entry.path is not None and entry.path.strip("/").endswith(USUAL_PATH)


def _entries(text: str) -> Iterator[_Entry]:
    """Every entry, whatever its key; comments, empty lines and zkui's deletions are none."""
    lines = iter(_BREAK.split(text))
    for line in lines:
        exported = _ZKUI.match(line)
        if exported is not None:
            path, key, value = exported.groups()
            yield _entry(key, value.replace("\\n", "\n"), path.strip())
            continue
        if _OF_ZKUI.match(line):
            yield _Entry("", "", None)
            continue
        logical = line.lstrip(" \t\f")
        if not logical or logical[0] in "#!-":
            continue
        parts = [logical]
        while _goes_on(parts[-1]):
            parts[-1] = parts[-1][:-1]
            parts.append(next(lines, "").lstrip(" \t\f"))
        match = _KEY.match("".join(parts))
        if match is not None:
            yield _entry(_unescaped(match[1]), _unescaped(match[2]), None)


def _goes_on(line: str) -> bool:
    """Whether the line ends in a backslash that is not itself escaped."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:
            return chr(int(match[1], 16))
        letter = match[2] or ""
        return _LETTERS.get(letter, letter)

    units = _ESCAPE.sub(plain, text)
    # Two escapes make one character beyond the first 65,536; half of one is none.
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _of_node(value: str) -> str:
    """A node's value stands for itself, unless a properties file was pasted into it."""
    return _unescaped(value) if _OF_JAVA.search(value) else value.replace("\ufeff", "")


def _entry(key: str, value: str, path: str | None) -> _Entry:
    """The value without the space around it; what cannot be meant counts as not given."""
    value = value.strip()
    if value == _WITHHELD:
        return _Entry(key, "", path)
    is_junk = _UNPRINTABLE.search(value) is not None
    return _Entry(key, "" if is_junk else value, path, is_junk)
