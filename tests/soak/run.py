"""``python -m tests.soak.run``: an installation works for hours, and nothing in it grows.

Batches with failures, retries, exports, packages, previews, logins, viewers, an admin's triggers
and polls, chores: the same things round after round (:mod:`tests.soak.life`), while memory,
descriptors, threads, temporary files, tables and logs are sampled. Prints a table and one line of
JSON, and exits with 1 when anything grew that is to stay as it is, or anything failed. On servers:
``python -m tests.servers python -m tests.soak.run --database postgresql``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.functional.backends import DATABASES, Kinds
from tests.soak.judging import judge, table
from tests.soak.life import Life, opened_life
from tests.soak.samples import Watch

_WARM_UP_SHARE = 0.3
_LONGEST_WARM_UP = 900.0
_SAMPLES = 400
_MOST_TOLD = 20


def soak(folder: Path, kinds: Kinds, seconds: float) -> tuple[Life, Watch]:
    """Live for so long in an empty folder."""
    with opened_life(folder, kinds) as life:
        watch = Watch(
            life.site,
            life.backends.ledger,
            temporary=folder / "temporary",
            outputs=folder / "home-outputs",
            every=max(2.0, seconds / _SAMPLES),
        )

        def look() -> None:
            watch.cycles = life.rounds
            watch.look()

        life.between = look
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            life.live_a_round()
        life.dismiss()
    return life, watch


def main() -> int:
    """Soak, judge, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument(
        "--folder", type=Path, help="where everything is kept, samples.jsonl too; else thrown away"
    )
    given = parser.parse_args()
    seconds = given.hours * 3600
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = given.folder or Path(temporary)
        life, watch = soak(folder, Kinds(given.database), seconds)
    verdicts = judge(watch.samples, min(_LONGEST_WARM_UP, seconds * _WARM_UP_SHARE))
    print(table(verdicts))
    if given.folder:
        lines = [json.dumps(asdict(one)) for one in watch.samples]
        (folder / "samples.jsonl").write_text("\n".join(lines))
    grown = [one.name for one in verdicts if not one.is_flat]
    for what in life.failed[:_MOST_TOLD]:
        print(f"FAILED: {what}")
    report = {
        "hours": given.hours,
        "database": given.database,
        "rounds": life.rounds,
        **life.figures,
        "samples": len(watch.samples),
        "load": round(os.getloadavg()[0], 1),
        "grew": grown,
        "failures": len(life.failed),
    }
    print(json.dumps(report))
    return 1 if grown or life.failed else 0


if __name__ == "__main__":
    sys.exit(main())
