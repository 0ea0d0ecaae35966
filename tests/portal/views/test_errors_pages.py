"""What goes wrong is a page in the portal's look, with what to do and no secret of ours."""

from __future__ import annotations

import logging
import re

import pytest
from flask import Flask

from portal.access import ACCESS
from portal.errors import SyncError
from tests.portal.views.visitor import Visitor

SECRET = "the innermost secret"


@pytest.fixture
def app(fresh_app: Flask) -> Flask:
    return fresh_app


@pytest.fixture
def breaks(app: Flask, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a page that breaks."""

    def broken() -> str:
        raise RuntimeError(SECRET)

    app.add_url_rule("/breaks", "breaks", broken)
    monkeypatch.setitem(ACCESS, "breaks", None)
    return "/breaks"


@pytest.mark.parametrize("who", ["stranger", "operator"])
def test_a_bug_shows_a_reference_and_no_trace(
    request: pytest.FixtureRequest, breaks: str, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    visitor: Visitor = request.getfixturevalue(who)
    with caplog.at_level(logging.ERROR):
        page = visitor.get(breaks, status=500)
    assert "系统错误" in page.title
    assert SECRET not in page.text
    assert "Traceback" not in page.text
    found = re.search(r"编号 ([0-9a-f]{8})", page.text)
    assert found
    (record,) = [record for record in caplog.records if found[1] in record.getMessage()]
    assert record.exc_info
    assert SECRET in str(record.exc_info[1])


def test_two_bugs_have_two_references(breaks: str, stranger: Visitor) -> None:
    references = [stranger.get(breaks, status=500).root.one(class_="hint").text for _ in range(2)]
    assert references[0] != references[1]


def test_a_page_that_is_not_there(operator: Visitor, stranger: Visitor) -> None:
    for visitor in (operator, stranger):
        page = visitor.get("/nothing/<script>", status=404)
        assert "没有找到" in page.title
        assert "nothing" not in page.text
        assert "/" in page.links


def test_a_post_that_is_opened_as_a_page(operator: Visitor) -> None:
    for path in (
        "/logout",
        "/language",
        "/batches/MB20200101-0001/pause",
        "/documents/1/retry/MB1",
    ):
        assert "不支持的操作" in operator.get(path, status=405).title


def test_an_expired_form_says_what_to_do(operator: Visitor) -> None:
    form = operator.get("/batches/new").form("/batches/new")
    page = operator.submit(form, {"csrf_token": "of yesterday"}, status=400)
    assert "页面已过期" in page.title
    assert "刷新" in page.text


def test_errors_are_in_the_language_of_the_reader(breaks: str, operator: Visitor) -> None:
    operator.speak_english()
    for path, status in (
        (breaks, 500),
        ("/nothing", 404),
        ("/logout", 405),
        ("/batches/MB20200101-0001", 404),
        ("/documents/999999", 404),
        ("/files/999999/download", 404),
    ):
        operator.get(path, status=status)  # the checks for all pages find what is in Chinese


def test_a_failure_that_has_a_name_says_what_to_do(
    app: Flask, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> str:
        raise SyncError("SECRET_KEY_CHANGED")

    app.add_url_rule("/refused", "refused", refused)
    monkeypatch.setitem(ACCESS, "refused", None)
    page = stranger.get("/refused", status=503)
    assert "密钥已更换" in page.text
    assert "重新启动" in page.text
