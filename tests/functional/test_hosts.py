"""Two hosts with homes, ports and processes of their own share a database and an archive."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executor.fake_admin import FakeAdmin
from tests.functional.backends import Kinds, opened_backends
from tests.functional.hosts import PATIENCE, Cluster, Host, Person, until
from tests.functional.installation import SOURCE, DemoSource

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgresql,
    pytest.mark.timeout(1500),
]

DOCUMENTS, MONTHS = 240, 3
TENANT = (f"--documents={DOCUMENTS}", f"--months={MONTHS}", "--mean-size=40000")
DAYS = ("2024-01-01", "2024-03-31")
SLOW = 1.0
ON_SERVERS = pytest.mark.parametrize(
    "kinds",
    [pytest.param(Kinds("postgresql", "redis", "s3"), marks=[pytest.mark.redis, pytest.mark.s3])],
    ids=["redis and s3"],
)


@pytest.fixture
def kinds() -> Kinds:
    """What the hosts share; the queue is each host's own."""
    return Kinds("postgresql")


@pytest.fixture
def cluster(tmp_path: Path, kinds: Kinds) -> Iterator[Cluster]:
    with opened_backends(kinds, tmp_path / "shared") as backends, FakeAdmin() as admin:
        cluster = Cluster(tmp_path, backends, admin)
        yield cluster
        cluster.close()


@pytest.fixture
def source(cluster: Cluster, start_source: Callable[..., DemoSource]) -> DemoSource:
    source = start_source(*TENANT)
    cluster.office.add_source(source)
    return source


@pytest.fixture
def hosts(cluster: Cluster) -> list[Host]:
    """Both hosts, serving."""
    for host in cluster.hosts:
        host.start_all()
    for host in cluster.hosts:
        host.wait_until_serving()
    return cluster.hosts


def create(cluster: Cluster) -> str:
    return cluster.office.create_batch(*DAYS)


def synced(cluster: Cluster) -> int:
    return int(cluster.one("SELECT count(*) FROM batch_items WHERE status='synced'"))


def holds_documents(cluster: Cluster, host: Host) -> bool:
    """Whether a worker of the host is at it just now."""
    sql = "SELECT DISTINCT lease_owner FROM batch_items WHERE lease_owner IS NOT NULL"
    return any((name,) in cluster.query(sql) for name in host.workers())


def both_at_work(cluster: Cluster, *hosts: Host) -> bool:
    return all(holds_documents(cluster, host) for host in hosts)


def result_of(cluster: Cluster, run: dict[str, Any]) -> int:
    """The code that the admin was told, once."""
    until("the result at the admin", lambda: run["logId"] in cluster.admin.results)
    return cluster.admin.results[run["logId"]].code


def exported(person: Person, asked_at: Host, cluster: Cluster) -> str:
    """The path of an export of all documents, made by whichever clerk lives."""
    page = person.post(
        asked_at,
        "/exports/new",
        {"kind": "documents", "format": "csv"},
        form="/exports/new?kind=documents",
    )
    path = page.url.removeprefix(asked_at.address)
    made = "SELECT count(*) FROM exports WHERE id=:id AND made_at IS NOT NULL"
    until("the export", lambda: cluster.one(made, id=int(path.rpartition("/")[2])))
    return path


@ON_SERVERS
def test_both_migrate_either_serves_and_one_vanishes(
    cluster: Cluster, source: DemoSource, hosts: list[Host]
) -> None:
    a, b = hosts
    until("both registered", lambda: len(cluster.admin.registered) == 2)
    source.switch(latency=SLOW)
    number = create(cluster)

    # A trigger that came to A: its log, its state and its end are B's to tell, too.
    killed = a.trigger_job(7, {"batch": number})
    assert killed["code"] == 200
    until("both hosts at work", lambda: both_at_work(cluster, a, b))
    assert b.as_admin("idleBeat", {"jobId": 7})["code"] == 500
    assert b.trigger_job(7, {"batch": number})["code"] == 500  # DISCARD_LATER
    assert number in b.job_log(killed)
    until("some documents", lambda: synced(cluster) >= 5)
    assert b.as_admin("kill", {"jobId": 7})["code"] == 200
    assert cluster.one("SELECT count(*) FROM batches WHERE paused_by <> ''") == 1
    assert result_of(cluster, killed) == 500
    until("no lease", lambda: not (holds_documents(cluster, a) or holds_documents(cluster, b)))

    with Person(cluster) as person:
        # What A makes is there for who comes to B, without another login.
        person.log_in(a)
        stopped = next(one for one in b.running if one.name == "worker")
        b.running.remove(stopped)
        stopped.stop(signal.SIGTERM, PATIENCE)
        path = exported(person, a, cluster)
        person.post(a, "/samples/start", {"source": SOURCE, "month": "2024-01"}, form="/samples/")
        until("a seal", lambda: cluster.one("SELECT count(*) FROM samples WHERE state='sealed'"))
        body = person.get(b, f"{path}/download").content
        assert hashlib.sha256(body).hexdigest() in person.get(b, path).text
        b.running.append(b.start("worker"))
        assert cluster.office.run("batch", "resume", number).code == 0
        until("both hosts at work", lambda: both_at_work(cluster, a, b))

        # A run that A accepted and follows goes on when A is gone, disk and all.
        run = a.trigger_job(8, {"batch": number})
        until("a follower", lambda: cluster.one("SELECT count(*) FROM job_batches") == 2)
        assert synced(cluster) < DOCUMENTS * 2 // 3, "too fast for this test"
        a.vanish()
        source.switch()
        cluster.wait_until_ended(number)
        assert result_of(cluster, run) == 500  # the planted defects
        assert number in b.job_log(run)
        cluster.wait_until_swept()
        assert cluster.findings(source.expected()) == []
        assert all(count <= 2 for count in source.statistics()["repeatedDownloads"].values())
        assert cluster.admin.doubled == set()

        assert person.get(b, f"{path}/download").content == body
        manifest = person.get(b, "/samples/1/manifest").content
        assert hashlib.sha256(manifest).hexdigest() in person.get(b, "/samples/1").text
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
        assert len(rows) > 1
    until("the vanished host forgotten", lambda: len(cluster.query("SELECT 1 FROM workers")) == 1)
    lines = b.job_log(run).splitlines()
    assert len(lines) == len(set(lines)), "a line was said twice"


def test_what_a_host_was_in_the_middle_of_the_other_does(
    cluster: Cluster, source: DemoSource
) -> None:
    """Of a listing, a job run, and what somebody asked for on a page."""
    a, b = cluster.hosts
    a.start_all()
    b.start_all("web", "agent")
    for host in (a, b):
        host.wait_until_serving()
    source.switch(latency=4.0)
    number = create(cluster)
    run = a.trigger_job(7, {"batch": number})
    listing = "SELECT count(*) FROM slices WHERE lease_owner IS NOT NULL AND listing_status='open'"
    until("a listing under way", lambda: cluster.one(listing))
    with Person(cluster) as person:
        person.log_in(b)
        asked = {"source": SOURCE, "first": DAYS[0][:7], "last": DAYS[1][:7]}
        person.post(b, "/reconcile/start", asked, form="/reconcile/")
        chore = "SELECT status, attempt FROM chores WHERE kind='reconcile'"
        until("a chore under way", lambda: cluster.query(chore) == [("running", 1)])
        a.vanish()
        source.switch()
        b.running.append(b.start("worker"))
        until("the chore's end", lambda: cluster.query(chore) == [("done", 2)])
        assert "2024-02" in person.get(b, "/reconcile/1").text
        path = exported(person, b, cluster)
        assert person.get(b, f"{path}/download").ok
    cluster.wait_until_ended(number)
    assert result_of(cluster, run) == 500  # the planted defects
    cluster.wait_until_swept()
    assert cluster.findings(source.expected()) == []
    assert source.most_downloads_of_a_file() == 1


@ON_SERVERS
def test_a_frozen_host_comes_back_and_changes_nothing(
    cluster: Cluster, source: DemoSource, hosts: list[Host]
) -> None:
    a, b = hosts
    source.switch(latency=SLOW)
    number = create(cluster)
    run = b.trigger_job(7, {"batch": number})
    until("both hosts at work", lambda: both_at_work(cluster, a, b))
    until("some documents", lambda: synced(cluster) >= 10)
    held = cluster.query(
        "SELECT i.document_id, d.fence FROM batch_items i JOIN documents d ON d.id=i.document_id"
        " WHERE i.lease_owner IN :names".replace(":names", _listed(a.workers()))
    )
    frozen_at = time.monotonic()
    assert a.freeze()
    source.switch()
    cluster.wait_until_ended(number)
    before = cluster.query("SELECT total, synced, failed, stored_files FROM batches")
    until("31 seconds", lambda: time.monotonic() - frozen_at > 31)
    a.thaw()
    until("A beats again", lambda: _beats(cluster, a))
    cluster.wait_until_swept()
    assert cluster.query("SELECT total, synced, failed, stored_files FROM batches") == before
    fences = dict(cluster.query("SELECT id, fence FROM documents"))
    overtaken = [document for document, fence in held if fences[document] > fence]
    assert len(overtaken) == len(held)
    assert result_of(cluster, run) == 500  # the planted defects
    assert cluster.findings(source.expected()) == []
    # And it is of use again.
    later = a.trigger_job(7, {"batch": number})
    assert later["code"] == 200
    assert result_of(cluster, later) in (200, 500)


def test_a_host_with_another_key_is_refused_and_told_what_to_do(cluster: Cluster) -> None:
    stranger = cluster.hosts[1]
    assert cluster.office.run("user", "list").code == 0
    other = {"PORTAL_SECRET_KEY": "another secret key, made by this host alone"}
    refusal = re.compile(r"SECRET_KEY_DIFFERS.*secret\.key")
    for role in ("web", "agent"):
        ended = stranger.start(role, **other).ended(PATIENCE)
        assert ended.code == 2, (role, ended)
        assert refusal.search(ended.err), (role, ended.err)
    # A supervisor may take a slow refusal for a crash, and try again; in vain.
    workers = stranger.start("worker", **other)
    until("a refusal", lambda: refusal.search(workers.err))
    workers.stop(signal.SIGTERM, PATIENCE)
    assert cluster.query("SELECT name FROM workers") == []
    assert stranger.run("db", "accept-key", **other).code == 0
    assert cluster.office.run("user", "list").code == 2


def _listed(names: list[str]) -> str:
    return "(" + ",".join(f"'{name}'" for name in names) + ")"


def _beats(cluster: Cluster, host: Host) -> bool:
    sql = f"SELECT count(*) FROM workers WHERE name IN {_listed(host.workers())}"
    return bool(cluster.one(sql + " AND seen_at > now() - interval '5 seconds'"))
