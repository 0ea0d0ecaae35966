"""A source that gives a token, and repeats whatever it was sent in every failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TOKEN_PATH = "/archivebase/scan/login/token"


class _Handler(BaseHTTPRequestHandler):
    token = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path.startswith(_TOKEN_PATH):
            self._answer("0000", "ok", {"accessToken": self.token, "expiresTime": 3600})
            return
        said = f"not for {self.token}: {self.path} {dict(self.headers)} {body}"
        self._answer("1400", said, {})

    def do_GET(self) -> None:
        self.do_POST()

    def _answer(self, code: str, words: str, data: dict[str, object]) -> None:
        body = json.dumps({"errcode": code, "description": words, "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def echoing_source(token: str) -> Iterator[str]:
    """Its address while it lasts."""
    handler = type("Handler", (_Handler,), {"token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
