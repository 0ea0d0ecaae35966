"""What a worker tells the kernel, in which order: bytes and entries on disk, then the commit."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portal.supervisor import imgmig
from tests.functional.installation import DemoSource, Installation, kill

pytestmark = pytest.mark.processes

CALLS = "write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2"
OPTIONS = ("-f", "-qq", "-y", "-s", "0", "-e", f"trace={CALLS}")
_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)")
_PATH = re.compile(r"^\d+<(?P<path>[^>]*)>")
_RENAME = re.compile(r'"(?P<old>[^"]+)", .*?"(?P<new>[^"]+)"')


@dataclass(frozen=True)
class Call:
    """A system call, at the place in the record where it had ended."""

    thread: int
    name: str
    path: str
    target: str = ""


def calls(record: str) -> Iterator[Call]:
    begun: dict[int, str] = {}
    for line in record.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        thread, rest = int(match["thread"]), match["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest
            continue
        if rest.startswith("<..."):
            rest = begun.pop(thread, "")
        call = _CALL.match(rest)
        if call is None:
            continue
        if renamed := _RENAME.search(call["arguments"]):
            yield Call(thread, "rename", renamed["old"], renamed["new"])
        elif path := _PATH.match(call["arguments"]):
            yield Call(thread, call["name"], path["path"])


def unescaped(text: str) -> str:
    """A path as it is: strace writes what is not ASCII as octal numbers."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1").decode()


@pytest.fixture
def traced() -> Callable[[Installation, Path], subprocess.Popen[bytes]]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.decode()}")

    def start(site: Installation, record: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [strace, *OPTIONS, "-o", str(record), *imgmig(), "worker", "--one"],
            env=site.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return start


def test_every_document_is_on_disk_before_the_ledger_says_so(
    site: Installation,
    start_source: Callable[..., DemoSource],
    traced: Callable[[Installation, Path], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    source = start_source("--documents=60", "--months=2", "--mean-size=40000")
    site.add_source(source)
    # The end of a batch is a commit of its own, however fast the worker is.
    batches = [
        site.create_batch("2024-01-01", "2024-01-31"),
        site.create_batch("2024-02-01", "2024-02-29"),
    ]
    record = tmp_path / "strace.txt"
    worker = traced(site, record)
    site.start("agent")
    done = 0
    for batch in batches:
        assert site.run("batch", "run", batch).code == 0
        done += site.wait_until_ended(batch)["done"]
    assert done == source.healthy()
    traced_ones = (pid for pid in site.processes("worker", "--one") if pid != worker.pid)
    kill(*traced_ones, number=signal.SIGTERM)
    worker.wait(30)
    text = record.read_text("latin-1")
    seen = list(calls(text))
    published = [
        (place, call)
        for place, call in enumerate(seen)
        if call.name == "rename" and "/.incoming/" in call.path
    ]
    folders = {path.as_posix() for path in site.archived_folders()}
    assert {unescaped(call.target) for _, call in published} == folders
    assert len(folders) == source.healthy()
    groups = set()
    for place, rename in published:
        groups.add(assert_durable_order(seen, place, rename))
    assert len(groups) >= 2  # several commits, not one


def assert_durable_order(seen: list[Call], place: int, rename: Call) -> int:
    """The document of one rename; where in the record its commit is."""
    committing = [
        (number, call) for number, call in enumerate(seen) if call.thread == rename.thread
    ]
    recording = next(
        number
        for number, call in committing
        if number > place and call.name == "pwrite64" and call.path.endswith("ledger.db-wal")
    )
    commit = next(
        number
        for number, call in committing
        if number > recording
        and call.name in ("fsync", "fdatasync")
        and call.path.endswith("ledger.db-wal")
    )
    written = {
        call.path: number
        for number, call in enumerate(seen)
        if call.name == "write" and call.path.startswith(f"{rename.path}/")
    }
    assert written
    flushes = [
        (number, call)
        for number, call in committing
        if number < place and call.name in ("fsync", "syncfs")
    ]
    last = max(written.values())
    for path, last_write in [*written.items(), (rename.path, last)]:
        assert any(
            number > last_write and (call.path == path or call.name == "syncfs")
            for number, call in flushes
        ), path
    parent = rename.target.rpartition("/")[0]
    assert any(
        place < number < recording and call.name == "fsync" and call.path == parent
        for number, call in committing
    ), "the entry of the folder itself"
    return commit
