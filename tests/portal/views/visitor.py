"""Somebody at the portal: looks at pages, follows what they offer, and minds every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.views.shared_region import shared_regions
from tests.portal.views.html_page import Node, parse
from tests.portal.views.page_rules import complaints, page_complaints, untranslated

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


@dataclass(frozen=True)
class Page:
    """A page, or a part of one, that has passed the checks for all pages."""

    path: str
    status: int
    root: Node

    @property
    def text(self) -> str:
        return self.root.text

    @property
    def title(self) -> str:
        return self.root.one("title").text

    @property
    def messages(self) -> list[str]:
        return [alert.text for alert in self.root.one(id="messages").all(class_="alert")]

    @property
    def pollers(self) -> list[Node]:
        return [node for node in self.root.walk() if "hx-trigger" in node.attributes]

    @property
    def actions(self) -> set[str]:
        """The last words of the addresses that its forms post to."""
        forms = self.root.all("form", method="post")
        return {form.get("action").split("?")[0].rsplit("/", 1)[-1] for form in forms}

    @property
    def links(self) -> set[str]:
        return {node.get("href") for node in self.root.all("a") if node.get("href")}

    def form(self, ending: str) -> Node:
        """The form whose address, without its query, ends so."""
        found = [
            form
            for form in self.root.all("form")
            if form.get("action").split("?")[0].endswith(ending)
        ]
        assert len(found) == 1, (ending, found)
        return found[0]

    def field(self, name: str) -> Node:
        found = [node for node in self.root.walk() if node.get("name") == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def value(self, name: str) -> str:
        """What stands in a field, as it would be sent."""
        field = self.field(name)
        if field.tag == "textarea":
            return field.typed()
        return field.chosen() if field.tag == "select" else field.get("value")

    def error_at(self, name: str) -> str:
        """The reason shown at a field."""
        row = self.field(name).parent
        assert row is not None
        return " ".join(node.text for node in row.all(class_="invalid-feedback"))

    def rows(self) -> list[list[str]]:
        """The cells of its tables' bodies, row by row."""
        bodies = self.root.all("tbody")
        return [[cell.text for cell in row.all("td")] for body in bodies for row in body.all("tr")]


class Visitor:
    """A browser without a screen; ``data`` is all that the ledger holds."""

    def __init__(self, client: FlaskClient, data: Callable[[], str]) -> None:
        self.client = client
        self._data = data

    def get(self, path: str, *, status: int = 200, htmx: bool = False) -> Page:
        """Look at a page; ``htmx`` asks for it as a live region does."""
        headers = {"HX-Request": "true"} if htmx else {}
        self._let_a_second_pass()
        return self._looked(path, self.client.get(path, headers=headers), status)

    def raw(self, path: str, **headers: str) -> TestResponse:
        """Ask for what is no page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._let_a_second_pass()
        response = self.client.get(path, headers=named)
        _check_headers(response)
        return response

    def submit(
        self, form: Node, changes: Mapping[str, str | list[str]] | None = None, *, status: int = 303
    ) -> Page:
        """Send a form as it stands, but for the changes; the page that comes, in the end."""
        return self._sent(form.get("action"), {**_standing(form), **(changes or {})}, status)

    def search(self, form: Node, changes: dict[str, str]) -> Page:
        """Send a form that only asks."""
        assert form.get("method") == "get"
        return self.get(f"{form.get('action')}?{urlencode({**_standing(form), **changes})}")

    def post(self, path: str, data: dict[str, str] | None = None, *, status: int) -> Page:
        """Post what no form of a page offers, with a valid token."""
        return self._sent(path, {"csrf_token": self.token(), **(data or {})}, status)

    def token(self) -> str:
        """A valid token for forms."""
        return self._language_form().one("input", name="csrf_token").get("value")

    def speak_english(self) -> None:
        self.submit(self._language_form(), {"locale": "en"})

    def _language_form(self) -> Node:
        """The form that every page has, also that of somebody who is not logged in."""
        is_stranger = self.client.get("/login").status_code == 200
        forms = self.get("/login" if is_stranger else "/find").root.all("form")
        return next(form for form in forms if form.get("action").endswith("/language"))

    def _let_a_second_pass(self) -> None:
        """What others were shown before is not shown any more, as at the next poll in life."""
        shared_regions(self.client.application).forget()

    def _sent(self, path: str, fields: dict[str, str | list[str]], status: int) -> Page:
        response = self.client.post(path, data=fields)
        if status != 303:
            return self._looked(path, response, status)
        _check_headers(response)
        assert response.status_code == 303, response.text
        place = urlsplit(response.headers["Location"])
        assert (place.scheme, place.netloc) == ("", "")
        return self.get(response.headers["Location"])

    def _looked(self, path: str, response: TestResponse, status: int) -> Page:
        assert response.status_code == status, (path, response.status_code, response.text)
        assert response.mimetype == "text/html"
        _check_headers(response)
        root, errors = parse(response.text)
        if root.all("html"):
            assert response.text.lstrip().lower().startswith("<!doctype html>")
            errors += page_complaints(root)
            if root.one("html").get("lang") == "en":
                errors += [f"in Chinese: {run}" for run in untranslated(root, self._data())]
        else:
            errors += complaints(root)
        assert not errors, (path, errors)
        return Page(path, status, root)


def _check_headers(response: TestResponse) -> None:
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert len(response.headers.getlist("Content-Security-Policy")) == 1
    if response.mimetype == "text/html":
        policy = response.headers["Content-Security-Policy"]
        assert {part.strip() for part in policy.split(";")} == POLICY
        assert response.headers["Cache-Control"] == "no-store"


def _standing(form: Node) -> dict[str, str | list[str]]:
    """What a form would send untouched, without any button."""
    fields: dict[str, str | list[str]] = {}
    for field in form.all("input"):
        name, kind = field.get("name"), field.get("type")
        if not name or kind == "file":
            continue
        if kind not in ("checkbox", "radio"):
            fields[name] = field.get("value")
        elif "checked" in field.attributes:
            fields[name] = [*fields.get(name, ()), field.get("value")]
    fields |= {select.get("name"): select.chosen() for select in form.all("select")}
    fields |= {area.get("name"): area.typed() for area in form.all("textarea")}
    return fields
