"""What comes in over HTTP cannot write a record of its own into the portal's log."""

from __future__ import annotations

import io
import json
import logging

import pytest
from flask import Flask

from portal.logs.lines import JsonLines, TextLines
from portal.logs.redaction import Redactor

FORGED = "2026-11-22 08:00:00,000 INFO portal: admin logged in"
HOSTILE = [
    f"a\r\n{FORGED}", f"a\x0b{FORGED}", f"a\u2028{FORGED}", f"a\x85{FORGED}", "\x1b[2J\x1b]0;x\x07",
    "\u202egnp.exe", "\u061ca\u2066b", "a\x08\x08\x7f", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("kind", [JsonLines, TextLines])
@pytest.mark.parametrize("word", HOSTILE)
def test_a_record_is_one_line_whoever_named_what_is_in_it(
    kind: type[JsonLines | TextLines], word: str
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(kind(Redactor(), process="web", host="h"))
    app = Flask(__name__)
    app.logger.handlers[:] = [handler]
    app.logger.propagate = False
    try:
        raise ValueError(word)
    except ValueError:
        app.logger.exception("the file %s of %s failed", word, {"name": word})
    app.logger.handlers.clear()
    lines = stream.getvalue().rstrip("\n").split("\n")
    assert all(line.isprintable() for line in lines), lines
    assert all("".join(line.splitlines()) == line for line in lines)
    if kind is JsonLines:
        (line,) = lines
        assert json.loads(line)["level"] == "error"
    else:
        # The trace is set in by a bar, so that none of its lines begins as a record does.
        assert all(line.startswith("  | ") for line in lines[1:])
