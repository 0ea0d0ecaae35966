"""Hostile files that came into the archive all the same: a painter keeps to its limits."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from portal.errors import PortalError, SyncError
from portal.sync.checks.sniff import sniff
from portal.sync.viewing.painter_child import PaintOrder, paint
from portal.sync.viewing.refusals import ViewRefused
from portal.sync.viewing.renditions import SHOWN_KINDS, rendition
from tests.portal.sync.checks.hostile_samples import HOSTILE

pytestmark = pytest.mark.faults
SECONDS, BYTES = 5, 300_000_000
#: What is drawn all the same: a page of theirs is an ordinary one.
HARMLESS = {
    "pages.tif",
    "cut.gif",
    "endless.gif",
    "frames.gif",
    "endless.webp",
    "tree.pdf",
    "ring.pdf",
    "count.pdf",
    "kids.pdf",
    "image.pdf",
}


def _painted(path: Path, seconds: float) -> str:
    """The code of the problem, empty for a picture."""
    kind = sniff(path.read_bytes()[:4096])
    with path.open("rb") as file:
        try:
            paint(file, PaintOrder(kind, 1, 1400), seconds)
        except (SyncError, ViewRefused) as error:
            return error.code
        except PortalError as error:
            return type(error).__name__
    return ""


def main() -> None:
    """Paint each file of a folder in a fork of this small program and tell what it took."""
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    for path in sorted(folder.iterdir()):
        if os.fork() == 0:
            code = _painted(path, seconds)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
            sys.stdout.write(json.dumps([path.name, code, peak]) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.wait()


@pytest.mark.timeout(600)
def test_painter_ends_in_time_and_memory_whatever_it_is_given(tmp_path: Path) -> None:
    files = {file.name: file.make() for file in HOSTILE}
    shown = {name for name, body in files.items() if sniff(body[:4096]) in SHOWN_KINDS}
    for name in shown:
        (tmp_path / name).write_bytes(files[name])
    seconds = (rendition.__kwdefaults__ or {})["seconds"]
    program = [sys.executable, __file__, str(tmp_path), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    seen = {}
    for line in io.StringIO(ended.stdout):
        name, code, peak = json.loads(line)
        seen[name] = code
        assert peak < BYTES, (name, code, peak)
    assert set(seen) == shown
    assert seconds <= SECONDS
    assert "INTERNAL" not in seen.values()
    assert {name for name, code in seen.items() if not code} <= HARMLESS


if __name__ == "__main__":
    main()
