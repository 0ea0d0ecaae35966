"""``imgmig user``: passwords that no list of processes shows, and ending logins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from portal.cli.user import command
from portal.errors import NotAllowed, NotFound
from portal.models import AuditEvent, Login, User, utc_now
from portal.services import logins, users
from portal.services.password_hashes import is_right
from tests.portal.ledger_scene import Scene, opened_ledger

GOOD = "korrekt-pferd-batterie"


@pytest.fixture
def scene(tmp_path: Path, empty_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The ledger of the home that the commands use."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_sqlite, home / "ledger.db")
    monkeypatch.setenv("IMGMIG_HOME", str(home))
    monkeypatch.delenv("USER_PASSWORD", raising=False)
    with opened_ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        yield Scene(ledger)


def run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(command, words, input=typed)


def has_password(scene: Scene, name: str, password: str) -> bool:
    with scene.ledger.read() as session:
        kept = session.scalars(select(User.password_hash).where(User.name == name)).one()
    return is_right(kept, password)


def test_a_password_comes_by_stdin_and_is_not_shown(scene: Scene) -> None:
    ended = run("add", "li", "--password", typed=f"{GOOD}\n")
    assert ended.exit_code == 0, ended.output
    assert GOOD not in ended.output
    assert has_password(scene, "li", GOOD)


def test_a_password_comes_by_the_environment(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "li")
    monkeypatch.setenv("USER_PASSWORD", GOOD)
    ended = run("passwd", "li")
    assert GOOD not in ended.output
    assert has_password(scene, "li", GOOD)


def test_one_that_nobody_gave_is_made_and_shown(scene: Scene) -> None:
    shown = run("add", "li").output.split()[-1]
    assert has_password(scene, "li", shown)


def test_a_password_on_the_command_line_is_refused(scene: Scene) -> None:
    ended = run("add", "li", "--password", GOOD)
    assert ended.exit_code == 2
    with scene.ledger.read() as session:
        assert users.all_users(session) == []


def test_nothing_on_stdin_is_no_password(scene: Scene) -> None:
    assert isinstance(run("add", "li", "--password").exception, NotAllowed)


def test_logins_are_ended_from_the_command_line(scene: Scene) -> None:
    run("add", "li")
    run("add", "wang")
    with scene.ledger.write() as session:
        for name in ("li", "li", "wang"):
            logins.begin(session, users.find(session, name), origin="here", now=utc_now())
    assert "2" in run("logout", "li").output
    with scene.ledger.read() as session:
        assert session.scalar(select(func.count()).select_from(Login)) == 1
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.action, event.new, event.detail) == ("user.end-logins", "li", {"logins": 2})
    assert event.actor.startswith("cli:")
    assert isinstance(run("logout", "nobody").exception, NotFound)
