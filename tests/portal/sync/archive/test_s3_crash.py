"""A process is killed while it publishes to a bucket: what its slot's next life finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.portal.sync.archive.faulty_s3 import Fault, FaultyS3, Kind, faulty_s3
from tests.portal.sync.archive.stores import S3, bucket, s3_archive

pytestmark = [pytest.mark.s3, pytest.mark.processes]
ROOT = Path(__file__).parents[4]
_PUBLISH = """
import sys
from pathlib import Path
from tests.portal.sync.archive.stores import s3_archive, staged

name, scratch, endpoint = sys.argv[1:]
archive = s3_archive(name, Path(scratch), endpoint=endpoint)
contents = {"small.bin": b"x" * 1000, "large.bin": bytes(12 << 20)}
archive.publish([staged(archive, "s/2024-01/A", contents)])
"""


@pytest.fixture
def name() -> Iterator[str]:
    with bucket() as name:
        yield name


@pytest.fixture
def faulty(name: str) -> Iterator[FaultyS3]:
    with faulty_s3(S3) as faulty:
        yield faulty


def uploads(name: str) -> int:
    return requests.get(f"{S3}/{name}?uploads", timeout=10).text.count("<UploadId>")


@pytest.mark.parametrize(
    ("kind", "method", "matching", "unfinished"),
    [
        ("stall", "POST", "uploads=", 0),
        ("do and stall", "POST", "uploads=", 1),
        ("stall", "PUT", "partNumber=2", 1),
        ("do and stall", "PUT", "partNumber=3", 1),
        ("stall", "POST", "uploadId=", 1),
        ("do and stall", "POST", "uploadId=", 0),
        ("stall", "GET", "large.bin", 0),
    ],
    ids=[
        *("before it begins", "begun and not heard of", "between parts", "last part"),
        *("before it is completed", "completed and not heard of", "read back"),
    ],
)
def test_a_killed_multipart_upload_leaves_nothing_behind_its_slots_next_life(
    *,
    name: str,
    faulty: FaultyS3,
    tmp_path: Path,
    kind: Kind,
    method: str,
    matching: str,
    unfinished: int,
) -> None:
    scratch = tmp_path / "scratch"
    faulty.fault = Fault(kind, methods=(method,), matching=matching)
    process = subprocess.Popen(
        [sys.executable, "-c", _PUBLISH, name, str(scratch), faulty.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 60
    while not faulty.stalling:
        assert process.poll() is None, "it has ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert uploads(name) == unfinished
    assert any(path.is_file() for path in scratch.rglob("*"))

    # Nothing holds the requests that were on their way back from coming late.
    faulty.fault = None
    faulty.stalled.set()
    archive = s3_archive(name, scratch)
    assert archive.owners() == ["w1"]
    assert archive.sweep("w1") == 1
    assert (uploads(name), archive.owners()) == (0, [])
    assert not any(path.is_file() for path in scratch.rglob("*"))
    # Objects are for the ledger to judge: it never heard of them, and has them removed.
    archive.remove("s/2024-01/A")
    assert list(archive.walk()) == []
