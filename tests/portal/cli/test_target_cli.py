"""``imgmig target`` and ``imgmig batch push-status``: as the pages do, and no secret is shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from portal.cli.batch import command as batch
from portal.cli.pusher_keeping import EVERY_SECONDS, PusherKeeper
from portal.cli.target import command as target
from portal.demo.flagship import CREDENTIALS, create_demo_target
from portal.errors import NotAllowed, NotFound, SyncError
from portal.models import Batch, Push
from portal.services import push_targets
from portal.services.push_enrolment import Enrolment
from portal.services.target_form import TargetRefused
from portal.statuses import PushStatus
from tests.portal.demo_server import served
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, opened_ledger, stored

ADD = (
    *("add", "旗舰版", "--app-id", CREDENTIALS["appId"], "--user", CREDENTIALS["user"]),
    *("--account-id", CREDENTIALS["accountId"], "--tenant-id", CREDENTIALS["tenantid"]),
)


@pytest.fixture
def scene(tmp_path: Path, empty_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The ledger of the home that the commands use; the secret is in the environment."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_sqlite, home / "ledger.db")
    monkeypatch.setenv("IMGMIG_HOME", str(home))
    monkeypatch.setenv("APP_SECRET", CREDENTIALS["appSecret"])
    with opened_ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        yield Scene(ledger)


@pytest.fixture
def double() -> Iterator[str]:
    with served(create_demo_target()) as url:
        yield url


def run(*words: str, of: Any = target) -> Result:
    return CliRunner().invoke(of, words)


def fine(*words: str, of: Any = target) -> str:
    ended = run(*words, of=of)
    assert ended.exit_code == 0, (ended.output, ended.exception)
    assert CREDENTIALS["appSecret"] not in ended.output
    return ended.output


def test_a_target_is_added_tested_and_listed(scene: Scene, double: str) -> None:
    fine(*ADD, "--url", double)
    assert "连接正常" in fine("test", "旗舰版")
    (row,) = json.loads(fine("list", "--json"))
    assert (row["name"], row["base_url"], row["hold"], row["enabled"]) == (
        "旗舰版", double, None, True,
    )  # fmt: skip
    assert "旗舰版" in fine("list")


def test_what_is_not_named_stays_as_it_was(
    scene: Scene, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine(*ADD, "--url", double, "--rate-cap", "5")
    monkeypatch.delenv("APP_SECRET")
    fine("add", "旗舰版", "--concurrency-cap", "9")
    (row,) = json.loads(fine("list", "--json"))
    assert (row["rate_cap"], row["concurrency_cap"]) == (5, 9)
    assert "连接正常" in fine("test", "旗舰版")
    refused = run("add", "旗舰版", "--url", "http://elsewhere.example")
    assert isinstance(refused.exception, TargetRefused)


def test_a_new_target_says_what_it_needs(scene: Scene) -> None:
    refused = run("add", "旗舰版", "--url", "http://a")
    assert isinstance(refused.exception, NotAllowed)
    assert "--account-id" in str(refused.exception)


def test_a_wrong_login_is_told(scene: Scene, double: str) -> None:
    fine(*ADD, "--url", double, "--user-type", "Mobile")
    fine("add", "旗舰版", "--user", "somebody")
    ended = run("test", "旗舰版")
    assert isinstance(ended.exception, SyncError)
    assert ended.exception.code == "TGT_LOGIN"


def test_one_is_disabled_and_removed(scene: Scene, double: str) -> None:
    fine(*ADD, "--url", double)
    fine("disable", "旗舰版")
    (row,) = json.loads(fine("list", "--json"))
    assert row["enabled"] is False
    fine("remove", "旗舰版", "--yes")
    assert json.loads(fine("list", "--json")) == []
    assert isinstance(run("test", "旗舰版").exception, NotFound)


def test_a_batch_tells_how_far_it_is_and_pushes_the_failed_again(
    scene: Scene, double: str, tmp_path: Path
) -> None:
    fine(*ADD, "--url", double)
    batch_id = scene.listed_batch([make_document(number) for number in range(3)])
    scene.settle(batch_id, *(stored(claim) for claim in scene.claim(batch_id)))
    number = scene.batch(batch_id).batch_no
    assert isinstance(run("push-status", number, of=batch).exception, NotAllowed)
    with scene.ledger.write() as session:
        target_id = push_targets.find(session, "旗舰版").id
        session.execute(update(Batch).values(push_target_id=target_id))
    Enrolment(scene.ledger, "w").step(scene.now)
    with scene.ledger.write() as session:
        failed = {"status": PushStatus.FAILED, "error_code": "TGT_REFUSED"}
        session.execute(update(Push).where(Push.id == 1).values(**failed))
        confirmed = {"status": PushStatus.CONFIRMED, "confirmed_at": scene.now}
        session.execute(update(Push).where(Push.id == 2).values(**confirmed))
    told = json.loads(fine("push-status", number, "--json", of=batch))
    assert [told[name] for name in ("archived", "waiting", "confirmed", "failed")] == [3, 1, 1, 1]
    assert [one["code"] for one in told["failures"]] == ["TGT_REFUSED"]
    assert "TGT_REFUSED ×1" in fine("push-status", number, of=batch)
    # The double was never told of the one that is said to be confirmed.
    report = tmp_path / "missing.csv"
    missing = run("reconcile", "旗舰版", "--batch", number, "--csv", str(report), "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.output)["missing"] == 1
    assert "FYBX00001" in report.read_text("utf-8")
    again = json.loads(fine("push-status", number, "--retry", "--json", of=batch))
    assert (again["retried"], again["waiting"], again["failed"]) == (2, 3, 0)


def test_a_pusher_is_kept_only_while_a_target_is_enabled(
    scene: Scene, double: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    class Recorded:
        def __init__(self, programs: Any) -> None:
            kept.extend(program.name for program in programs)

        def poll(self) -> None:
            pass

        def close(self) -> None:
            kept.clear()

    monkeypatch.setattr("portal.cli.pusher_keeping.Supervisor", Recorded)
    seconds = 0.0
    keeper = PusherKeeper(scene.ledger, clock=lambda: seconds)
    keeper.look()
    assert kept == []
    fine(*ADD, "--url", double)
    seconds += EVERY_SECONDS
    keeper.look()
    assert kept == ["pusher"]
    fine("disable", "旗舰版")
    seconds += EVERY_SECONDS
    keeper.look()
    assert kept == []
    keeper.close()
