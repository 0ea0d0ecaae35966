"""How fast executors answer admins: ours while the engine writes to the same ledger, and pyxxl.

Ours runs as it is shipped (``imgmig web``, a new ledger in a temporary folder). Every request
opens a connection of its own, as the admins' Java client does. /run is durable at ours: its row
is on disk before the answer; pyxxl keeps it in memory. /log asks for a run of 10,000 lines: ours
answers all of them, pyxxl the first 1,000. The writer goes on beside both. Rounds alternate;
figures are the medians of the rounds, and the spread of the rates is shown.

    python -m benchmarks.executor
    python -m benchmarks.executor --pyxxl-python /somewhere/bin/python    has pyxxl installed
    python -m benchmarks.executor --install-pyxxl     from PyPI, into a temporary environment
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.executor_subjects import (
    LONG_LOG,
    Subject,
    install_pyxxl,
    ours,
    pyxxl,
    wait_for,
    writing,
)

CONNECTIONS = (1, 8, 50)
CALLS = ("beat", "idleBeat", "run", "log")
LOG_LINES = 10_000
JOBS = 500
SHARE_OF_LOGS = 20  # one of so many requests, for its answers are long
P99_WANTED = 0.5
SLOWEST_WANTED = 3.0  # seconds that admins wait
BEAT_RATIO_WANTED = 0.5

Key = tuple[str, int]
"""A call and a number of connections."""

_log_ids = itertools.count(1_000_000)


@dataclass(frozen=True)
class Figures:
    """What one kind of call cost in one round; times in seconds."""

    per_second: float
    p50: float
    p99: float
    longest: float
    requests: int
    errors: int


def body_of(word: str, log_id: int, handler: str) -> bytes:
    """The request of an admin of 3.4."""
    job_id = 1 + log_id % JOBS
    fields: dict[str, Any]
    match word:
        case "beat":
            return b""
        case "log":
            fields = {"logDateTim": 1, "logId": log_id, "fromLineNum": 1}
        case "run":
            fields = {
                "jobId": job_id,
                "executorHandler": handler,
                "executorParams": "",
                "executorBlockStrategy": "SERIAL_EXECUTION",
                "executorTimeout": 0,
                "logId": log_id,
                "logDateTime": int(time.time() * 1000),
                "glueType": "BEAN",
                "broadcastIndex": 0,
                "broadcastTotal": 1,
            }
        case _:
            fields = {"jobId": job_id + JOBS}
    return json.dumps(fields).encode()


def is_success(answer: bytes) -> bool:
    """Whether the code is 200; it stands at the beginning of the answers of both."""
    found = re.search(rb'"code": *([0-9]+)', answer[:200])
    return found is not None and found[1] == b"200"


def measure(subject: Subject, word: str, connections: int, requests: int, log_id: int) -> Figures:
    """Send so many requests from so many threads; ``log_id`` is the run with the long log."""
    seconds: list[float] = []
    errors: list[str] = []
    numbers = itertools.count()

    def work() -> None:
        while next(numbers) < requests:
            number = log_id if word == "log" else next(_log_ids)
            body = body_of(word, number, subject.handler)
            began = time.perf_counter()
            try:
                answer = subject.call(word, body)
            except (OSError, ValueError) as error:
                seconds.append(time.perf_counter() - began)
                errors.append(repr(error)[:200])
                continue
            seconds.append(time.perf_counter() - began)
            if not is_success(answer):
                errors.append(str(answer[:200]))

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = time.perf_counter() - began
    if errors:
        print(f"  {subject.name} /{word}: {len(errors)} errors, such as {errors[0]}")
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    rate = len(seconds) / total
    return Figures(rate, cuts[49], cuts[98], max(seconds), len(seconds), len(errors))


def prepare_log(subject: Subject) -> int:
    """Have a run with a long log; returns its log id."""
    log_id = next(_log_ids)
    if subject.name == "ours":
        subject.call("run", body_of("run", log_id, subject.handler))
        numbers = [str(number) for number in (log_id, 1 + log_id % JOBS, LOG_LINES)]
        subprocess.run([sys.executable, "-c", LONG_LOG, *numbers], check=True)
    else:
        subject.call("run", body_of("run", log_id, "talks"))
        query = json.loads(body_of("log", log_id, ""))
        last = json.dumps({**query, "fromLineNum": LOG_LINES}).encode()
        wait_for("its log", lambda: b"line " in subject.call("log", last))
    return log_id


def measure_all(
    subject: Subject, words: Sequence[str], requests: int, log_id: int
) -> dict[Key, Figures]:
    """Every call at every number of connections."""
    found = {}
    for word, connections in itertools.product(words, CONNECTIONS):
        count = max(100, requests // SHARE_OF_LOGS) if word == "log" else requests
        found[word, connections] = measure(subject, word, connections, count, log_id)
        print(".", end="", flush=True, file=sys.stderr)
    return found


class Side:
    """The rounds of one executor."""

    def __init__(self, rounds: Sequence[dict[Key, Figures]]) -> None:
        self._rounds = rounds

    def middle(self, key: Key, name: str) -> float:
        """The median of a figure over the rounds."""
        return float(statistics.median(getattr(one[key], name) for one in self._rounds))

    def worst(self, key: Key, name: str) -> float:
        """The highest of a figure over the rounds."""
        return max(float(getattr(one[key], name)) for one in self._rounds)

    def total(self, name: str) -> int:
        """The sum over everything."""
        return sum(int(getattr(figures, name)) for one in self._rounds for figures in one.values())

    def cells(self, key: Key) -> list[str]:
        """Rate with its spread, p50, p99, the slowest of all rounds, errors."""
        rates = [one[key].per_second for one in self._rounds]
        spread = f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
        times = (self.middle(key, "p50"), self.middle(key, "p99"), self.worst(key, "longest"))
        errors = sum(one[key].errors for one in self._rounds)
        return [spread, *(f"{one * 1000:.1f}" for one in times), str(errors)]


def table(keys: Iterable[Key], mine: Side, theirs: Side | None) -> str:
    """Everything as a table of Markdown; times in milliseconds."""
    columns = ("/s (spread)", "p50", "p99", "max", "errors")
    head = ["call", "conn.", *(f"ours {name}" for name in columns)]
    if theirs is not None:
        head += [*(f"pyxxl {name}" for name in columns), "ratio"]
    rows = [head, ["---"] * len(head)]
    for key in keys:
        row = [f"/{key[0]}", str(key[1]), *mine.cells(key)]
        if theirs is not None:
            ratio = mine.middle(key, "per_second") / theirs.middle(key, "per_second")
            row += [*theirs.cells(key), f"{ratio:.2f}"]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shortfalls(words: Sequence[str], mine: Side, theirs: Side | None) -> list[str]:
    """What is not as wanted."""
    found = []
    if mine.total("errors"):
        found.append(f"{mine.total('errors')} errors")
    if "run" in words:
        if mine.middle(("run", 50), "p99") >= P99_WANTED:
            found.append("/run at 50 connections: p99")
        if mine.worst(("run", 50), "longest") >= SLOWEST_WANTED:
            found.append("/run at 50 connections: max")
    if "beat" in words and theirs is not None:
        for connections in CONNECTIONS:
            key = ("beat", connections)
            ratio = mine.middle(key, "per_second") / theirs.middle(key, "per_second")
            if ratio < BEAT_RATIO_WANTED:
                found.append(f"/beat at {connections} connections: {ratio:.2f} of pyxxl's rate")
    return found


def main() -> int:
    """Measure and print; 1 when something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=800, help="per call, connections, round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", nargs="+", choices=CALLS, default=CALLS)
    parser.add_argument("--pyxxl-python", help="an interpreter that has pyxxl")
    parser.add_argument("--install-pyxxl", action="store_true", help="from PyPI, for this run")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {options.rounds} rounds")
    with tempfile.TemporaryDirectory(prefix="executor-benchmark-") as place, ExitStack() as stack:
        folder = Path(place)
        python = install_pyxxl(folder / "venv") if options.install_pyxxl else options.pyxxl_python
        subjects = [stack.enter_context(ours(folder))]
        stack.enter_context(writing(folder))
        if python is None:
            print("pyxxl is left out: name its interpreter with --pyxxl-python, or --install-pyxxl")
        else:
            subjects.append(stack.enter_context(pyxxl(python, folder)))
        logs = [prepare_log(subject) for subject in subjects]
        rounds = [
            [measure_all(one, options.calls, options.requests, log) for one, log in pairs]
            for pairs in itertools.repeat(list(zip(subjects, logs, strict=True)), options.rounds)
        ]
    print(file=sys.stderr)
    mine, *others = (Side(side) for side in zip(*rounds, strict=True))
    theirs = others[0] if others else None
    print(table(rounds[0][0], mine, theirs))
    print(f"ours: {mine.total('errors')} errors in {mine.total('requests')} requests")
    found = shortfalls(options.calls, mine, theirs)
    print("as wanted" if not found else f"NOT as wanted: {'; '.join(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
