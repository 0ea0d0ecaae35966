"""``python -m tests.servers COMMAND…``: the servers, then the command, whose exit code is ours.

``--require-all`` refuses to run with a server missing; without it what is missing is named, and
the tests that need it skip. A server the environment names already is used as it is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.servers.kinds import KINDS


def main(words: list[str]) -> int:
    """Start what there is, run the command, stop everything."""
    require_all = words[:1] == ["--require-all"]
    command = words[1:] if require_all else words
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    place = Path(tempfile.mkdtemp(prefix="imgmig-servers-"))
    place.chmod(0o755)  # each server's own user has to pass
    try:
        with ExitStack() as servers:
            environ, missing = dict(os.environ), []
            for name, kind in KINDS.items():
                if environ.get(name):
                    continue
                server = kind(place)
                if server is None:
                    missing.append(name)
                    continue
                environ[name] = servers.enter_context(server)
                print(f"{name}={environ[name]}", file=sys.stderr, flush=True)
            if missing:
                print(f"没有 not on this machine: {' '.join(missing)}", file=sys.stderr)
                if require_all:
                    return 2
            return subprocess.run(command, env=environ, check=False).returncode
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
