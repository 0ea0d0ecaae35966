"""The name under which a browser saves a file: the original one, as far as it breaks nothing."""

from __future__ import annotations

from urllib.parse import quote

from portal.services.package_names import FORBIDDEN, RESERVED
from portal.services.visible_text import visible

_SEPARATORS = str.maketrans(dict.fromkeys(FORBIDDEN, "_"))
# File systems allow 255 bytes; a browser adds " (1)", and a part of its own while it loads.
_LONGEST_BYTES = 200
_LONGEST_SUFFIX = 16


def attachment(name: str) -> str:
    """The header that has a browser save it under this name, twice as RFC 6266 (4.3) says."""
    shown = safe_name(name)
    # A percent sign in the plain one is read as an escape by some browsers and not by others.
    plain = "".join(char if char.isascii() and char != "%" else "_" for char in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"


def safe_name(name: str) -> str:
    """The name without what would be a path, hide its ending, or be refused by a file system."""
    shown = visible(name).translate(_SEPARATORS)
    shown = shown.lstrip(" ").rstrip(" .")
    if not shown.strip("."):
        return "_"
    if shown.startswith("."):
        shown = f"_{shown.lstrip('.')}"
    if RESERVED.fullmatch(shown):
        shown = f"_{shown}"
    return _shortened(shown)


def _shortened(name: str) -> str:
    """At most so many bytes, the ending kept, no character cut in half."""
    if len(name.encode()) <= _LONGEST_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = f".{suffix}" if dot and len(suffix.encode()) <= _LONGEST_SUFFIX else ""
    stem = stem if ending else name
    room = _LONGEST_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + ending
