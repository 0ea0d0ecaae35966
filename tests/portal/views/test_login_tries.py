"""Too many wrong passwords: who waits, who does not, and what tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.test import TestResponse

from portal.models import AuditEvent, LoginWait, Role, User, utc_now
from portal.services import login_tries, password_hashes
from portal.services.login_pace import CEILING, FREE_ADDRESS, FREE_HERE, FREE_NAME
from tests.portal.views.page_scene import PASSWORDS, PageScene
from tests.portal.views.visitor import Visitor

Visit = Callable[[str], Visitor]
HOME, ELSEWHERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def cheap_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many wrong passwords of a fifth of a second each are long; the right ones still take it."""
    monkeypatch.setattr(
        password_hashes,
        "check_password_hash",
        lambda kept, given: given != "wrong" and check_password_hash(kept, given),
    )


@dataclass
class Clock:
    """The time as the login takes it: it stands still until it is moved."""

    now: datetime

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(utc_now())
    for place in ("auth", "account", "users"):
        monkeypatch.setattr(f"portal.views.{place}.utc_now", lambda: clock.now)
    return clock


class Guesser:
    """Somebody at the login from an address."""

    def __init__(self, visitor: Visitor, address: str) -> None:
        self._client = visitor.client
        self._token = visitor.token()
        self._from = {"REMOTE_ADDR": address}

    def tries(self, name: str, password: str = "wrong") -> TestResponse:
        fields = {"csrf_token": self._token, "name": name, "password": password}
        return self._client.post("/login", data=fields, environ_base=self._from)


@pytest.fixture
def at(visit: Visit) -> Callable[[str], Guesser]:
    return lambda address: Guesser(visit(""), address)


@pytest.mark.parametrize("name", ["admin", "nobody at all"])
def test_after_some_wrong_passwords_one_waits(
    at: Callable[[str], Guesser], name: str, clock: Clock
) -> None:
    guesser = at(HOME)
    assert [guesser.tries(name).status_code for _ in range(FREE_HERE)] == [422] * FREE_HERE
    refused = guesser.tries(name)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert "密码错误次数过多，请 1 秒后再试" in refused.text
    # Not even the right one is looked at before its time.
    assert guesser.tries(name, PASSWORDS[Role.ADMIN]).status_code == 429
    clock.pass_time(1)
    assert guesser.tries(name).status_code == 422
    assert guesser.tries(name).headers["Retry-After"] == "2"


def test_a_disabled_account_is_told_apart_by_nothing(
    scene: PageScene, at: Callable[[str], Guesser]
) -> None:
    scene.disable("operator")
    heard: list[list[tuple[int, str]]] = []
    for name, password in (("operator", PASSWORDS[Role.OPERATOR]), ("nobody", "wrong")):
        guesser = at(HOME if name == "nobody" else ELSEWHERE)
        answers = [guesser.tries(name, password) for _ in range(FREE_HERE + 1)]
        heard.append(
            [(one.status_code, one.text.replace(name, "").split("csrf")[0]) for one in answers]
        )
    assert heard[0] == heard[1]
    assert [status for status, _text in heard[0]] == [422] * FREE_HERE + [429]


def test_nobody_is_locked_out_from_another_address(
    at: Callable[[str], Guesser], clock: Clock
) -> None:
    attackers = [at(f"198.51.100.{n}") for n in range(4)]
    for attacker in attackers:
        for _ in range(FREE_HERE):
            attacker.tries("admin")
    owner = at(HOME)
    told = owner.tries("admin", PASSWORDS[Role.ADMIN])
    assert told.status_code == 429
    wait = int(told.headers["Retry-After"])
    assert 0 < wait <= CEILING.total_seconds()
    for _second in range(wait):
        clock.pass_time(1)
        for attacker in attackers:
            attacker.tries("admin")
    assert owner.tries("admin", PASSWORDS[Role.ADMIN]).status_code == 303
    # It was the owner who came: others' failures count no more.
    assert at("192.0.2.8").tries("admin", PASSWORDS[Role.ADMIN]).status_code == 303


def test_an_address_waits_whatever_names_it_tries(at: Callable[[str], Guesser]) -> None:
    guesser = at(ELSEWHERE)
    answers = [guesser.tries(f"user{n}").status_code for n in range(FREE_ADDRESS + 3)]
    assert answers == [422] * FREE_ADDRESS + [429] * 3
    assert at(HOME).tries("admin", PASSWORDS[Role.ADMIN]).status_code == 303


def test_ones_own_account_buys_no_further_guesses(
    scene: PageScene, at: Callable[[str], Guesser]
) -> None:
    statuses = []
    for n in range(FREE_ADDRESS):
        statuses.append(at(ELSEWHERE).tries(f"user{n}").status_code)
        if n % 5 == 4:
            assert at(ELSEWHERE).tries("auditor", PASSWORDS[Role.AUDITOR]).status_code in (303, 429)
    statuses.append(at(ELSEWHERE).tries("one more").status_code)
    assert statuses == [422] * FREE_ADDRESS + [429]


def test_of_ipv6_a_network_is_one_address(at: Callable[[str], Guesser]) -> None:
    answers = [at(f"2001:db8::{n:x}").tries(f"user{n}").status_code for n in range(1, 23)]
    assert answers == [422] * FREE_ADDRESS + [429] * 2
    assert at("2001:db8:0:1::1").tries("someone").status_code == 422


def test_the_address_is_what_trusted_proxies_say(app: Flask, visit: Visit) -> None:
    visitor = visit("")
    token = visitor.token()
    statuses = [
        visitor.client.post(
            "/login",
            data={"csrf_token": token, "name": "admin", "password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{n}"},
        ).status_code
        for n in range(FREE_HERE + 1)
    ]
    assert statuses == [422] * FREE_HERE + [429]  # no proxy is trusted here


def test_other_spellings_are_the_same_name(at: Callable[[str], Guesser]) -> None:
    spellings = ("admin", "ADMIN", "Admin", "ａｄｍｉｎ", "aDmin", "adMin")
    assert [at(HOME).tries(name).status_code for name in spellings] == [422] * 5 + [429]


def test_a_right_password_lets_what_was_wrong_be_forgotten(at: Callable[[str], Guesser]) -> None:
    for _round in range(2):
        for _ in range(FREE_HERE - 1):
            assert at(HOME).tries("operator").status_code == 422
        assert at(HOME).tries("operator", PASSWORDS[Role.OPERATOR]).status_code == 303


def test_a_new_password_need_not_wait_for_what_others_tried(
    scene: PageScene, admin: Visitor, at: Callable[[str], Guesser]
) -> None:
    for n in range(FREE_NAME):
        at(f"198.51.100.{n}").tries("operator")
    page = admin.get(f"/users/{scene.user_id('operator')}")
    password = admin.submit(page.form("/password"), status=200).root.one(id="password").text
    assert at(HOME).tries("operator", password).status_code == 303


def test_the_old_password_of_ones_own_account_is_no_way_around(auditor: Visitor) -> None:
    form = auditor.get("/account/").form("/password")
    fields = {"old": "wrong", "new": "korrekt-pferd-batterie", "again": "korrekt-pferd-batterie"}
    for _ in range(FREE_HERE):
        assert "原密码不正确" in auditor.submit(form, fields, status=422).error_at("old")
    page = auditor.submit(form, {**fields, "old": PASSWORDS[Role.AUDITOR]}, status=429)
    assert "密码错误次数过多" in page.error_at("old")


def test_whoever_fails_day_and_night_does_not_bury_the_trail(
    scene: PageScene, at: Callable[[str], Guesser], clock: Clock
) -> None:
    def told() -> list[AuditEvent]:
        with scene.portal.ledger.read() as session:
            query = select(AuditEvent).where(AuditEvent.action == "user.login-refused")
            return list(session.scalars(query.order_by(AuditEvent.id)))

    for n in range(40):
        at(f"198.51.100.{n}").tries(f"user{n}")
    assert len(told()) == 30
    assert told()[0].origin == "198.51.100.0"
    clock.pass_time(61)
    at(HOME).tries("admin")
    assert len(told()) == 31
    assert told()[-1].detail == {"left_out": 10}


def test_what_is_old_is_swept(scene: PageScene, at: Callable[[str], Guesser], clock: Clock) -> None:
    at(HOME).tries("admin")

    def kept() -> int:
        with scene.portal.ledger.write() as session:
            login_tries.forget_old(session, now=clock.now)
        with scene.portal.ledger.read() as session:
            return session.scalar(select(func.count()).select_from(LoginWait)) or 0

    assert kept() == 4
    clock.pass_time(16 * 60)
    assert kept() == 1  # how much the trail has told this minute


def test_a_hash_of_an_older_release_is_renewed_at_the_next_login(
    scene: PageScene, at: Callable[[str], Guesser]
) -> None:
    weaker = generate_password_hash(PASSWORDS[Role.OPERATOR], "scrypt:32768:8:1")
    with scene.portal.ledger.write() as session:
        mine = update(User).where(User.name == "operator")
        session.execute(mine.values(password_hash=weaker))
    for _ in range(2):
        assert at(HOME).tries("operator", PASSWORDS[Role.OPERATOR]).status_code == 303
    with scene.portal.ledger.read() as session:
        kept = session.scalars(select(User.password_hash).where(User.name == "operator")).one()
    assert kept.startswith("scrypt:32768:8:3$")


def test_all_take_as_long_to_be_compared(
    scene: PageScene, at: Callable[[str], Guesser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is computed, not by a watch: the rounds of scrypt."""
    rounds: list[int] = []

    def counting(kept: str, _given: str) -> bool:
        rounds.append(int(kept.partition("$")[0].split(":")[-1]))
        return False

    monkeypatch.setattr(password_hashes, "check_password_hash", counting)
    with scene.portal.ledger.write() as session:
        mine = update(User).where(User.name == "operator")
        session.execute(mine.values(password_hash="scrypt:32768:8:1$salt$00"))
    scene.disable("auditor")
    spent = []
    for name in ("admin", "operator", "auditor", "nobody"):
        rounds.clear()
        at(HOME).tries(name)
        spent.append(sum(rounds))
    assert spent == [3, 3, 3, 3]
