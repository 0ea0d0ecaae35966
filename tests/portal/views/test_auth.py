"""Logging in and out, and where one gets to then."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from sqlalchemy import select

from portal.models import AuditEvent, Role, utc_now
from portal.services import users
from tests.portal.views.page_scene import PASSWORDS, PageScene
from tests.portal.views.visitor import Page, Visitor

REFUSED = "用户名或密码不正确"


def log_in(
    visitor: Visitor, name: str, password: str, *, path: str = "/login", status: int = 303
) -> Page:
    form = visitor.get(path).form("/login")
    return visitor.submit(form, {"name": name, "password": password}, status=status)


@pytest.mark.parametrize("role", list(Role))
def test_the_right_password_leads_to_the_overview(stranger: Visitor, role: Role) -> None:
    page = log_in(stranger, role.value, PASSWORDS[role])
    assert page.path == "/"
    assert page.root.one(class_="who").one("strong").text == role.value
    stranger.get("/batches/")


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(stranger: Visitor) -> None:
    known = log_in(stranger, "admin", "wrong", status=422)
    unknown = log_in(stranger, "nobody", "wrong", status=422)
    for page, name in ((known, "admin"), (unknown, "nobody")):
        assert page.error_at("password") == REFUSED
        assert page.error_at("name") == ""
        assert page.value("name") == name
        assert page.value("password") == ""
    assert known.text == unknown.text


def test_what_is_missing_is_said_at_its_field(stranger: Visitor) -> None:
    page = log_in(stranger, "", "", status=422)
    assert page.error_at("name") == "请输入用户名"
    assert page.error_at("password") == "请输入密码"


def test_every_attempt_leaves_a_trace(scene: PageScene, stranger: Visitor) -> None:
    log_in(stranger, "admin", "wrong", status=422)
    log_in(stranger, "admin", PASSWORDS[Role.ADMIN])
    with scene.portal.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action.startswith("user.login"))
        events = [
            (e.action, e.actor, e.new) for e in session.scalars(query.order_by(AuditEvent.id))
        ]
    assert events == [
        ("user.login-refused", "anonymous", "admin"),
        ("user.login", "admin", None),
    ]


def test_the_login_goes_on_to_where_one_wanted_to(scene: PageScene, stranger: Visitor) -> None:
    batch = scene.ended("FILE_CORRUPT")
    wanted = f"/batches/{batch}/documents?status=failed&month=2024-01"
    to_login = stranger.raw(wanted).headers["Location"]
    page = log_in(stranger, "auditor", PASSWORDS[Role.AUDITOR], path=to_login)
    assert page.path == wanted
    assert len(page.rows()) == 1


def test_where_one_wanted_to_survives_a_wrong_password(stranger: Visitor) -> None:
    wrong = log_in(stranger, "admin", "wrong", path="/login?next=/jobs/", status=422)
    fields = {"name": "admin", "password": PASSWORDS[Role.ADMIN]}
    assert stranger.submit(wrong.form("/login"), fields).path == "/jobs/"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "//[",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\n/evil.example",
        "http:///evil.example",
    ],
)
def test_it_never_leads_away_from_the_portal(stranger: Visitor, target: str) -> None:
    path = f"/login?next={quote(target, safe='')}"
    page = log_in(stranger, "admin", PASSWORDS[Role.ADMIN], path=path)
    assert page.path == "/"
    assert stranger.submit(page.form("/language"), {"next": target}).path == "/"


def test_a_session_of_before_the_login_is_not_carried_on(stranger: Visitor) -> None:
    stranger.speak_english()
    with stranger.client.session_transaction() as session:
        session["planted"] = "by somebody else"
    page = log_in(stranger, "admin", PASSWORDS[Role.ADMIN])
    with stranger.client.session_transaction() as session:
        assert "planted" not in session
    assert page.root.one("html").get("lang") == "en"  # the language is a choice, not a right


def test_logging_out_ends_the_session(admin: Visitor) -> None:
    page = admin.submit(admin.get("/").form("/logout"))
    assert page.path == "/login"
    assert page.messages == ["已退出登录"]
    assert admin.raw("/batches/").status_code == 302


def test_a_new_password_ends_the_sessions_of_the_old_one(
    scene: PageScene, operator: Visitor
) -> None:
    operator.get("/batches/")
    with scene.portal.ledger.write() as session:
        users.set_password(
            session, "operator", password="another long one", by="admin", now=utc_now()
        )
    assert operator.raw("/batches/").status_code == 302


def test_a_disabled_account_is_out_at_its_next_request(
    scene: PageScene, operator: Visitor, stranger: Visitor
) -> None:
    operator.get("/batches/")
    scene.disable("operator")
    assert operator.raw("/batches/").status_code == 302
    page = log_in(stranger, "operator", PASSWORDS[Role.OPERATOR], status=422)
    assert page.error_at("password") == REFUSED


@pytest.mark.parametrize("name", ["0", "-1", "999999", "x", ""])
def test_a_session_of_nobody_we_know_is_no_session(stranger: Visitor, name: str) -> None:
    with stranger.client.session_transaction() as session:
        session.update(_user_id=name, _fresh=True)
    assert stranger.raw("/").status_code == 302


def test_a_live_region_without_session_sends_the_whole_page_to_the_login(
    scene: PageScene, stranger: Visitor
) -> None:
    batch = scene.running()
    page = f"/batches/{batch}/failures"
    for region in (f"/batches/{batch}/progress?tab=failures", "/live", "/batches/live?ids=1"):
        response = stranger.raw(
            region, HX_Request="true", HX_Current_URL=f"http://localhost{page}?a=1"
        )
        assert response.status_code == 401  # htmx swaps no 4xx
        assert response.headers["HX-Redirect"] == f"/login?next={page}?a%3D1"
        assert response.text == ""


def test_the_address_a_live_region_says_it_is_on_is_no_way_out(stranger: Visitor) -> None:
    for claimed in ("https://evil.example//evil.example/", "//evil.example", ""):
        response = stranger.raw("/live", HX_Request="true", HX_Current_URL=claimed)
        to_login = response.headers["HX-Redirect"]
        assert to_login.startswith("/login")
        page = log_in(stranger, "admin", PASSWORDS[Role.ADMIN], path=to_login)
        assert page.path == "/"
        stranger.submit(page.form("/logout"))


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Visitor) -> None:
    form = stranger.get("/login").form("/login")
    token = form.one("input", name="csrf_token").get("value")
    fields = {"csrf_token": token, "name": "admin", "password": PASSWORDS[Role.ADMIN]}
    cookie = stranger.client.post("/login", data=fields).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
