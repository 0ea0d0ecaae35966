"""A login begun under a secret key that was replaced: its row is left, and worth nothing."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from portal.app import create_app
from portal.key_derivation import fingerprint
from portal.models import utc_now
from portal.runtime import Portal
from portal.services import key_rotation, logins, same_keys
from portal.services.same_keys import Keys
from portal.settings import read_settings
from tests.portal.views.logged_in import be
from tests.portal.views.page_scene import TOKEN

NEW = "the key that takes its place " * 2


def test_a_cookie_of_the_retired_key_logs_nobody_in(fresh_app: Flask, home: Path) -> None:
    portal: Portal = fresh_app.extensions["portal"]
    browser = fresh_app.test_client()
    be(browser, portal, "admin")
    assert browser.get("/").status_code == 200
    name = fresh_app.config["SESSION_COOKIE_NAME"]
    cookie = browser.get_cookie(name)
    assert cookie is not None
    old, now = fresh_app.config["SECRET_KEY"], utc_now()
    same_keys.check(portal.ledger, Keys.of(fingerprint(old), None), now=now)
    with portal.ledger.write() as session:
        key_rotation.rotate(session, old, NEW, by="cli", now=now)
        assert logins.count(session) == 1

    settings = {
        "IMGMIG_HOME": str(home), "XXL_JOB_ACCESS_TOKEN": TOKEN, "PORTAL_SECRET_KEY": NEW,
    }  # fmt: skip
    renewed = create_app(read_settings(settings))
    try:
        for path in ("/", "/batches/", "/account/"):
            late = renewed.test_client()
            late.set_cookie(name, cookie.value)
            answer = late.get(path)
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/login")
        again = renewed.test_client()
        be(again, renewed.extensions["portal"], "admin")
        assert again.get("/").status_code == 200
    finally:
        renewed.extensions["portal"].ledger.close()
        renewed.extensions["portal"].queue.close()

    lifetime = portal.settings.session_lifetime
    with portal.ledger.write() as session:
        logins.forget_old(session, now=now + 2 * lifetime, lifetime=lifetime)
        assert logins.count(session) == 0
