"""Whether a document costs the same in a small migration and in one a hundred times as large.

Every size is migrated once by a new installation with two workers, an agent and files of its own,
from a source that costs next to nothing; the clock runs from the creation of the batch until the
ledger says that it has ended. SQL statements are counted from outside, in the processes themselves
(``counting/sitecustomize.py``), which costs a microsecond each.

    python -m benchmarks.flat --documents 10000,100000,1000000 --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.installed import CHECKS, WORKER, WORKERS, Installed, Memory, installed
from benchmarks.synthetic_source import SyntheticSource, synthetic_source
from benchmarks.synthetic_tenant import Synthetic

_SAMPLES = 20
_LOOKS_A_RUN = 2000
_SHORTEST_PAUSE = 0.02


@dataclass(frozen=True)
class Run:
    """The figures of one size; what is of a document is divided by their number.

    :ivar cpu: seconds of all processes of the installation, per 1,000 documents
    :ivar source_cpu: of the source, likewise
    :ivar commits: transactions that were committed, per document
    :ivar peak_mb: of the larger worker since the batch was created, ``checks_mb``: of what looks
        into the files
    :ivar memory: seconds since the start, documents moved, resident MB of the larger worker
    """

    documents: int
    seconds: float
    documents_per_second: float
    cpu: float
    source_cpu: float
    statements: float
    worker_statements: float
    commits: float
    peak_mb: float
    checks_mb: float
    ledger_bytes: float
    memory: list[tuple[float, int, float]]


#: The column's head, the figure, its format.
_COLUMNS = (
    ("s", "seconds", ".1f"),
    ("documents/s", "documents_per_second", ".1f"),
    ("CPU s per 1,000", "cpu", ".2f"),
    ("source's CPU s per 1,000", "source_cpu", ".2f"),
    ("SQL per document", "statements", ".2f"),
    ("of these workers", "worker_statements", ".2f"),
    ("commits per document", "commits", ".3f"),
    ("worker peak MB", "peak_mb", ".0f"),
    ("checks peak MB", "checks_mb", ".0f"),
    ("ledger bytes per document", "ledger_bytes", ".0f"),
)


def main() -> None:
    """Migrate every size and print a table, then how much memory the workers had meanwhile."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", default="10000,100000,1000000", help="smallest first")
    options.add_argument("--files", type=int, default=1, help="of each document")
    options.add_argument("--file-size", type=int, default=200)
    options.add_argument("--months", type=int, default=12)
    options.add_argument("--source-processes", type=int, default=1)
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"load average before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n")
    print("| documents | " + " | ".join(head for head, _, _ in _COLUMNS) + " |")
    print("|" + " --- |" * (len(_COLUMNS) + 1), flush=True)
    runs: list[Run] = []
    for documents in map(int, given.documents.split(",")):
        tenant = Synthetic(documents, given.files, given.file_size, given.months)
        place = Path(tempfile.mkdtemp(prefix="flat-", dir=given.place))
        try:
            with synthetic_source(tenant, processes=given.source_processes) as source:
                runs.append(measured(place, source))
        finally:
            shutil.rmtree(place)
        print(row(runs[-1], runs[0]), flush=True)
    for run in runs:
        print(f"\n{run.documents} documents, memory of the larger worker:\n")
        print("| s | documents moved | resident MB |\n| --- | --- | --- |")
        for seconds, moved, resident in run.memory:
            print(f"| {seconds:.0f} | {moved} | {resident:.0f} |")
    if given.json:
        print(json.dumps({"runs": [asdict(run) for run in runs], "ratios": ratios(runs)}))


def measured(place: Path, source: SyntheticSource) -> Run:
    """One migration, from an empty ledger."""
    with installed(place / "home", source, count_statements=True) as there:
        there.start()
        return _measured(there, source)


def _measured(there: Installed, source: SyntheticSource) -> Run:
    count = source.document_count
    empty, used, served = there.ledger_bytes(), there.cpu(), source.cpu()
    all_sent, workers_sent = there.counted(), there.counted("one")
    there.forget_peaks()
    # Looks and samples are rarer where the run takes longer, so that they cost all the same.
    pause = max(_SHORTEST_PAUSE, count / 500 / _LOOKS_A_RUN)
    ask = there.backends.ledger.one
    with Memory(
        there, lambda: int(ask("SELECT max(synced) FROM batches") or 0), pause * 40
    ) as seen:
        began = time.monotonic()
        there.create_batch(run=True)
        there.wait_until_ended(pause)
        seconds = time.monotonic() - began
    sent, by_workers = there.counted() - all_sent, there.counted("one") - workers_sent
    used, served = there.cpu() - used, source.cpu() - served
    assert len(there.site.processes(WORKER)) == WORKERS
    return Run(
        documents=count,
        seconds=round(seconds, 2),
        documents_per_second=round(count / seconds, 1),
        cpu=round(used / count * 1000, 3),
        source_cpu=round(served / count * 1000, 3),
        statements=round(sent.statements / count, 3),
        worker_statements=round(by_workers.statements / count, 3),
        commits=round(sent.commits / count, 4),
        peak_mb=round(there.peak_mb(WORKER), 1),
        checks_mb=round(there.peak_mb(CHECKS), 1),
        ledger_bytes=round((there.ledger_bytes() - empty) / count, 1),
        memory=seen.some(_SAMPLES),
    )


def row(run: Run, first: Run) -> str:
    """A run's row, each figure with its ratio to that of the smallest size."""
    cells = [f"{run.documents}"]
    for _, name, form in _COLUMNS:
        cells.append(f"{getattr(run, name):{form}} ({_ratio(run, first, name):.2f}×)")
    return "| " + " | ".join(cells) + " |"


def ratios(runs: list[Run]) -> dict[str, dict[str, float]]:
    """Of every size to the smallest."""
    names = [name for _, name, _ in _COLUMNS]
    return {
        str(run.documents): {name: round(_ratio(run, runs[0], name), 3) for name in names}
        for run in runs
    }


def _ratio(run: Run, first: Run, name: str) -> float:
    whole = float(getattr(first, name))
    return float(getattr(run, name)) / whole if whole else 0.0


if __name__ == "__main__":
    main()
