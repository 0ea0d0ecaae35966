"""Logging in and out, and where one gets to then."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.models import AuditEvent, Login, Role, utc_now
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


def test_who_is_logged_in_needs_no_login_page(admin: Visitor) -> None:
    assert admin.raw("/login").headers["Location"] == "/"
    assert admin.raw("/login?next=/jobs/").headers["Location"] == "/jobs/"
    assert admin.raw("/login?next=//evil.example").headers["Location"] == "/"


def test_the_login_page_speaks_english(stranger: Visitor) -> None:
    stranger.speak_english()
    assert stranger.get("/login").root.one("html").get("lang") == "en"
    page = log_in(stranger, "admin", "wrong", status=422)
    assert page.error_at("password") == "User name or password is wrong"


# A login's session.


def ticket(visitor: Visitor) -> str:
    with visitor.client.session_transaction() as session:
        return str(session["_user_id"])


def age(visitor: Visitor, by: timedelta) -> None:
    """Have nobody do anything for so long."""
    with visitor.client.session_transaction() as session:
        session["seen"] -= int(by.total_seconds())


def test_nothing_that_was_known_before_the_login_is_worth_anything_afterwards(
    app: Flask, stranger: Visitor
) -> None:
    before = stranger.token()
    cookie = stranger.client.get_cookie("imgmig")
    assert cookie is not None
    page = log_in(stranger, "admin", PASSWORDS[Role.ADMIN])
    after = page.form("/logout").one("input", name="csrf_token").get("value")
    planter = app.test_client()
    planter.set_cookie("imgmig", cookie.value)
    assert planter.get("/").status_code == 302
    assert stranger.client.post("/language", data={"csrf_token": before}).status_code == 400
    assert stranger.client.post("/language", data={"csrf_token": after}).status_code == 303


def test_a_new_login_has_a_new_ticket(stranger: Visitor) -> None:
    log_in(stranger, "admin", PASSWORDS[Role.ADMIN])
    first = ticket(stranger)
    stranger.submit(stranger.get("/").form("/logout"))
    log_in(stranger, "admin", PASSWORDS[Role.ADMIN])
    assert ticket(stranger) != first


def test_a_copy_of_the_cookie_is_worth_nothing_once_its_owner_has_left(
    app: Flask, admin: Visitor
) -> None:
    cookie = admin.client.get_cookie("imgmig")
    assert cookie is not None
    thief = app.test_client()
    thief.set_cookie("imgmig", cookie.value)
    assert thief.get("/").status_code == 200
    admin.submit(admin.get("/").form("/logout"))
    assert thief.get("/").status_code == 302


def test_the_ledger_does_not_hold_what_a_browser_shows(scene: PageScene, admin: Visitor) -> None:
    key = ticket(admin).partition(".")[2]
    with scene.portal.ledger.read() as session:
        kept = session.scalars(select(Login.key_hash)).all()
    assert kept
    assert not any(key in one for one in kept)


def test_a_login_that_is_another_ones_number_is_none(admin: Visitor, operator: Visitor) -> None:
    number, _, key = ticket(admin).partition(".")
    with operator.client.session_transaction() as session:
        session["_user_id"] = f"{int(number) + 1}.{key}"
    assert operator.raw("/").status_code == 302


def test_behind_the_idle_time_one_logs_in_again_and_is_back(
    scene: PageScene, operator: Visitor
) -> None:
    limit = scene.portal.settings.session_idle
    age(operator, limit - timedelta(minutes=1))
    operator.get("/batches/")  # whoever does something stays
    age(operator, limit - timedelta(minutes=1))
    operator.get("/batches/")
    age(operator, limit + timedelta(minutes=1))
    sent = operator.raw("/batches/?status=ended")
    assert sent.headers["Location"] == "/login?next=/batches/?status%3Dended"
    page = operator.get(sent.headers["Location"])
    assert page.messages == ["登录已结束，请重新登录"]
    fields = {"name": "operator", "password": PASSWORDS[Role.OPERATOR]}
    assert operator.submit(page.form("/login"), fields).path == "/batches/?status=ended"


def test_what_refreshes_itself_keeps_no_login_alive(scene: PageScene, operator: Visitor) -> None:
    batch = scene.running()
    half = scene.portal.settings.session_idle / 2 + timedelta(minutes=1)
    regions = (f"/batches/{batch}/progress?tab=failures", "/live", "/batches/live?ids=1")
    operator.get(f"/batches/{batch}")
    age(operator, half)
    for region in regions:
        answer = operator.raw(region, HX_Request="true")
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    age(operator, half)
    page = f"http://localhost/batches/{batch}"
    for region in regions:
        answer = operator.raw(region, HX_Request="true", HX_Current_URL=page)
        assert answer.status_code == 401
        assert answer.headers["HX-Redirect"] == f"/login?next=/batches/{batch}"
    fields = {"name": "operator", "password": PASSWORDS[Role.OPERATOR]}
    form = operator.get(answer.headers["HX-Redirect"]).form("/login")
    assert operator.submit(form, fields).path == f"/batches/{batch}"


def test_no_login_outlives_its_longest_time_however_busy(
    scene: PageScene, operator: Visitor
) -> None:
    lifetime = scene.portal.settings.session_lifetime
    for back, status in ((timedelta(minutes=-1), 200), (timedelta(minutes=1), 302)):
        with scene.portal.ledger.write() as session:
            session.execute(update(Login).values(began_at=utc_now() - lifetime - back))
        assert operator.raw("/").status_code == status


def test_a_session_that_says_nothing_of_when_it_was_used_is_over(operator: Visitor) -> None:
    for nonsense in (None, "now", 10**12):
        with operator.client.session_transaction() as session:
            session["seen"] = nonsense
        assert operator.raw("/").status_code == 302
