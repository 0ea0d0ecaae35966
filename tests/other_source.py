"""A source system of another make, with paths, words and habits of its own.

Only a connector profile brings the portal together with it: the one the manual shows. It speaks
no word of the source contract, so whatever is hard-wired fails here.
"""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from PIL import Image

APP_KEY = "finance-archive"
APP_SECRET = "s3cret-of-the-other-source"
BASE_PATH = "/影像 平台/v2"
DOCUMENTS = 24
#: Tickets are good for so many requests, so that they run out in the middle of a migration.
TICKET_USES = 25
_ROLES = ("F", "V", "O")


@dataclass
class Seen:
    """One request as it arrived; ``port`` is the client's."""

    method: str
    target: str
    headers: dict[str, str]
    port: int

    @property
    def text(self) -> str:
        return f"{self.target} {self.headers}"


@dataclass
class _Picture:
    key: str
    role: str
    ext: str
    body: bytes


@dataclass
class _Bill:
    serial: str
    scanned: datetime
    unit: str
    kind: str
    money: str
    pictures: list[_Picture] = field(default_factory=list)


class _Server:
    """An HTTP or HTTPS server that remembers what it is asked."""

    def __init__(self, host: str, tls: ssl.SSLContext | None) -> None:
        self.seen: list[Seen] = []
        self._host = host
        self._scheme = "http" if tls is None else "https"
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"{self._scheme}://{self._host}:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, seen: Seen, body: bytes) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError


class PictureHost(_Server):
    """Another host that keeps some of the files; must never learn a ticket."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.bodies: dict[str, bytes] = {}
        super().__init__("localhost", tls)

    def answer(self, seen: Seen, body: bytes) -> tuple[int, dict[str, str], bytes]:
        found = self.bodies.get(urlsplit(seen.target).path.rpartition("/")[2])
        return (404, {}, b"") if found is None else (200, {}, found)


class OtherSource(_Server):
    """The source itself: ``bills`` it holds, ``tickets`` it issued."""

    def __init__(self, pictures: PictureHost, tls: ssl.SSLContext | None = None) -> None:
        self.pictures = pictures
        self.bills = [_bill(number) for number in range(DOCUMENTS)]
        self.tickets: list[str] = []
        self.uses: Counter[str] = Counter()
        self._by_key = {one.key: one for bill in self.bills for one in bill.pictures}
        self._hiccups = {self.bills[3].pictures[2].key}
        for key in (self.linked, self.moved):
            pictures.bodies[key] = self._by_key[key].body
        super().__init__("127.0.0.1", tls)

    @property
    def base_url(self) -> str:
        """As an operator may copy it: percent-encoded in part, with slashes at its end."""
        return f"{self.origin}{BASE_PATH.replace('影像', quote('影像'))}//"

    @property
    def linked(self) -> str:
        """The file whose row says that it is on the other host."""
        return self.bills[1].pictures[0].key

    @property
    def moved(self) -> str:
        """The file whose download redirects to the other host."""
        return self.bills[2].pictures[1].key

    def answer(self, seen: Seen, body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(seen.target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path == f"{BASE_PATH}/auth/ticket" and seen.method == "POST":
            return self._ticket(json.loads(body))
        if seen.method != "GET" or "Authorization" in seen.headers:
            return 405, {}, b""
        if not self._admits(query.get("ticket", [""])[0]):
            return 401, {}, b""
        return self._query(path.removeprefix(BASE_PATH), query)

    def _query(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        if path == "/query/summary":
            return _said(self._summary(self._within(query)))
        if path == "/query/bills":
            return _said(self._bills(self._within(query), query))
        if path == "/query/units":
            return _said({"options": [{"id": "u0", "label": "上海分公司"}, {"id": "u9"}]})
        if path == "/query/kinds":
            return _said({"options": [{"id": "k0", "label": "差旅"}] * 2})
        return self._blob(query["key"][0]) if path == "/blob" else (404, {}, b"")

    def _ticket(self, asked: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        signed = f"{APP_KEY}{APP_SECRET}{asked['when']}".encode()
        if len(str(asked["when"])) != 10 or asked["from"]["channel"] != 7:
            return _said(None, code=4000)
        if asked["digest"] != hashlib.md5(signed).hexdigest() or asked["app"] != APP_KEY:
            return _said(None, code=4001)
        self.tickets.append(f"ticket/{len(self.tickets)}+secret")
        return _said({"session": {"ticket": self.tickets[-1]}})

    def _admits(self, ticket: str) -> bool:
        self.uses[ticket] += 1
        return ticket in self.tickets and self.uses[ticket] <= TICKET_USES

    def _within(self, query: dict[str, list[str]]) -> list[_Bill]:
        begin, finish = (datetime.fromisoformat(query[name][0]) for name in ("begin", "finish"))
        units, kinds = query.get("unit"), query.get("kind")
        return [
            bill
            for bill in self.bills
            if begin <= bill.scanned < finish
            and (units is None or bill.unit in units)
            and (kinds is None or bill.kind in kinds)
        ]

    def _summary(self, bills: list[_Bill]) -> dict[str, Any]:
        shares: dict[tuple[str, str, str], list[_Bill]] = {}
        for bill in bills:
            key = (f"{bill.scanned:%Y-%m}", bill.unit, bill.kind)
            shares.setdefault(key, []).append(bill)
        breakdown = [
            {"period": period, "unit": {"id": unit}, "kind": {"id": kind}, **_sums(share)}
            for (period, unit, kind), share in shares.items()
        ]
        return {"totals": _sums(bills), "breakdown": breakdown}

    def _bills(self, bills: list[_Bill], query: dict[str, list[str]]) -> dict[str, Any]:
        start, rows = int(query["start"][0]), int(query["rows"][0])
        return {
            "hits": len(bills),
            "pageNo": 0,  # a word of the contract that means something else here
            "list": [self._row(bill) for bill in bills[start : start + rows]],
        }

    def _row(self, bill: _Bill) -> dict[str, Any]:
        return {
            "serial": bill.serial,
            "voucher": f"V-{bill.serial}",
            "kind": {"id": bill.kind, "label": "差旅"},
            "unit": {"id": bill.unit, "label": "上海分公司", "region": "华东"},
            "owner": "李娜",
            "scanned": bill.scanned.isoformat(),
            "money": bill.money,
            "system": "OTHER",
            "pics": {"items": [self._item(bill, one) for one in bill.pictures], "rev": 3},
        }

    def _item(self, bill: _Bill, picture: _Picture) -> dict[str, Any]:
        link = f"{self.pictures.origin}/pic/{picture.key}" if picture.key == self.linked else None
        return {
            "key": picture.key,
            "role": picture.role,
            "order": bill.pictures.index(picture),
            "title": f"{picture.key}.{picture.ext}",
            "ext": picture.ext,
            "length": len(picture.body),
            "hash": {
                "sha256": hashlib.sha256(picture.body).hexdigest(),
                "md5": hashlib.md5(picture.body).hexdigest(),
            },
            "sheets": None if picture.ext == "txt" else 1,
            "link": link,
        }

    def _blob(self, key: str) -> tuple[int, dict[str, str], bytes]:
        if key == self.moved:
            return 302, {"Location": f"{self.pictures.origin}/pic/{key}"}, b""
        if key in self._hiccups:
            self._hiccups.discard(key)
            return _said(None, code=503, text="busy, please try again")
        return 200, {}, self._by_key[key].body


class _Handler(BaseHTTPRequestHandler):
    owner: _Server
    protocol_version = "HTTP/1.1"
    timeout = 20

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ssl.SSLError):
            self.close_connection = True  # a client that does not trust us, or had enough

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        seen = Seen(self.command, self.path, dict(self.headers), self.client_address[1])
        self.owner.seen.append(seen)
        status, headers, content = self.owner.answer(seen, body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _bill(number: int) -> _Bill:
    """Bills of January and February 2024, three files each."""
    scanned = datetime.fromisoformat("2024-01-01") + timedelta(hours=number * 60)
    bill = _Bill(f"B{number:04d}", scanned, f"u{number % 2}", f"k{number % 3}", f"{number}.50")
    for position, role in enumerate(_ROLES):
        key = f"{bill.serial}/{position} 页"
        ext = "txt" if role == "O" else "jpg"
        body = f"附件 {key}".encode() if role == "O" else _jpeg(number * 3 + position)
        bill.pictures.append(_Picture(key, role, ext, body))
    for one in bill.pictures[:2]:
        one.key = one.key.replace("/", "-").replace(" 页", "")
    return bill


def _jpeg(number: int) -> bytes:
    file = io.BytesIO()
    colour = (number * 7 % 256, number * 13 % 256, number * 29 % 256)
    Image.new("RGB", (420, 320), colour).save(file, "JPEG")
    return file.getvalue()


def _sums(bills: Sequence[_Bill]) -> dict[str, Any]:
    pictures = [one for bill in bills for one in bill.pictures]
    return {
        "bills": len(bills),
        "pics": len(pictures),
        "size": sum(len(one.body) for one in pictures),
        "money": f"{sum(float(bill.money) for bill in bills):.2f}",
    }


def _said(result: Any, *, code: int = 0, text: str = "ok") -> tuple[int, dict[str, str], bytes]:
    answer = {"status": {"code": code, "text": text}, "result": result}
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
