"""How many documents a second are listed into the ledger, while nothing is moved.

A migration lists and moves in turns, so listing is measured by itself: the batch is created and
started as always, but no worker runs. Two processes, as many as there would be workers, take its
months by the product's own discovery until all are listed: leases, paging, rules, ledger and trail
are what they are in a worker. The clock runs from the moment both have opened the source until the
last month is listed. CPU is that of the two processes, the database server's is not in it;
"machine" is all that was used meanwhile, the source's share included.

    python -m benchmarks.discovery --documents 100000 --json

On PostgreSQL too when IMGMIG_TEST_POSTGRESQL names one (``python -m tests.servers`` starts one).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import event, select

from benchmarks.installed import WORKERS, Installed, installed
from benchmarks.process_use import machine_cpu
from benchmarks.synthetic_source import SyntheticSource, synthetic_source
from benchmarks.synthetic_tenant import Synthetic
from portal.cli.opening import opened
from portal.models import Batch, utc_now
from portal.runtime import Portal
from portal.services.discovery import Discovery, due_slice
from portal.services.opening import open_source
from portal.settings import read_settings
from tests.functional.backends import Kinds

_IDLE_SECONDS = 0.01
_OPEN = "SELECT count(*) FROM slices WHERE listing_status <> 'listed'"


@dataclass(frozen=True)
class Lister:
    """What one process used, and when: by the system's monotonic clock, and by the CPU seconds of
    the whole machine.
    """

    began: float
    ended: float
    machine_began: float
    machine_ended: float
    cpu: float
    statements: int


@dataclass(frozen=True)
class Listed:
    """The figures on one kind of database; those of a document are divided by their number."""

    database: str
    documents: int
    seconds: float
    documents_per_second: float
    cpu_us: float
    machine_us: float
    source_us: float
    statements: float
    ledger_bytes: float


def main() -> None:
    """List on every kind of database there is and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--files", type=int, default=1, help="of each document")
    options.add_argument("--months", type=int, default=12)
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    databases = ["sqlite"]
    if os.environ.get("IMGMIG_TEST_POSTGRESQL"):
        databases.append("postgresql")
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{given.documents} documents, {given.months} months, {WORKERS} processes\n")
    print(
        "| database | s | documents/s | CPU µs per document | machine µs | source µs |"
        " SQL per document | ledger bytes per document |"
    )
    print("|" + " --- |" * 8)
    results = []
    for database in databases:
        tenant = Synthetic(given.documents, given.files, months=given.months)
        with (
            tempfile.TemporaryDirectory(prefix="discovery-", dir=given.place) as place,
            synthetic_source(tenant) as source,
            installed(Path(place) / "home", source, kinds=Kinds(database)) as there,
        ):
            results.append(measured(there, source))
        print(row(results[-1]), flush=True)
    if given.json:
        print(json.dumps({one.database: asdict(one) for one in results}))


def measured(there: Installed, source: SyntheticSource) -> Listed:
    """One batch, listed from an empty ledger."""
    there.create_batch(run=True)
    empty, count = there.ledger_bytes(), source.document_count
    served = source.cpu()
    listers = _in_processes(there)
    served = source.cpu() - served
    ask = there.backends.ledger.one
    assert ask(_OPEN) == 0
    assert ask("SELECT total FROM batches") == count
    seconds = max(one.ended for one in listers) - min(one.began for one in listers)
    used = max(one.machine_ended for one in listers) - min(one.machine_began for one in listers)
    return Listed(
        database=there.kinds.database,
        documents=count,
        seconds=round(seconds, 2),
        documents_per_second=round(count / seconds, 1),
        cpu_us=round(sum(one.cpu for one in listers) / count * 1e6, 1),
        machine_us=round(used / count * 1e6, 1),
        source_us=round(served / count * 1e6, 1),
        statements=round(sum(one.statements for one in listers) / count, 4),
        ledger_bytes=round((there.ledger_bytes() - empty) / count, 1),
    )


def row(one: Listed) -> str:
    """As a row of the table."""
    return (
        f"| {one.database} | {one.seconds:.1f} | {one.documents_per_second:.0f} |"
        f" {one.cpu_us:.0f} | {one.machine_us:.0f} | {one.source_us:.0f} | {one.statements:.3f} |"
        f" {one.ledger_bytes:.0f} |"
    )


def _in_processes(there: Installed) -> list[Lister]:
    """Fresh processes, so that counters and connections are their own."""
    starting = multiprocessing.get_context("spawn")
    ready = starting.Barrier(WORKERS)
    processes, pipes = [], []
    for number in range(WORKERS):
        reading, writing = starting.Pipe(duplex=False)
        arguments = (there.site.environment(), f"lister-{number}", ready, writing)
        process = starting.Process(target=_list, args=arguments)
        process.start()
        writing.close()
        processes.append(process)
        pipes.append(reading)
    listers: list[Lister] = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return listers


def _list(environment: dict[str, str], owner: str, ready: Barrier, answer: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with opened(read_settings(environment)) as portal:
        with portal.ledger.read() as session:
            batch = session.scalars(select(Batch)).one()
            batch_id = batch.id
            source = open_source(batch.data_source, portal.box, portal.settings.home)
            sent = [0]
            event.listen(session.get_bind(), "before_cursor_execute", partial(_count, sent))
        discovery = Discovery(
            portal.ledger,
            source.source,
            owner=owner,
            zone=portal.settings.timezone,
            stopping=lambda: False,
        )
        source.source.token()
        ready.wait()
        began, worked, used = time.monotonic(), time.process_time(), machine_cpu()
        ended = _list_all(portal, discovery, batch_id) or began
        worked = time.process_time() - worked
        answer.send(Lister(began, ended, used, machine_cpu(), worked, sent[0]))
        source.close()


def _count(sent: list[int], *_: object) -> None:
    sent[0] += 1


def _list_all(portal: Portal, discovery: Discovery, batch_id: int) -> float | None:
    """List month after month while there is one; when the last of ours was listed."""
    ended = None
    while True:
        with portal.ledger.read() as session:
            slice_id = due_slice(session, batch_id, utc_now())
        if slice_id is None:
            # What the other one has leased is its own to end: nothing fails here.
            return ended
        if discovery.list_slice(slice_id):
            ended = time.monotonic()
        else:
            time.sleep(_IDLE_SECONDS)


if __name__ == "__main__":
    main()
