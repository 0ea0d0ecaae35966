"""测试连接 as the clerk of a host does it, against the source of another make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from portal.app import create_app
from portal.chores.clerk import Clerk
from portal.models import Chore, utc_now
from portal.runtime import Portal
from portal.schema import upgrade
from portal.services import chores, sources
from portal.settings import read_settings
from portal.statuses import ChoreStatus
from tests.other_source import APP_KEY, APP_SECRET, OtherSource, PictureHost

EXAMPLE = Path(__file__).parents[3] / "docs" / "zh" / "连接配置示例.json"


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
def other() -> Iterator[OtherSource]:
    with closing(PictureHost()) as pictures, closing(OtherSource(pictures, None)) as other:
        yield other


def outcome(portal: Portal, other: OtherSource, *, spoil_key: bool = False) -> Chore:
    now = utc_now()
    with portal.ledger.write() as session:
        form = sources.SourceForm(
            name="x",
            base_url=other.base_url,
            client_id=APP_KEY,
            client_secret=APP_SECRET,
            download_hosts=("localhost",),
            profile=json.loads(EXAMPLE.read_text("utf-8")),
        )
        source = sources.add(session, form, box=portal.box, by="a", now=now)
        if spoil_key:
            source.secret_box = "stored with another key"
        params = {"source_id": source.id, "month": "2024-01"}
        chore = chores.ask(session, "source_check", by="a", now=now, params=params)
        chore_id = chore.id
    assert Clerk(portal).do_one(["source_check"])
    with portal.ledger.read() as session:
        return chores.find(session, chore_id)


def test_all_steps_with_their_times_are_the_result(portal: Portal, other: OtherSource) -> None:
    chore = outcome(portal, other)
    assert (chore.status, chore.error_code) == (ChoreStatus.DONE, None)
    assert chore.result is not None
    assert (chore.result["state"], chore.result["documents"]) == ("ok", 13)
    steps = {one["check"]: one for one in chore.result["findings"]}
    assert all(steps[name]["seconds"] is not None for name in ("token", "file", "inspection"))
    assert APP_SECRET not in json.dumps(chore.result)


def test_a_failure_says_what_to_do(portal: Portal, other: OtherSource) -> None:
    other.bills[0].pictures[0].body = b""
    chore = outcome(portal, other)
    assert chore.result is not None
    assert chore.result["state"] == "failed"
    failed = chore.result["findings"][3]
    assert (failed["check"], failed["code"]) == ("file", "SRC_EMPTY")
    assert failed["todo_zh"]
    assert failed["todo_en"]


def test_a_host_with_another_key_says_so(portal: Portal, other: OtherSource) -> None:
    chore = outcome(portal, other, spoil_key=True)
    assert chore.status is ChoreStatus.DONE
    assert chore.result is not None
    assert chore.result["state"] == "failed"
    assert "PORTAL_SECRET_KEY" in chore.result["findings"][0]["todo_zh"]
