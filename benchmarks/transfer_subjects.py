"""Who takes part in ``benchmarks/transfer.py``: each moves the same files once to a new folder."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process_use import cpu_of, look, machine_cpu
from benchmarks.served_tenant import FILES_PATH, ServedTenant
from portal.demo.defects import Defect
from portal.sync.archive.local import LocalArchive
from portal.sync.download import Download, Downloader, DownloadOptions
from portal.sync.sources.rows import SourceFile
from portal.sync.transfer.incoming import Incoming
from tests.functional.backends import Backends, Kinds, opened_backends
from tests.functional.installation import Installation, wait_for

WORKERS = 2
_GROUP = 100
_IN_FLIGHT = 16
_LIMIT = 1 << 30
# Processes that wait use a few per cent of a core: beats, offers, looks into the queue.
_REST_SECONDS, _REST_SHARE = 0.5, 0.1


@dataclass(frozen=True)
class Measured:
    """One run: wall-clock and CPU seconds, and the peak memory of the largest process watched.

    :ivar machine: CPU seconds that everything on the machine used, where that was looked at
    """

    seconds: float
    cpu: float
    peak_mb: float
    machine: float = 0.0


Subject = Callable[[ServedTenant, Path], Measured]


def portal(tenant: ServedTenant, place: Path) -> Measured:
    """Our whole pipeline: list, ledger, fetch, SHA-256, checks, durable store, audit rows.

    The processes stand ready, as they do in an installation; the clock runs from the creation of
    the batch until the ledger says that it has ended.
    """
    return portal_on(Kinds())(tenant, place)


def portal_on(kinds: Kinds) -> Subject:
    """The same on such a database, queue and archive."""

    def run(tenant: ServedTenant, place: Path) -> Measured:
        with opened_backends(kinds, place / "home") as backends:
            return _portal(tenant, place, backends)

    return run


def _portal(tenant: ServedTenant, place: Path, backends: Backends) -> Measured:
    ask = backends.ledger.query
    site = Installation(place / "home", {**backends.settings, "PORTAL_WORKERS": str(WORKERS)})
    try:
        site.run("db", "upgrade")
        added = site.run(
            *("source", "add", "源", "--url", tenant.url, "--client-id", tenant.client_id),
            CLIENT_SECRET=tenant.client_secret,
        )
        assert added.code == 0, added
        site.start("worker")
        site.start("agent")
        wait_for("the workers", lambda: len(ask("SELECT 1 FROM workers")) >= WORKERS)
        before, used = _cpu_at_rest(site), machine_cpu()
        began = time.monotonic()
        created = site.run(
            *("batch", "create", "--source", "源", "--from", "2024-01-01", "--to", "2024-12-31"),
            *("--run", "--json"),
        )
        assert created.code == 0, created
        while not ask("SELECT 1 FROM batches WHERE run_status = 'ended'"):
            time.sleep(0.02)
        seconds, used = time.monotonic() - began, machine_cpu() - used
        processes = look(site.processes())
        ((done, total),) = ask("SELECT synced + skipped, total FROM batches")
        assert total == len(tenant.documents), (done, total)
        assert done == total - len(Defect), (done, total)
        peak = max(process.peak_mb for process in processes)
        return Measured(seconds, cpu_of(processes) - before, peak, used)
    finally:
        site.kill_all()


def _cpu_at_rest(site: Installation) -> float:
    """CPU seconds of its processes once they have started and wait for work."""
    used = cpu_of(look(site.processes()))
    while True:
        time.sleep(_REST_SECONDS)
        before, used = used, cpu_of(look(site.processes()))
        if used - before <= _REST_SECONDS * _REST_SHARE:
            return used


def rclone(transfers: int) -> Subject:
    """rclone copies from the same server: no digests, no flush.

    Without HEAD for each file it is faster, so it runs without.
    """

    def run(tenant: ServedTenant, place: Path) -> Measured:
        return _timed([_rclone(tenant, place, transfers)])

    return run


def rclone_same_work(transfers: int) -> Subject:
    """The same, then a SHA-256 of every file that arrived, by two processes, and ``sync``."""

    def run(tenant: ServedTenant, place: Path) -> Measured:
        sums = f"find {place} -type f -print0 | xargs -0 -P 2 -n 64 sha256sum > /dev/null"
        flush = ["sync", "-f", str(place)]
        return _timed([_rclone(tenant, place, transfers), ["sh", "-c", sums], flush])

    return run


def copy(tenant: ServedTenant, place: Path) -> Measured:
    """``cp -r`` from disk to disk."""
    return _timed([["cp", "-r", str(tenant.files), str(place / "copied")]])


def floor(tenant: ServedTenant, place: Path) -> Measured:
    """Fetch, SHA-256 and durable store by our own parts in two processes; no ledger, no checks."""
    before = _children()
    began = time.monotonic()
    workers = [
        multiprocessing.Process(
            target=_fetch, args=(tenant.url, tenant.documents[n::WORKERS], place, f"floor-{n}")
        )
        for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers)
    return Measured(time.monotonic() - began, _children() - before, 0.0)


def _fetch(url: str, documents: Sequence[Sequence[str]], place: Path, owner: str) -> None:
    archive = LocalArchive(place)
    downloader = Downloader(DownloadOptions())
    for first in range(0, len(documents), _GROUP):
        group = documents[first : first + _GROUP]
        stages = [archive.stage(f"m/{owner}-{first + n}", owner=owner) for n in range(len(group))]
        waiting = [(stages[n], file) for n, files in enumerate(group) for file in files]
        sinks: dict[int, Incoming] = {}
        while waiting or sinks:
            while waiting and len(sinks) < _IN_FLIGHT:
                stage, file = waiting.pop()
                known = SourceFile(file, "cover", 1, file, "jpg", None, None, None, None, None)
                key = len(waiting)
                sinks[key] = Incoming(stage.path(file), known, limit=_LIMIT)
                downloader.start(Download(key, f"{url}{FILES_PATH}{file}", (), sinks[key], "jpg"))
            for ended in downloader.wait(1.0):
                assert ended.error is None, ended
                sinks.pop(ended.key).finish()
        archive.publish(stages)
    downloader.close()


def _rclone(tenant: ServedTenant, place: Path, transfers: int) -> list[str]:
    remote = f":http,url='{tenant.url}{FILES_PATH}',no_head=true:"
    words = ["rclone", "copy", remote, str(place / "copied"), "--config", "/dev/null"]
    return [*words, f"--transfers={transfers}", f"--checkers={transfers}", "--quiet"]


def _timed(commands: Sequence[Sequence[str]]) -> Measured:
    before, began, peak = _children(), time.monotonic(), 0.0
    for command in commands:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max([peak, *(seen.peak_mb for seen in look([process.pid]))])
                time.sleep(0.01)
        assert process.returncode == 0, command
    return Measured(time.monotonic() - began, _children() - before, peak)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_a_process(subject: Subject, tenant: ServedTenant, place: Path) -> Measured:
    """Run a subject with counters that nobody used before it."""
    reading, writing = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            writing.send(subject(tenant, place))
        except BaseException as error:
            writing.send(error)
        finally:
            os._exit(0)
    writing.close()
    measured = reading.recv()
    os.waitpid(pid, 0)
    if isinstance(measured, BaseException):
        raise measured
    assert isinstance(measured, Measured)
    return measured
