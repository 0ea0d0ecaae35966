"""确保前提 from asking to standing: the installation's items, and a host's by its clerk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from executor.models import ExecutorRegistration
from portal.app import create_app
from portal.chores.clerk import Clerk
from portal.errors import SyncError
from portal.ledger import this_host
from portal.models import utc_now
from portal.runtime import Portal
from portal.schema import upgrade
from portal.services import chores, leases, preflight_gate, preflights, sources
from portal.services.preflight_gate import Standing
from portal.services.source_check import Finding
from portal.settings import read_settings
from portal.tasks import preflighting
from tests.other_source import APP_KEY, APP_SECRET, OtherSource, PictureHost

EXAMPLE = Path(__file__).parents[3] / "docs" / "zh" / "连接配置示例.json"
DAYS = (date(2024, 1, 1), date(2024, 12, 31))
ADMIN = "http://127.0.0.1:9/xxl-job-admin"


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    settings = {"IMGMIG_HOME": str(tmp_path), "XXL_JOB_ACCESS_TOKEN": "t" * 20}
    app = create_app(read_settings(settings))
    with app.app_context():
        upgrade()
        portal: Portal = app.extensions["portal"]
        yield portal
        portal.ledger.close()
        portal.queue.close()


@pytest.fixture
def source_id(portal: Portal) -> Iterator[int]:
    with closing(PictureHost()) as pictures, closing(OtherSource(pictures, None)) as other:
        form = sources.SourceForm(
            name="x",
            base_url=other.base_url,
            client_id=APP_KEY,
            client_secret=APP_SECRET,
            download_hosts=(pictures.origin.partition("//")[2],),
            profile=json.loads(EXAMPLE.read_text("utf-8")),
        )
        with portal.ledger.write() as session:
            source_id = sources.add(session, form, box=portal.box, by="a", now=utc_now()).id
        yield source_id


def ask(portal: Portal, source_id: int, admins: Sequence[str] = ()) -> int:
    installation = preflighting.Installation(portal.queue, portal.executor, admins)
    return preflighting.ask(
        portal.ledger, installation, source_id, days=DAYS, by="张", clock=utc_now
    )


def standing(portal: Portal, source_id: int) -> Standing:
    with portal.ledger.read() as session:
        return preflight_gate.standing(session, source_id, utc_now())


def installation(portal: Portal, source_id: int) -> dict[str, Finding]:
    (seen,) = [one for one in standing(portal, source_id).hosts if not one.host]
    return {finding.check: finding for finding in seen.findings}


def have_workers(portal: Portal) -> None:
    with portal.ledger.write() as session:
        leases.beat(session, f"{this_host()}.1", pid=1, batch_id=None, now=utc_now())
        chores.beat(session, "clerk", host=this_host(), now=utc_now())


def test_every_host_that_is_alive_makes_its_report(portal: Portal, source_id: int) -> None:
    have_workers(portal)
    preflight_id = ask(portal, source_id)
    assert ask(portal, source_id) == preflight_id  # one at a time
    assert [one.host for one in standing(portal, source_id).pending] == [this_host()]
    assert Clerk(portal).do_one([preflights.CHORE])
    now = standing(portal, source_id)
    assert (now.pending, now.blocking, now.state) == ([], [], "warning")  # nothing ticked yet
    assert [(one.host, one.state) for one in now.hosts] == [("", "ok"), (this_host(), "ok")]
    assert ask(portal, source_id) != preflight_id


def test_without_workers_that_is_what_fails(portal: Portal, source_id: int) -> None:
    ask(portal, source_id)
    found = installation(portal, source_id)
    assert found["workers"].code == "NO_WORKER_ALIVE"
    assert found["executor"].state == "skipped"
    assert [found[item].state for item in ("database", "queue")] == ["ok", "ok"]
    assert standing(portal, source_id).state == "failed"


def test_a_queue_that_cannot_be_written(portal: Portal, source_id: int) -> None:
    portal.queue.close()
    file = portal.settings.home / "queue.db"
    file.write_bytes(b"this is no database" * 1000)
    for beside in file.parent.glob(f"{file.name}-*"):
        beside.unlink()
    ask(portal, source_id)
    assert installation(portal, source_id)["queue"].code == "QUEUE_UNWRITABLE"


def test_a_ledger_that_cannot_be_written(portal: Portal, source_id: int) -> None:
    with portal.ledger.write() as session:
        session.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON preflights"
                " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )
    with pytest.raises(SyncError, match="disk full") as raised:
        ask(portal, source_id)
    assert raised.value.code == "LEDGER_UNWRITABLE"


@pytest.mark.parametrize("problem", [None, "code 500, wrong token"])
def test_the_executor_is_registered_or_not(
    portal: Portal, source_id: int, problem: str | None
) -> None:
    ask(portal, source_id, [ADMIN])
    assert installation(portal, source_id)["executor"].code == "EXECUTOR_UNREGISTERED"
    with portal.ledger.write() as session:
        session.add(
            ExecutorRegistration(
                admin_address=ADMIN,
                executor_address="http://here/",
                attempted_at=utc_now(),
                succeeded_at=utc_now(),
                problem=problem,
            )
        )
    ask(portal, source_id, [ADMIN])
    found = installation(portal, source_id)["executor"]
    assert found.state == ("ok" if problem is None else "failed")
    assert (problem or "已注册") in found.zh
    ask(portal, source_id, [ADMIN, "http://127.0.0.1:9/other"])
    assert installation(portal, source_id)["executor"].state == (
        "warning" if problem is None else "failed"
    )
