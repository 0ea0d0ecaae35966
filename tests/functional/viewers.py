"""Many people who look at live pages, and an admin's polls, as one process that takes little.

Each person has a kept-alive connection as a browser has, asks for the page, and then for each of
its live regions as often as the region itself says, with the headers htmx sends; what comes
replaces the region, so its next address and its end are taken from it. A page that has come to its
end is looked at again, as people do who wait for what follows.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

_STOP_POLLING = 286
_PATIENCE_SECONDS = 20.0  # htmx's own, as base.html sets it
_LOOK_AGAIN_SECONDS = 3.0
_TOKEN_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_TAG = re.compile(r"<\w+[^>]*\bhx-get=[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_EVERY = re.compile(r"every (\d+)s")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str


class Connection:
    """One kept-alive connection to the portal; a new one when the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._host = f"{host}:{port}".encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> Answer:
        """One request; once more where a kept connection was closed before any of its answer."""
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: " + self._host]
        lines += [f"{name}: {value}".encode() for name, value in headers.items()]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}".encode())
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        kept = self._streams is not None
        try:
            return await self._exchange(request)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            begun = isinstance(error, asyncio.IncompleteReadError) and error.partial
            if begun or not kept:
                raise
            return await self._exchange(request)  # as browsers do
        except BaseException:
            self.close()
            raise

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place, limit=1 << 20)
        reader, writer = self._streams
        writer.write(request)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in filter(None, lines):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(first.split(" ", 2)[1]), headers, body.decode())

    def close(self) -> None:
        """The next request opens another one."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


@dataclass
class Waited:
    """What was waited for, by region, and what went wrong."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, region: str, seconds: float) -> None:
        """One answer."""
        self.milliseconds.setdefault(region, []).append(seconds * 1000)

    def forget(self) -> None:
        """What came before does not count."""
        self.milliseconds.clear()
        self.failures.clear()


@dataclass(frozen=True)
class Region:
    """A part of a page that asks for itself again."""

    name: str
    path: str
    seconds: int


def regions_of(text: str) -> list[Region]:
    """The polling parts of a page or of an answer."""
    found = []
    for tag in _TAG.findall(text):
        attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
        every = _EVERY.fullmatch(attributes.get("hx-trigger", ""))
        if every:
            found.append(Region(attributes["id"], attributes["hx-get"], int(every[1])))
    return found


class Viewer:
    """Somebody who is logged in and looks at one page.

    :param page: its path, asked anew each time it is looked at
    :param press: the end of the action of a form that is sent before looking, none if empty
    """

    def __init__(
        self, address: str, name: str, password: str, page: Callable[[], str], press: str = ""
    ) -> None:
        parts = urlsplit(address)
        self._address = address
        self._origin = Connection(parts.hostname or "", parts.port or 80)
        self._name, self._password = name, password
        self._page, self._press = page, press
        self._cookie = ""

    async def log_in(self, locale: str) -> None:
        """As a person does, and choose a language."""
        page = (await self._ask("GET", "/login")).body
        answer = await self._send("/login", page, name=self._name, password=self._password)
        assert answer.status == 303, (self._name, answer.status)
        page = (await self._ask("GET", "/")).body
        answer = await self._send("/language", page, locale=locale)
        assert answer.status == 303, (self._name, answer.status)

    async def look(self, waited: Waited, until: asyncio.Event, *, after: float = 0.0) -> None:
        """At its page and all its regions, until told otherwise.

        :param after: seconds to wait first: people do not begin in the same moment
        """
        await _over(until, after)
        while not until.is_set():
            path = self._page()
            try:
                page = (await self._ask("GET", path)).body
                pressed = self._press and re.search(rf'action="([^"]*{self._press})"', page)
                if pressed:
                    await self._send(html.unescape(pressed[1]), page, **_filled(page))
                    page = (await self._ask("GET", path)).body
            except (OSError, EOFError, AssertionError, TimeoutError) as error:
                waited.failures.append(f"{path}: {error!r}")
                page = ""
            # One connection does one thing at a time; a browser's second poll would wait as well.
            due = {
                region.name: (time.monotonic() + region.seconds, region)
                for region in regions_of(page)
            }
            while due and not until.is_set():
                at, region = min(due.values(), key=lambda pair: pair[0])
                if await _over(until, at - time.monotonic()):
                    return
                del due[region.name]
                again = await self._poll(region, path, waited)
                if again is not None:
                    due[again.name] = (time.monotonic() + again.seconds, again)
            await _over(until, _LOOK_AGAIN_SECONDS)

    async def _poll(self, region: Region, page: str, waited: Waited) -> Region | None:
        """The region as it is to be asked for next; None when it has come to its end."""
        began = time.perf_counter()
        headers = {
            "HX-Request": "true",
            "HX-Current-URL": self._address + page,
            "HX-Target": region.name,
            "HX-Trigger": region.name,
        }
        try:
            answer = await self._ask("GET", region.path, headers)
        except (OSError, EOFError, TimeoutError, AssertionError) as error:
            waited.failures.append(f"{region.path}: {error!r}")
            return region
        waited.note(region.name.split("-")[0] + _tab(region.path), time.perf_counter() - began)
        if answer.status == _STOP_POLLING:
            return None
        return next((one for one in regions_of(answer.body) if one.name == region.name), None)

    async def _send(self, path: str, page: str, **fields: str) -> Answer:
        token = _TOKEN_FIELD.search(page)
        assert token, path
        body = urlencode({"csrf_token": html.unescape(token[1]), **fields}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", path, kind, body)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        sent = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", **(headers or {})}
        if self._cookie:
            sent["Cookie"] = self._cookie
        answer = await asyncio.wait_for(
            self._origin.ask(method, path, sent, body), _PATIENCE_SECONDS
        )
        if "set-cookie" in answer.headers:
            self._cookie = answer.headers["set-cookie"].partition(";")[0]
        assert answer.status in (200, _STOP_POLLING, 303), (path, answer.status)
        return answer

    def close(self) -> None:
        """Shut the browser."""
        self._origin.close()


@dataclass(frozen=True)
class Admin:
    """An admin that calls the executor's endpoints.

    :param calls: words and bodies, made in turn
    :param every: seconds from one call to the next
    """

    address: str
    token: str
    calls: Sequence[tuple[str, dict[str, object]]]
    every: float

    async def poll(self, waited: Waited, until: asyncio.Event, *, after: float = 0.0) -> None:
        """Call, each time on a connection of its own, as admins do.

        :param after: seconds to wait first
        """
        await _over(until, after)
        number = 0
        while not until.is_set():
            word, body = self.calls[number % len(self.calls)]
            number += 1
            began = time.perf_counter()
            try:
                answer = await self._call(word, body)
                if answer.status != 200 or json.loads(answer.body)["code"] != 200:
                    waited.failures.append(f"{word}: {answer.status} {answer.body[:200]}")
                waited.note(f"admin /{word}", time.perf_counter() - began)
            except (OSError, EOFError, TimeoutError) as error:
                waited.failures.append(f"{word}: {error!r}")
            await _over(until, self.every - (time.perf_counter() - began))

    async def _call(self, word: str, body: dict[str, object]) -> Answer:
        parts = urlsplit(self.address)
        headers = {"XXL-JOB-ACCESS-TOKEN": self.token, "Content-Type": "application/json"}
        connection = Connection(parts.hostname or "", parts.port or 80)
        call = connection.ask("POST", f"/xxl-job/{word}", headers, json.dumps(body).encode())
        try:
            return await asyncio.wait_for(call, _PATIENCE_SECONDS)
        finally:
            connection.close()


async def _over(until: asyncio.Event, seconds: float) -> bool:
    """Whether it is over, after so many seconds at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(until.wait(), max(0.0, seconds))
    return until.is_set()


def _tab(path: str) -> str:
    found = re.search(r"[?&]tab=(\w+)", path)
    return f" {found[1]}" if found else ""


def _filled(page: str) -> dict[str, str]:
    """The month that the form of a check of a connection is filled in with."""
    found = re.search(r'name="month"[^>]*value="([^"]*)"', page)
    return {"month": found[1]} if found else {}
