"""Markup and template expressions in names are shown as they are written, on every page."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask

from tests.portal.views.html_page import parse
from tests.portal.views.injection.hostile import (
    MARKUP,
    SHORT,
    assert_harmless,
    plant,
    plant_people,
)
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor
from tests.portal.views.world import World

pytestmark = pytest.mark.faults

#: So many pages of one shape (``/documents/<number>``) are enough.
_OF_A_SHAPE = 4
_ARGUMENTS = (
    *("q", "sort", "size", "after", "before", "month", "code", "org", "type", "image_no"),
    *("bill_no", "applicant", "first", "last", "status", "source", "resource", "least", "most"),
    *("category", "number", "creator", "actor", "action", "batch_no", "name", "tab", "kind"),
    *("list", "file", "page", "part", "ids", "keys", "newest", "then", "next", "overlap", "run"),
)
JUNK = [
    MARKUP, "\x00", "%' OR '1'='1' -- ", "9" * 5000, "3~9999-12-31T23:59:59-23:59", f"3~{'9' * 30}",
    "9999-12-31", "9999-12", "1e999999", "\r\nX-Evil: 1", "//evil.example",
]  # fmt: skip


def _shape(path: str) -> str:
    parts = urlsplit(path).path.split("/")
    return "/".join("*" if any(char.isdigit() for char in part) else part for part in parts)


def test_no_name_becomes_an_element_on_any_page_that_leads_from_the_overview(
    scene: PageScene, admin: Visitor
) -> None:
    planted = plant(scene)
    waiting = ["/", "/audit/", "/users/", f"/documents/{planted.document_id}", "/find?q=A"]
    waiting += [f"/batches/{planted.batch_no}", "/exports/new?kind=documents", "/batches/new"]
    seen: set[str] = set()
    shapes: dict[str, int] = {}
    shown = 0
    while waiting:
        path = waiting.pop(0)
        shape = _shape(path)
        if path in seen or shapes.get(shape, 0) >= _OF_A_SHAPE:
            continue
        seen.add(path)
        shapes[shape] = shapes.get(shape, 0) + 1
        with admin.client.get(path, follow_redirects=True) as response:
            assert response.status_code < 500, path
            if response.mimetype != "text/html" or response.status_code != 200:
                continue
            root, errors = parse(response.get_data(as_text=True))
        assert not errors, (path, errors)
        assert_harmless(root, path)
        shown += "<img src=x" in root.text
        waiting += [
            link
            for node in root.walk()
            for link in (node.get("href"), node.get("hx-get"))
            if link.startswith("/") and not link.startswith("/static/")
        ]
    # The names stand on many kinds of page; were they gone, nothing would have been tested.
    assert len(shapes) > 30
    assert shown > 10


#: What stands before the tail by which each of them is found on a page.
PEOPLE = {
    "markup": MARKUP,
    "a header": "a\r\nX-Evil: 1\r\n\r\n<b>",
    "controls": "[31m\x01\x1b[0m\x7f\x85b",
    "direction": "\u202e\u2066gpj.exe\u2069\u200b",
    "a formula": "=cmd|'/c calc'!A1",
    "a path": "../../etc/passwd\\..",
    "long": "名" * 3000,
}


@pytest.mark.parametrize("word", PEOPLE.values(), ids=PEOPLE)
def test_no_name_of_a_person_channel_or_reason_breaks_a_page_or_a_download(
    world: World, scene: PageScene, admin: Visitor, word: str
) -> None:
    plant_people(scene, word)
    needle = re.split(r"[\x00-\x1f]", word, maxsplit=1)[0][:20].strip()
    shown = 0
    for rule in world.rules("GET"):
        for headers in ({}, {"HX-Request": "true"}):
            path = world.address(rule)
            with admin.client.get(path, headers=headers) as response:
                assert response.status_code < 500 or path == "/readyz", path
                assert "X-Evil" not in response.headers, path
                for name, value in response.headers:
                    assert value.isprintable(), (path, name)
                    assert value.isascii(), (path, name)
                if response.mimetype != "text/html" or response.status_code != 200:
                    continue
                root, errors = parse(response.get_data(as_text=True))
            assert not errors, (path, errors)
            assert_harmless(root, path)
            shown += needle in root.text
    assert shown > 10


def _addresses(app: Flask) -> list[str]:
    """Every page that has an address of its own, without numbers in it."""
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments
    )


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_no_address_is_so_odd_that_a_page_breaks_or_obeys_it(
    app: Flask, scene: PageScene, admin: Visitor, junk: str
) -> None:
    planted = plant(scene, SHORT)
    query = "&".join(f"{name}={quote(junk)}" for name in _ARGUMENTS)
    paths = [path for path in _addresses(app) if not path.endswith("xxl-job/")]
    paths += [
        f"/batches/{planted.batch_no}{tab}"
        for tab in ("", "/documents", "/failures", "/log", "/runs", "/progress")
    ]
    paths += [f"/documents/{planted.document_id}", f"/batches/{quote(junk)}"]
    for path in paths:
        for asked in (query, *_sorted_by(junk, path)):
            with admin.client.get(f"{path}?{asked}") as response:
                assert response.status_code < 500 or path == "/readyz", (path, asked[:200])
                assert "X-Evil" not in response.headers
                if response.mimetype == "text/html" and response.status_code == 200:
                    root, errors = parse(response.get_data(as_text=True))
                    assert not errors, (path, errors)
                    assert_harmless(root, path)


def _sorted_by(junk: str, path: str) -> list[str]:
    """Marks are read as values of the column that a list is sorted by."""
    if not (junk.startswith("3~") and path.endswith(("/", "documents"))):
        return []
    sorts = ("collected_at", "amount", "created_at")
    return [f"sort=-{sort}&after={quote(junk)}" for sort in sorts]
