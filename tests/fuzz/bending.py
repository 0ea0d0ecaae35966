"""Strategies that bend what is valid, and junk that was never valid.

Pure junk gets no further than a parser's first line; so most cases are seeds with a few edits.

Hypothesis chooses how many edits, and a number from which they follow: to have it draw each of
them would take longer than the parsers do, and a failing case shrinks to fewer edits all the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
_SEEDS = st.integers(0, 2**64 - 1)
#: Numbers on the borders of what formats count with.
_EDGES = [
    *(bytes([byte]) for byte in (0, 1, 0x0A, 0x0D, 0x20, 0x7F, 0x80, 0xFE, 0xFF)),
    *(n.to_bytes(2) for n in (0, 1, 0x7FFF, 0x8000, 0xFFFF)),
    *(n.to_bytes(4, order) for n in (0x7FFFFFFF, 0x80000000) for order in ("big", "little")),
    b"\xff" * 4, b"\xff" * 8, bytes(4), bytes(8), b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80",
]  # fmt: skip
#: Pieces of text that parsers of text are known to stumble over.
SNIPPETS = [
    "", " ", "\n", "\r\n", "\r", "\t", "\x00", "\x0b", "\x1b[31m", "\x7f", "\x85", "\u2028",
    "\u202e", "\u2066", "\u061c", "\u200b", "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "\ud800",
    "\udfff", "İ", "ß", "＝", "٣", "²", "０", "一", "e\u0301", "=", ":", ";", ",", "\\", "/", "?",
    "#", "@", "%", "%00", "%0d%0a", "%zz", "%u0041", "&", "[", "]", "{", "}", "<", ">", "'", '"',
    "..", "../", "\\u", "\\ud800", "\\n", "~", "-", "+", "--", ".", "0", "-0", "1", "-1", "1e999",
    "NaN", "nan", "Infinity", "null", "true", "1.5", "00", "2147483648", "9223372036854775808",
    "9" * 20, "9" * 400, "9" * 5000, "0001-01-01", "9999-12-31", "T", "Z", "+23:59", "-23:59",
    "2024-02-30", "24:00", "１２", "a" * 300, "中" * 300, " " * 6000, "a." * 3000, "token" * 1500,
    "\\" * 5001, "[" * 3000, '{"a":' * 3000, "://",
    "http://", "file://", "s3://", "::1", "[::1", "0x7f", "127.1", "xn--", "{{7*7}}", "${x}",
    "</script>", "=1+1",
]  # fmt: skip
#: Values that no field of a JSON object is meant to have.
NASTY: list[Any] = [
    None, True, False, 0, -0.0, -1, 1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, 10**4000, 1e308,
       float("nan"), float("inf"), float("-inf"), "", " ", [], {}, [[]], [None], [{}], {"": None},
    {"a": {"b": [1, {"c": "d"}]}}, *SNIPPETS,
]  # fmt: skip


def bent_bytes(seeds: Sequence[bytes], edits: int = 6) -> SearchStrategy[bytes]:
    """Seeds with bytes overwritten, put in, cut out, doubled, moved, or cut off; or junk."""

    def bent(count: int, chance: random.Random) -> bytes:
        if chance.random() < 0.05:
            return _junk_bytes(chance)
        content = chance.choice(seeds)
        for _ in range(count):
            piece = chance.choice(_EDGES) if chance.random() < 0.5 else chance.randbytes(count)
            content = _edited(content, piece, chance)
        return content

    return _chosen(bent, edits)


def bent_texts(seeds: Sequence[str], edits: int = 5) -> SearchStrategy[str]:
    """The same of characters."""

    def bent(count: int, chance: random.Random) -> str:
        if chance.random() < 0.1:
            return _junk_text(chance)
        text = chance.choice(seeds)
        for _ in range(count):
            text = _edited(text, _junk_text(chance), chance)
        return text

    return _chosen(bent, edits)


def bent_values(seeds: Sequence[Any], edits: int = 4) -> SearchStrategy[Any]:
    """JSON values in which some are others, missing, twice, or under another name; or junk."""
    texts = [json.dumps(seed) for seed in seeds]

    def bent(count: int, chance: random.Random) -> Any:
        if chance.random() < 0.05:
            return _junk_value(chance)
        value = json.loads(chance.choice(texts))
        for _ in range(count):
            value = _revalued(value, chance)
        return value

    return _chosen(bent, edits)


def as_json(values: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Values as the bytes of a JSON text; now and then the bytes themselves are bent."""

    def written(value: Any, number: int) -> bytes:
        chance = random.Random(number)
        content = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
        while chance.random() < 0.2:
            content = _edited(content, chance.choice(_EDGES), chance)
        return content

    return st.builds(written, values, _SEEDS)


def _chosen(bent: Callable[[int, random.Random], T], edits: int) -> SearchStrategy[T]:
    return st.builds(
        lambda count, number: bent(count, random.Random(number)), st.integers(0, edits), _SEEDS
    )


def _junk_bytes(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return chance.randbytes(chance.randrange(200))
    return b"".join(chance.choices(_EDGES, k=chance.randrange(20)))


def _junk_text(chance: random.Random) -> str:
    if chance.random() < 0.8:
        return chance.choice(SNIPPETS)
    return "".join(chr(_code(chance)) for _ in range(chance.randrange(12)))


def _code(chance: random.Random) -> int:
    return chance.randrange(chance.choice((0x80, 0x100, 0x3000, 0xA000, 0x110000)))


def _junk_value(chance: random.Random, levels: int = 3) -> Any:
    roll = chance.random() if levels else 0.0
    if roll < 0.6:
        return json.loads(json.dumps(chance.choice(NASTY)))
    if roll < 0.85:
        number = chance.getrandbits(70) - 2**69
        return _junk_text(chance) if roll < 0.75 else chance.choice((number, number / 3))
    inside = [_junk_value(chance, levels - 1) for _ in range(chance.randrange(4))]
    return inside if roll < 0.92 else {_junk_text(chance): one for one in inside}


def _edited(content: Any, piece: Any, chance: random.Random) -> Any:  # noqa: PLR0911 - kinds
    """One edit of bytes or a text: the same steps fit both."""
    # Heads are where formats say what they are: half of the edits are made there.
    reach = len(content) if chance.random() < 0.5 else min(len(content), 128)
    start = chance.randint(0, reach)
    match chance.randrange(12):
        case 0 | 1 | 2 | 3:
            return content[:start] + piece + content[start + len(piece) :]
        case 4 | 5:
            return content[:start] + piece + content[start:]
        case 6 | 7:
            return content[:start] + content[start + chance.randrange(64) :]
        case 8:
            return content[:start]
        case 9:
            part = content[start : start + chance.randrange(256)]
            return content[:start] + part * 2 + content[start + len(part) :]
        case 10:
            part = content[start : start + chance.randrange(64)]
            other = chance.randint(0, len(content))
            return content[:other] + part + content[other:]
        case _:
            return content[start:] if chance.random() < 0.3 else content


def _revalued(value: Any, chance: random.Random) -> Any:
    inside = [box for box in _boxes(value) if box]
    if not inside:
        return _junk_value(chance)
    box = chance.choice(inside)
    key = chance.choice(sorted(box) if isinstance(box, dict) else range(len(box)))
    match chance.randrange(8):
        case 0 | 1 | 2:
            box[key] = _junk_value(chance)
        case 3 if isinstance(box[key], str):
            box[key] = _edited(box[key], _junk_text(chance), chance)
        case 4:
            del box[key]
        case 5 if isinstance(box, dict):
            box[_junk_text(chance)[:40]] = box.pop(key)
        case 6 if isinstance(box, list):
            box.append(box[key])
        case 7:
            whole = json.dumps(value)
            if len(whole) < 20_000:
                box[key] = json.loads(whole)
    return value


def _boxes(value: Any) -> list[Any]:
    """All objects and lists in a value, itself first; as many as matter."""
    found: list[Any] = []
    waiting = [value]
    while waiting and len(found) < 200:
        one = waiting.pop(0)
        if isinstance(one, dict | list):
            found.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    return found
