"""The table route × role, walked on every rule there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.access import ACCESS
from portal.models import Role
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

Visit = Callable[[str], Visitor]
METHODS = ("GET", "POST")


def rules(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


def path_of(app: Flask, rule: Rule) -> str:
    """An address of the rule; what it names need not exist."""
    values = {
        "filename": "css/portal.css",
        "batch_no": "MB20200101-0001",
        "name": "pause",
        "wish": "probe",
        "source_id": 999_999,
        "target_id": 999_999,
        "user_id": 999_999,
        "change": "enable",
        "document_id": 999_999,
        "file_id": 999_999,
        "run_id": 999_999,
        "chore_id": 1,
        "preflight_id": 999_999,
        "channel_id": 999_999,
        "notice_id": 999_999,
        "export_id": 1,
        "sample_id": 999_999,
        "position": 1,
        "number": 0,
    }
    wanted = {name: values[name] for name in rule.arguments}
    return app.url_map.bind("localhost").build(rule.endpoint, wanted)


def methods(rule: Rule) -> list[str]:
    return [method for method in METHODS if method in (rule.methods or set())]


def ask(app: Flask, visitor: Visitor, rule: Rule, method: str) -> TestResponse:
    """Call the endpoint, with a valid token when it is a post."""
    data = {}
    if method == "POST":
        data = {"csrf_token": visitor.token()}
    return visitor.client.open(path_of(app, rule), method=method, data=data)


def test_every_endpoint_stands_in_the_table_and_no_other(app: Flask) -> None:
    assert {rule.endpoint for rule in rules(app)} == set(ACCESS)


def test_what_needs_no_login_is_this_and_no_more() -> None:
    assert {endpoint for endpoint, allowed in ACCESS.items() if allowed is None} == {
        "static",
        "health.healthz",
        "health.readyz",
        "health.metrics",
        "auth.login",
        "auth.language",
    }


def test_an_auditor_changes_nothing(app: Flask) -> None:
    posts = {rule.endpoint for rule in rules(app) if "POST" in methods(rule)}
    allowed = {name for name in posts if Role.AUDITOR in (ACCESS[name] or set())}
    own = {f"account.{verb}" for verb in ("change_password", "change_language", "end_logins")}
    # What leaves a record of its own and changes nothing else.
    downloads = {"packages.batches", "packages.documents", "exports.create"}
    checks = {"audit.verify", "reconcile.start"}
    sampling = {f"samples.{verb}" for verb in ("start", "draw", "fetch", "judge", "close")}
    assert allowed == {"auth.logout", "chores.cancel"} | checks | downloads | sampling | own


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says(app: Flask, visit: Visit, role: Role) -> None:
    for rule in rules(app):
        allowed = ACCESS[rule.endpoint]
        for method in methods(rule):
            visitor = visit(role.value)  # anew, as one of the rules logs out
            with ask(app, visitor, rule, method) as response:
                refused = response.status_code == 403
                to_login = response.headers.get("Location", "").startswith("/login?")
            assert refused == (allowed is not None and role not in allowed), rule
            assert not to_login, rule


def test_nobody_gets_further_than_the_login(app: Flask, stranger: Visitor) -> None:
    for rule in rules(app):
        for method in methods(rule):
            with ask(app, stranger, rule, method) as response:
                to_login = response.headers.get("Location", "").startswith("/login")
                status = response.status_code
            if ACCESS[rule.endpoint] is not None:
                assert (status, to_login) == (302, True), rule
            else:
                assert status in (200, 303, 404, 405, 422, 503), rule
                assert not to_login or rule.endpoint == "auth.login", rule


def test_no_post_works_without_its_token(app: Flask, visit: Visit) -> None:
    for rule in rules(app):
        if "POST" not in methods(rule):
            continue
        for name in ("admin", ""):
            response = visit(name).client.post(path_of(app, rule), data={"action": "delete"})
            assert response.status_code == 400, rule
        forged = visit("admin").client.post(path_of(app, rule), data={"csrf_token": "forged"})
        assert forged.status_code == 400, rule


def test_a_refused_page_says_so_in_the_portals_look(auditor: Visitor) -> None:
    page = auditor.get("/batches/new", status=403)
    assert "没有权限" in page.title
    assert "/" in page.links


def test_buttons_are_offered_only_to_those_who_may(
    scene: PageScene, operator: Visitor, auditor: Visitor
) -> None:
    numbers = (scene.ended("FILE_CORRUPT"), scene.waiting())
    for path in ("/", "/batches/", *(f"/batches/{number}" for number in numbers)):
        offered = operator.get(path).actions
        seen = auditor.get(path)
        assert seen.actions <= {"language", "logout", "selected", "batches"}, path
        buttons = {button.get("formaction") for button in seen.root.all("button")}
        assert buttons <= {"", "/packages/batches"}, path
        assert not any("/batches/new" in link for link in seen.links), path
        assert offered >= seen.actions
