"""A migration into a bucket, and what outages and kill -9 leave of it."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.installation import DemoSource, kill, wait_for
from tests.functional.s3_site import S3Site
from tests.portal.sync.archive.faulty_s3 import Fault, FaultyS3, Kind, faulty_s3
from tests.portal.sync.archive.stores import KEYS, S3, bucket

pytestmark = [pytest.mark.processes, pytest.mark.s3]
StartSource = Callable[..., DemoSource]
TENANT = ("--documents", "60", "--months", "2", "--mean-size", "40000")


@pytest.fixture
def faulty() -> Iterator[FaultyS3]:
    if not S3:
        pytest.skip("IMGMIG_TEST_S3 names no S3 server")
    with faulty_s3(S3) as faulty:
        yield faulty


@pytest.fixture
def site(tmp_path: Path, faulty: FaultyS3) -> Iterator[S3Site]:
    with bucket() as name:
        site = S3Site(tmp_path / "home", bucket=name, endpoint=faulty.url)
        yield site
        site.kill_all()


@pytest.fixture
def source(start_source: StartSource, site: S3Site) -> DemoSource:
    source = start_source(*TENANT)
    site.add_source(source)
    return source


def assert_bucket_and_ledger_agree(
    site: S3Site, source: DemoSource, report: dict[str, Any]
) -> None:
    """Every object is what the ledger says, read by a client of our own; and there is no other."""
    assert report["done"] == source.healthy()
    assert report["failed"] == len(source.expected()["defects"])
    named = site.ledger_files()
    assert {key for key, _ in site.store.walk()} == set(named)
    for key, (size, sha256) in named.items():
        with site.store.open(key) as file:
            content = file.read()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["files"] == len(named)
    assert len(site.archived_folders()) == verified["documents"] == report["done"]
    wait_for("nothing unpublished", lambda: not site.incoming_files())


def outputs(site: S3Site) -> str:
    folder = site.home.parent / f"{site.home.name}-outputs"
    texts = [path.read_text("utf-8", "replace") for path in folder.iterdir() if path.is_file()]
    return "\n".join(texts)


def test_a_whole_migration_into_a_bucket(site: S3Site, source: DemoSource) -> None:
    site.start_up()
    number = site.create_batch()
    run = site.trigger({"batch": number})
    report = site.wait_until_ended(number)
    assert_bucket_and_ledger_agree(site, source, report)
    wait_for("the run's end", lambda: site.log_of_ended(run))
    assert not (site.home / "archive").exists()
    assert KEYS.secret_key not in outputs(site)
    assert source.most_downloads_of_a_file() == 1


def test_what_is_wrong_in_the_bucket_is_found(site: S3Site, source: DemoSource) -> None:
    workers = site.start("worker"), site.start("agent")
    number = site.create_batch("2024-01-01", "2024-01-31")
    site.run("batch", "run", number)
    site.wait_until_ended(number)
    for running in workers:
        running.stop(signal.SIGTERM)
    first, second = sorted(site.ledger_files())[:2]
    raw = site.store._bucket
    raw.remove(first)
    raw.remove(second)
    _put(site, second, b"something else")
    _put(site, "演示源/2024-01/extra/1.txt", b"x")
    ended = site.run("verify", "--json")
    assert ended.code == 1
    assert {row["storage_key"]: row["code"] for row in ended.json["findings"]} == {
        first: "ARCHIVE_MISSING",
        second: "ARCHIVE_DAMAGED",
        "演示源/2024-01/extra/1.txt": "ARCHIVE_EXTRA",
    }


def test_a_verification_blames_no_file_for_an_outage(
    site: S3Site, source: DemoSource, faulty: FaultyS3
) -> None:
    workers = site.start("worker"), site.start("agent")
    number = site.create_batch("2024-01-01", "2024-01-31")
    site.run("batch", "run", number)
    site.wait_until_ended(number)
    for running in workers:
        running.stop(signal.SIGTERM)
    faulty.fault = Fault("refuse", status=403, code="InvalidAccessKeyId")
    broken = site.run("verify", "--json")
    assert broken.code != 0
    assert "ARCHIVE_CREDENTIALS" in broken.err + broken.out
    assert "Traceback" not in broken.err
    faulty.fault = None
    whole = site.json("verify", "--resume")
    assert whole["findings"] == []


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ((503, "SlowDown"), "ARCHIVE_BUSY"),
        ((403, "InvalidAccessKeyId"), "ARCHIVE_CREDENTIALS"),
        ((403, "AccessDenied"), "ARCHIVE_DENIED"),
    ],
    ids=["busy", "wrong keys", "not writable"],
)
def test_an_outage_holds_the_work_and_costs_no_document(
    site: S3Site,
    source: DemoSource,
    faulty: FaultyS3,
    *,
    refusal: tuple[int, str],
    code: str,
) -> None:
    site.start_up()  # ready only while the archive takes what is tried
    faulty.fault = Fault("refuse", methods=("PUT",), status=refusal[0], code=refusal[1])
    number = site.create_batch()
    site.trigger({"batch": number})

    def held() -> bool:
        return code in str(site.show(number).get("holds", "")) + str(site.show(number))

    wait_for(f"held with {code}", held)
    report = site.show(number)
    # What has defects of its own may have failed by now.
    assert report["done"] == 0
    assert report["failed"] <= len(source.expected()["defects"])
    faulty.fault = None
    report = site.wait_until_ended(number)
    assert_bucket_and_ledger_agree(site, source, report)


@pytest.mark.parametrize(
    ("kind", "method"),
    [("stall", "PUT"), ("do and stall", "PUT"), ("stall", "GET")],
    ids=["before an object is there", "when it is there", "when it is read back"],
)
def test_workers_killed_while_they_publish_lose_nothing(
    site: S3Site, source: DemoSource, faulty: FaultyS3, kind: Kind, method: str
) -> None:
    site.start_up()
    number = site.create_batch()
    # Some objects of the group are whole by then, and nothing of it is recorded.
    faulty.fault = Fault(kind, methods=(method,), matching=r"/20\d\d-\d\d/", skip=20)
    site.trigger({"batch": number})
    wait_for("a worker in the middle of it", lambda: faulty.stalling > 2)
    victims = site.processes("worker", "--one")
    kill(*victims)
    faulty.fault = None
    faulty.stalled.set()
    report = site.wait_until_ended(number)
    assert_bucket_and_ledger_agree(site, source, report)


def _put(site: S3Site, key: str, content: bytes) -> None:
    stage = site.store.stage(key.rpartition("/")[0], owner="person")
    name = key.rpartition("/")[2]
    stage.path(name).write_bytes(content)
    stage.note(name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    site.store.publish([stage])
