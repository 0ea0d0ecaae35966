"""Accounts: what must not happen to them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.errors import NotAllowed
from portal.models import AuditEvent, Role, User
from portal.services import users
from portal.services.passwords import WeakPassword, check_password
from tests.portal.ledger_scene import BY, Scene

PASSWORD = "korrekt-pferd-batterie"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Scrypt takes a tenth of a second by design; nothing here is about it.
    monkeypatch.setattr(users, "hash_password", lambda password: f"hash of {password}")


def add(scene: Scene, name: str, role: Role = Role.ADMIN) -> None:
    with scene.ledger.write() as session:
        users.add(session, name, role=role, password=PASSWORD, by=BY, now=scene.now)


def change(scene: Scene, name: str, *, by: str = BY, **to: Any) -> None:
    with scene.ledger.write() as session:
        user = users.find(session, name)
        if "role" in to:
            users.set_role(session, user, to["role"], by=by, now=scene.now)
        else:
            users.set_enabled(session, user, enabled=to["enabled"], by=by, now=scene.now)


def state(scene: Scene, name: str) -> tuple[Role, bool]:
    with scene.ledger.read() as session:
        user = session.scalars(select(User).where(User.name == name)).one()
        return user.role, user.enabled


def test_the_last_enabled_admin_stays_one(scene: Scene) -> None:
    add(scene, "first")
    add(scene, "second")
    add(scene, "clerk", Role.OPERATOR)
    change(scene, "second", enabled=False)
    for wish in ({"enabled": False}, {"role": Role.AUDITOR}):
        with pytest.raises(NotAllowed, match="最后一个启用的管理员"):
            change(scene, "first", **wish)
    assert state(scene, "first") == (Role.ADMIN, True)
    change(scene, "second", enabled=True)
    change(scene, "first", role=Role.AUDITOR)
    assert state(scene, "first") == (Role.AUDITOR, True)


def test_nobody_disables_themselves(scene: Scene) -> None:
    add(scene, "first")
    add(scene, "second")
    with pytest.raises(NotAllowed, match="不能停用自己"):
        change(scene, "first", by="first", enabled=False)
    change(scene, "second", by="first", enabled=False)
    assert state(scene, "second") == (Role.ADMIN, False)


def test_every_change_is_in_the_trail_and_none_where_nothing_changed(scene: Scene) -> None:
    add(scene, "first")
    add(scene, "second")
    for _ in range(2):
        change(scene, "second", role=Role.AUDITOR)
        change(scene, "second", enabled=False)
    with scene.ledger.read() as session:
        rows = session.execute(
            select(AuditEvent.action, AuditEvent.old, AuditEvent.new).order_by(AuditEvent.id)
        )
        told = [tuple(row) for row in rows if row.action.startswith("user.")]
    assert told == [
        ("user.add", None, "first"),
        ("user.add", None, "second"),
        ("user.role", "admin", "auditor"),
        ("user.disable", None, "second"),
    ]


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "cli:root", "a b", "xxl-job", "System", "a\n", "<b>", "a/b"]
)
def test_nobody_is_called_what_others_could_be_taken_for(scene: Scene, name: str) -> None:
    with pytest.raises(NotAllowed, match="用户名"):
        add(scene, name)


def test_names_may_be_chinese_and_are_there_once(scene: Scene) -> None:
    add(scene, "王芳@财务.总部")
    with pytest.raises(NotAllowed, match="已存在"):
        add(scene, "王芳@财务.总部")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 201,
        "Password123",
        "1234567890",
        "Kingdee@123",
        "aaaaaaaaaaaa",
        "wangfang2024",
        "wangfang-19900101",
        "P@ssw0rd2024!",
        "pa$$word2023",
        "Shanghai2025",
        "woaini1314520",
        "1q2w3e4r5t6y",
        "zaq12wsxcde3",
        "qwe123!@#qwe",
        "123412341234",
        "ab12ab12ab12",
        "13812345678",
        "password!password",
    ],
)
def test_what_is_guessed_soon_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_password(password, "wangfang")
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "correct horse",
        "admin-has-this-password",
        "tr0ub4dor&3 zeppelin",
        "kingdee-lila-regenschirm",
        "我家门前有两棵枣树另一棵",
        "83057119424471029385",
    ],
)
def test_what_nobody_guesses_is_one(password: str) -> None:
    check_password(password, "admin")


def test_the_longest_are_judged_like_others() -> None:
    for password in ("passworda1" * 20, "q1" * 100, "love" * 50):
        with pytest.raises(WeakPassword):
            check_password(password, "admin")


def test_what_is_made_up_is_good_enough() -> None:
    for _ in range(50):
        check_password(users.random_password(), "admin")
