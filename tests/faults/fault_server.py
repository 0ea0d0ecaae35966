"""The source contract on loopback, with a scripted behaviour for every try of a file or call."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.faults.tenant import JPEG_TYPE, Tenant
from tests.faults.wire import Listener, Peer, Seen, head

CLIENT_ID = "ent-faults"
CLIENT_SECRET = "s3cret-of-the-faults"
TOKEN = "/archivebase/scan/login/token"
COUNT = "/imgsys/migrate/v1/count"
DOCUMENTS = "/imgsys/migrate/v1/documents"
FILES = "/imgsys/migrate/v1/files/"
_CALLS = {TOKEN: "token", COUNT: "count", DOCUMENTS: "documents"}
#: What a request is noted as when its token was not good.
EXPIRED = "token not good"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that is to be answered; ``good`` is the body a faultless answer has."""

    server: FaultServer
    peer: Peer
    good: bytes
    content_type: str

    @property
    def seen(self) -> Seen:
        return self.peer.seen

    def send(self, data: bytes) -> None:
        self.peer.send(data)


#: Answers; True keeps the connection.
Behaviour = Callable[[Exchange], bool]


class FaultServer(Listener):
    """A source with one tenant.

    ``calls_per_token``: for how many calls a token is good, 0 for ever. ``refusing_tokens``: no
    token is good any more. ``everything``: what happens to every request, when set.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.calls_per_token = 0
        self.refusing_tokens = False
        self.everything: Behaviour | None = None
        self.tokens: dict[str, int] = {}
        self._scripts: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._ever: dict[str, Behaviour] = {}
        super().__init__()

    # What is to happen.

    def script(self, key: str, *tries: Behaviour, ever: Behaviour | None = None) -> None:
        """What the next tries of a file or call meet; afterwards ``ever``, or a good answer.

        :param key: a file id, ``token``, ``count 2024-01``, or ``documents 2024-01 1`` for a page
        """
        self._scripts[key].extend(tries)
        if ever is not None:
            self._ever[key] = ever

    # What happened.

    def fetches(self, file_id: str) -> list[Seen]:
        """The requests for a file that came with a good token."""
        path = FILES + file_id
        return [one for one in self.seen if unquote(one.path) == path and one.note != EXPIRED]

    def calls(self, path: str) -> list[Seen]:
        return [one for one in self.seen if one.path == path]

    def fetched(self) -> Counter[str]:
        """How often every file was asked for with a good token."""
        good = (one for one in self.seen if one.path.startswith(FILES) and one.note != EXPIRED)
        return Counter(unquote(one.path.removeprefix(FILES)) for one in good)

    # How it answers.

    def answer(self, peer: Peer) -> bool:
        path = peer.seen.path
        if self.everything is not None:
            return self.everything(Exchange(self, peer, b"", ""))
        if path.startswith(FILES):
            return self._file(peer, unquote(path.removeprefix(FILES)))
        call = _CALLS.get(path)
        if call is None:
            return self._perform(peer, f"path {path}", _envelope(None, "404"), "application/json")
        asked = json.loads(peer.seen.body)
        if call != "token" and not self._admits(peer):
            return False
        key, data = getattr(self, f"_{call}")(asked)
        return self._perform(peer, key, _envelope(data), "application/json")

    def _perform(self, peer: Peer, key: str, good: bytes, content_type: str) -> bool:
        with self._lock:
            script = self._scripts[key]
            behaviour = script.popleft() if script else self._ever.get(key, well)
        return behaviour(Exchange(self, peer, good, content_type))

    def _admits(self, peer: Peer) -> bool:
        """Count a call with the token; answers 401 to one that is not good."""
        with self._lock:
            calls = self.tokens.get(peer.seen.token or "")
            used_up = calls is None or (self.calls_per_token and calls >= self.calls_per_token)
            if not used_up and not self.refusing_tokens:
                self.tokens[peer.seen.token or ""] += 1
                return True
        peer.seen.note = EXPIRED
        peer.send(head("401 Unauthorized", "Content-Length: 0", "Connection: close"))
        return False

    def _file(self, peer: Peer, file_id: str) -> bool:
        if not self._admits(peer):
            return False
        return self._perform(peer, file_id, self.tenant.bodies.get(file_id, b""), JPEG_TYPE)

    def _token(self, asked: dict[str, Any]) -> tuple[str, object]:
        signed = f"{CLIENT_ID}{CLIENT_SECRET}{asked['timestamp']}".encode()
        if asked["sign"] != hashlib.md5(signed).hexdigest() or asked["clientId"] != CLIENT_ID:
            return "token", None
        token = secrets.token_hex(16)
        with self._lock:
            self.tokens[token] = 0
        return "token", {"accessToken": token, "expiresTime": 129600}

    def _count(self, asked: dict[str, Any]) -> tuple[str, object]:
        rows = self.tenant.all_rows(asked["collectFrom"], asked["collectTo"])
        files = [file for row in rows if isinstance(row["files"], list) for file in row["files"]]
        size = sum(len(self.tenant.bodies.get(str(file.get("fileId")), b"")) for file in files)
        totals = {"documents": len(rows), "files": len(files), "bytes": size, "groups": []}
        return f"count {asked['collectFrom'][:7]}", totals

    def _documents(self, asked: dict[str, Any]) -> tuple[str, object]:
        rows = self.tenant.all_rows(asked["collectFrom"], asked["collectTo"])
        page_no, size = asked["pageNo"], asked["pageSize"]
        page = {
            "total": len(rows),
            "pageNo": page_no,
            "pageSize": size,
            "rows": rows[(page_no - 1) * size : page_no * size],
        }
        return f"documents {asked['collectFrom'][:7]} {page_no}", page


def well(exchange: Exchange) -> bool:
    """The good answer, a part of it where that was asked for."""
    body, status, more = exchange.good, "200 OK", list[str]()
    wanted = exchange.seen.headers.get("range", "")
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if wanted.startswith("bytes=") and first:
        start, stop = int(first), int(last or len(body) - 1) + 1
        more = [f"Content-Range: bytes {start}-{stop - 1}/{len(body)}"]
        body, status = body[start:stop], "206 Partial Content"
    tag = hashlib.sha256(exchange.good).hexdigest()
    kind = f"Content-Type: {exchange.content_type}"
    lines = (kind, f"Content-Length: {len(body)}", f'ETag: "{tag}"', *more)
    exchange.send(head(status, *lines) + body)
    return True


def _envelope(data: object, errcode: str = "0000") -> bytes:
    if data is None and errcode == "0000":
        errcode = "1200"
    answer = {"errcode": errcode, "description": "", "data": data, "traceId": "t"}
    return json.dumps(answer).encode()
