"""Contestants side by side: everyone once in each round, in random order.

What was written is thrown away and flushed before the next: a noisy machine is unfair to all alike.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.served_tenant import ServedTenant
from benchmarks.transfer_subjects import Measured, Subject, in_a_process

Runs = dict[str, list[Measured]]


def measure(
    subjects: Mapping[str, Subject], served: ServedTenant, place: Path, rounds: int
) -> Runs:
    """So many rounds, each run in a new folder below ``place``."""
    runs: Runs = {name: [] for name in subjects}
    for number in range(rounds):
        for name in random.sample(list(subjects), len(subjects)):
            target = Path(tempfile.mkdtemp(prefix="transfer-target-", dir=place))
            try:
                runs[name].append(in_a_process(subjects[name], served, target))
            finally:
                shutil.rmtree(target)
                subprocess.run(["sync", "-f", str(place)], check=True)
            print(f"round {number + 1} {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    return runs


def median(measured: Sequence[Measured]) -> float:
    """Of the seconds."""
    return statistics.median(one.seconds for one in measured)


def spread(measured: Sequence[Measured]) -> str:
    """The median of the seconds, the least and the most."""
    seconds = [one.seconds for one in measured]
    return f"{median(measured):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"
