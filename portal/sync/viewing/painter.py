"""The program of a painter: ``python -m portal.sync.viewing.painter PARENT_PID KIND PAGE WIDTH``.

The file is its standard input, a regular file. It says :data:`READY` when it can work and answers
on standard output with a :class:`Rendition` or, for a kind that has no picture, :class:`Facts` as
bytes, or with one JSON object that names the problem. One file is all it ever looks at: what a
hostile one does to it ends with it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any, Protocol, cast

from portal.errors import SyncError
from portal.sync.checks.limits import limit_self
from portal.sync.viewing.facts import TOLD_KINDS, Facts
from portal.sync.viewing.painter_child import READY, PaintOrder
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import ViewRefused

#: A name for the descriptor that every library can open, even if the file has no name itself.
_FILE = "/proc/self/fd/0"


class Drawer(Protocol):
    """A module that draws some kinds of file, or tells of them."""

    def draw(self, path: str, order: PaintOrder) -> Rendition | Facts:
        """Draw a page or read the facts; :raises SyncError: or ViewRefused if that fails."""


def answer(drawer: Drawer, path: str, order: PaintOrder) -> bytes:
    """Draw a page, or say what is wrong; whatever goes wrong becomes an answer."""
    try:
        return drawer.draw(path, order).to_bytes()
    except (SyncError, ViewRefused) as error:
        return _named(error.code, error.params)
    except MemoryError:
        return _named("FILE_HOSTILE", {"detail": "memory"})
    except Exception as error:
        # Not the file's fault as far as is known; told to the parent, which has the log.
        trace = "".join(traceback.format_exception(error))
        return _named("INTERNAL", {"detail": type(error).__name__}, trace)


def _named(code: str, params: dict[str, Any], trace: str | None = None) -> bytes:
    return json.dumps({"code": code, "params": params, "trace": trace}).encode()


def main() -> None:
    """Run as a child of the process whose id is the first argument."""
    parent, kind, page, width = sys.argv[1:]
    limit_self(int(parent))
    name = TOLD_KINDS.get(kind) or ("pdf" if kind == "pdf" else "pictures")
    drawer = import_module(f"portal.sync.viewing.{name}")
    answers = os.fdopen(os.dup(1), "wb")
    # From here on a file is at work: what libraries chat about it belongs in no answer or log.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with answers:
        answers.write(READY)
        answers.flush()
        order = PaintOrder(kind, int(page), int(width))
        answers.write(answer(cast(Drawer, drawer), _FILE, order))


if __name__ == "__main__":
    main()
