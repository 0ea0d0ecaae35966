"""用户 and 我的账号: who may log in, passwords shown once, and what nobody can do to themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, Role, User
from tests.portal.views.page_scene import PASSWORDS, PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]
GOOD = "korrekt-pferd-batterie"


def user(scene: PageScene, name: str) -> User:
    with scene.portal.ledger.read() as session:
        return session.scalars(select(User).where(User.name == name)).one()


def trail(scene: PageScene) -> list[str]:
    with scene.portal.ledger.read() as session:
        rows = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id))
        return [action for action in rows if action.startswith("user.")][len(Role) :]


def log_in(visitor: Visitor, name: str, password: str, *, status: int = 303) -> Page:
    fields = {"name": name, "password": password}
    return visitor.submit(visitor.get("/login").form("/login"), fields, status=status)


def path_of(scene: PageScene, name: str) -> str:
    return f"/users/{scene.user_id(name)}"


def test_a_made_up_password_is_shown_once(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    form = admin.get("/users/new").form("/users/new")
    page = admin.submit(form, {"name": "王芳", "role": "auditor"}, status=200)
    password = page.root.one(id="password").text
    assert log_in(visit(""), "王芳", password).path == "/"
    assert user(scene, "王芳").role is Role.AUDITOR
    for path in ("/users/", path_of(scene, "王芳"), "/audit/"):
        assert password not in admin.raw(path).text
    assert trail(scene) == ["user.add", "user.login"]


def test_a_typed_password_is_not_shown(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    form = admin.get("/users/new").form("/users/new")
    page = admin.submit(form, {"name": "li", "password": GOOD})
    assert page.path == "/users/"
    assert GOOD not in page.text
    assert log_in(visit(""), "li", GOOD).path == "/"
    assert user(scene, "li").role is Role.OPERATOR


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", "", "请输入用户名"),
        ("name", "admin", "已存在"),
        ("name", "cli:root", "用户名只能用"),
        ("password", "short", "至少 10 个字符"),
        ("password", "Password123", "太常见"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    admin: Visitor, name: str, value: str, said: str
) -> None:
    form = admin.get("/users/new").form("/users/new")
    page = admin.submit(form, {"name": "li", "password": GOOD, name: value}, status=422)
    assert said in page.error_at(name)
    assert page.field("password").get("value") == ""


def test_a_role_that_is_none_is_refused(admin: Visitor, scene: PageScene) -> None:
    form = admin.get("/users/new").form("/users/new")
    admin.submit(form, {"name": "li", "password": GOOD, "role": "root"}, status=422)
    path = path_of(scene, "operator")
    admin.submit(admin.get(path).form("/role"), {"role": "root"}, status=422)
    assert user(scene, "operator").role is Role.OPERATOR


def test_who_is_disabled_is_out_at_once(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    operator = visit("operator")
    path = path_of(scene, "operator")
    admin.submit(admin.get(path).form("/disable"))
    assert operator.raw("/").headers["Location"].startswith("/login")
    log_in(visit(""), "operator", PASSWORDS[Role.OPERATOR], status=422)
    admin.submit(admin.get(path).form("/enable"))
    assert log_in(visit(""), "operator", PASSWORDS[Role.OPERATOR]).path == "/"


def test_a_reset_password_ends_the_sessions(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    operator = visit("operator")
    path = path_of(scene, "operator")
    page = admin.submit(admin.get(path).form("/password"), status=200)
    assert operator.raw("/").headers["Location"].startswith("/login")
    assert log_in(visit(""), "operator", page.root.one(id="password").text).path == "/"
    page = admin.submit(admin.get(path).form("/password"), {"password": "short"}, status=422)
    assert "至少 10 个字符" in page.error_at("password")


def test_the_last_admin_stays_and_nobody_disables_themselves(
    scene: PageScene, admin: Visitor
) -> None:
    path = path_of(scene, "admin")
    assert "disable" not in admin.get(path).actions
    page = admin.submit(admin.get(path).form("/role"), {"role": "auditor"})
    assert "最后一个启用的管理员" in page.messages[0]
    assert "不能停用自己" in admin.post(f"{path}/disable", status=303).messages[0]
    admin.submit(admin.get(path_of(scene, "operator")).form("/role"), {"role": "admin"})
    page = admin.submit(admin.get(path).form("/role"), {"role": "auditor"})
    assert page.path == "/"  # the pages of users are no longer theirs
    assert "/users/" not in page.links


def test_all_logins_of_somebody_end_at_once(scene: PageScene, admin: Visitor, visit: Visit) -> None:
    browsers = [visit("operator") for _ in range(2)]
    path = path_of(scene, "operator")
    page = admin.get(path)
    assert len(page.rows()) == 2
    page = admin.submit(page.form("/end-logins"))
    assert page.messages == ["已结束 operator 的全部登录"]
    assert page.rows() == []
    assert [one.raw("/").status_code for one in browsers] == [302, 302]
    assert admin.raw("/").status_code == 200
    assert log_in(visit(""), "operator", PASSWORDS[Role.OPERATOR]).path == "/"
    assert trail(scene) == ["user.end-logins", "user.login"]


def test_an_admin_who_ends_their_own_logins_is_out_too(scene: PageScene, admin: Visitor) -> None:
    page = admin.submit(admin.get(path_of(scene, "admin")).form("/end-logins"))
    assert (page.path, page.messages) == ("/login", ["已在所有地方退出登录"])


def test_whoever_was_disabled_and_enabled_logs_in_anew(
    scene: PageScene, admin: Visitor, visit: Visit
) -> None:
    operator = visit("operator")
    path = path_of(scene, "operator")
    admin.submit(admin.get(path).form("/disable"))
    admin.submit(admin.get(path).form("/enable"))
    assert operator.raw("/").status_code == 302


def test_the_list_filters(admin: Visitor) -> None:
    assert [cells[0].split()[0] for cells in admin.get("/users/").rows()] == [
        "admin",
        "auditor",
        "operator",
    ]
    assert [cells[0] for cells in admin.get("/users/?role=auditor").rows()] == ["auditor"]
    assert [cells[0] for cells in admin.get("/users/?text=OPER").rows()] == ["operator"]
    assert admin.get("/users/?state=disabled").rows() == []
    assert len(admin.get("/users/?role=nobody&sort=-created&size=20").rows()) == 3


# One's own account.


def test_ones_own_password_needs_the_old_one(
    scene: PageScene, auditor: Visitor, visit: Visit
) -> None:
    elsewhere = visit("auditor")
    form = auditor.get("/account/").form("/password")
    wrong = {"old": "not it at all", "new": GOOD, "again": GOOD}
    assert "原密码不正确" in auditor.submit(form, wrong, status=422).error_at("old")
    old = PASSWORDS[Role.AUDITOR]
    assert elsewhere.raw("/").status_code == 200
    page = auditor.submit(form, {"old": old, "new": GOOD, "again": GOOD})
    assert page.messages == ["密码已更改，其他地方的登录已失效"]
    assert elsewhere.raw("/").status_code == 302
    log_in(visit(""), "auditor", old, status=422)
    assert log_in(visit(""), "auditor", GOOD).path == "/"
    assert trail(scene)[:2] == ["user.password-refused", "user.password"]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("again", {"again": "another"}, "不同"),
        ("new", {"new": "short", "again": "short"}, "至少 10 个字符"),
        ("new", {"new": "Password123", "again": "Password123"}, "太常见"),
        ("new", {"new": "auditor-has-this-password", "again": "auditor-has-this-password"}, "相同"),
        ("old", {"old": ""}, "请输入原密码"),
    ],
)
def test_a_password_that_will_not_do_is_refused_at_its_field(
    auditor: Visitor, name: str, changes: dict[str, str], said: str
) -> None:
    fields = {"old": PASSWORDS[Role.AUDITOR], "new": GOOD, "again": GOOD, **changes}
    page = auditor.submit(auditor.get("/account/").form("/password"), fields, status=422)
    assert said in page.error_at(name)
    assert auditor.raw("/").status_code == 200


@pytest.mark.parametrize("way", ["/account/language", "/language"])
def test_ones_language_goes_along_to_another_machine(
    operator: Visitor, visit: Visit, way: str
) -> None:
    form = next(
        form for form in operator.get("/account/").root.all("form") if form.get("action") == way
    )
    page = operator.submit(form, {"locale": "en"})
    assert page.root.one("html").get("lang") == "en"
    elsewhere = visit("")
    assert elsewhere.get("/login").root.one("html").get("lang") == "zh-Hans"
    page = log_in(elsewhere, "operator", PASSWORDS[Role.OPERATOR])
    assert page.root.one("html").get("lang") == "en"
    other = log_in(visit(""), "auditor", PASSWORDS[Role.AUDITOR])
    assert other.root.one("html").get("lang") == "zh-Hans"


def test_a_language_we_do_not_have_is_not_kept(scene: PageScene, operator: Visitor) -> None:
    operator.post("/account/language", {"locale": "xx"}, status=303)
    assert user(scene, "operator").locale is None
    assert trail(scene) == []


def test_ones_account_is_led_to_by_ones_name(operator: Visitor) -> None:
    assert "/account/" in operator.get("/").links
    assert "/users/" not in operator.get("/").links


def test_one_logs_out_everywhere_from_ones_own_page(
    scene: PageScene, auditor: Visitor, visit: Visit
) -> None:
    elsewhere, somebody_else = visit("auditor"), visit("operator")
    page = auditor.get("/account/")
    assert [row[0].endswith("就是这里") for row in page.rows()] == [False, True]
    assert {row[1] for row in page.rows()} == {"127.0.0.1"}
    page = auditor.submit(page.form("/end-logins"))
    assert page.path == "/login"
    assert page.messages == ["已在所有地方退出登录"]
    assert auditor.raw("/").status_code == elsewhere.raw("/").status_code == 302
    assert somebody_else.raw("/").status_code == 200
    assert trail(scene) == ["user.end-logins"]


def test_of_many_logins_the_newest_are_listed(
    scene: PageScene, operator: Visitor, visit: Visit
) -> None:
    for _ in range(22):
        visit("operator")
    page = operator.get("/account/")
    assert len(page.rows()) == 20
    assert "共 23 个" in page.text
