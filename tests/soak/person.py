"""Somebody at the pages without a browser: follows links, sends forms as they stand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import unescape
from re import findall, search

import requests

_PATIENCE_SECONDS = 60.0
_CHORE_SECONDS = 120.0


@dataclass
class Person:
    """A login of its own; every answer has to be a good one."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def log_in(self, name: str, password: str) -> None:
        """As a person does."""
        self.post("/login", "/login", name=name, password=password)

    def log_out(self) -> None:
        """And shut the browser."""
        self.post("/", "/logout")
        self.session.close()

    def get(self, path: str) -> str:
        """A page or a part of one."""
        return self.fetch(path).text

    def fetch(self, path: str) -> requests.Response:
        """Anything, read to its end."""
        answer = self.session.get(self.address + path, timeout=_PATIENCE_SECONDS)
        assert answer.ok, (path, answer.status_code, answer.text[:300])
        return answer

    def post(self, page: str, action: str, **fields: str) -> requests.Response:
        """Send a form with the token that stands on a page; where it led to."""
        token = search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(page))
        assert token, page
        answer = self.session.post(
            self.address + action,
            data={"csrf_token": unescape(token[1]), **fields},
            timeout=_PATIENCE_SECONDS,
        )
        assert answer.ok, (action, answer.status_code, answer.text[:300])
        return answer

    def wait_for_chore(self, page: str) -> str:
        """Ask for a page until nothing on it is under way any more, as who watches it does."""
        deadline = time.monotonic() + _CHORE_SECONDS
        while 'hx-trigger="every' in (text := self.get(page)):
            assert time.monotonic() < deadline, page
            time.sleep(0.5)
        return text

    def looked_at(self, page: str, pattern: str, most: int) -> list[str]:
        """The addresses on a page that match, having asked for the first of them."""
        found = [unescape(one) for one in findall(pattern, self.get(page))]
        for path in found[:most]:
            self.fetch(path)
        return found
