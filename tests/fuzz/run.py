"""``python -m tests.fuzz.run --cases 100000``: every parser is fed so many cases of junk.

Prints a table; exits with 1 when one raised what it must not, took too long or too much memory,
or killed its process. The case that did it lies in a file then, which the table names.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.bounds import little_memory
from tests.fuzz.driving import drive
from tests.fuzz.parsers import PARSERS

#: Seconds of computing in one go after which the system ends a process that hears no signal.
_DEAF_SECONDS = 60
_LINE = "{:28} {:>9} {:>9} {:>9} {:>9}  {}"


@dataclass(frozen=True)
class Outcome:
    """What a parser's process said; ``found`` is empty when all was well."""

    name: str
    accepted: int
    refused: int
    seconds: float
    found: str = ""


def main() -> int:
    """Run as the arguments say."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000, help="for each parser")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--jobs", type=int, default=1, help="parsers at the same time")
    arguments.add_argument("--only", nargs="*", default=[], metavar="NAME")
    arguments.add_argument("--into", type=Path, default=Path("fuzz-findings"))
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        return _fed(given.child, given.cases, given.seed)
    names = [name for name in PARSERS if not given.only or name in given.only]
    print(_LINE.format("parser", "cases", "accepted", "refused", "seconds", "found"), flush=True)
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = pool.map(lambda name: _watched(name, given.cases, given.seed, given.into), names)
        good = [_told(outcome) for outcome in outcomes]
    return 0 if all(good) else 1


def _told(outcome: Outcome) -> bool:
    numbers = (outcome.accepted + outcome.refused, outcome.accepted, outcome.refused)
    counts = (f"{number:,}" for number in numbers)
    print(_LINE.format(outcome.name, *counts, f"{outcome.seconds:.1f}", outcome.found), flush=True)
    return not outcome.found


def _watched(name: str, cases: int, seed: int, into: Path) -> Outcome:
    """A parser in a process of its own, which it may kill."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast()) as folder:
        program = [sys.executable, "-m", "tests.fuzz.run", "--child", name]
        child = subprocess.run(
            [*program, "--cases", str(cases), "--seed", str(seed)],
            stdout=subprocess.PIPE,
            check=False,
            env={**os.environ, "TMPDIR": folder},
        )
        case = Path(folder, "case")
        try:
            said = json.loads(child.stdout)
        except ValueError:
            said = {"accepted": 0, "refused": 0, "seconds": 0.0}
            said["found"] = f"the process ended with {child.returncode}"
        if said["found"]:
            into.mkdir(parents=True, exist_ok=True)
            kept = into / f"{name}.case"
            kept.write_bytes(case.read_bytes() if case.exists() else b"")
            said["found"] = f"{said['found'][:200]} -> {kept}"
        return Outcome(name, **said)


def _fast() -> str | None:
    """Where a file costs no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _fed(name: str, cases: int, seed: int) -> int:
    signal.setitimer(signal.ITIMER_PROF, _DEAF_SECONDS)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    kept = os.open(Path(tempfile.gettempdir(), "case"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def note(case: bytes) -> None:
        signal.setitimer(signal.ITIMER_PROF, _DEAF_SECONDS)
        os.ftruncate(kept, os.pwrite(kept, case, 0))

    parser = PARSERS[name]
    with little_memory():
        tally = drive(parser, cases, seed, note)
    found = ""
    if tally.failure is not None:
        traceback.print_exception(tally.failure)
        found = f"{type(tally.failure).__name__}: {tally.failure}"
        note(tally.case)
    counts = {"accepted": tally.accepted, "refused": tally.refused}
    print(json.dumps({**counts, "seconds": tally.seconds, "found": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
