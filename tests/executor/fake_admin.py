"""A strict admin: takes exactly what the admins of 2.3 to 3.4 take, and refuses as they do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

TOKEN = "a-token-for-tests"
Raw = tuple[str, list[tuple[str, str]], bytes]


class _Quiet(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        pass


class FakeAdmin:
    """Serves ``/xxl-job-admin/api/`` on loopback while its ``with`` block lasts.

    ``trouble``, when set, answers instead: a status line, headers and a body.
    """

    def __init__(self, *, shape: str = "data", context_path: str = "/xxl-job-admin") -> None:
        self.shape = shape
        self.context_path = context_path
        self.trouble: Callable[[], Raw] | None = None
        self.registered: dict[str, str] = {}
        self.results: dict[int, dict[str, Any]] = {}
        self.batches: list[list[int]] = []
        self.calls: list[str] = []
        self.in_flight: set[int] = set()
        self.doubled: set[int] = set()
        self._lock = threading.Lock()
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.context_path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            self.calls.append(environ["PATH_INFO"])
        if self.trouble is not None:
            status, headers, content = self.trouble()
        else:
            content = json.dumps(self._answer(environ, body)).encode()
            status, headers = "200 OK", [("Content-Type", "application/json")]
        start(status, [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def _answer(self, environ: WSGIEnvironment, body: bytes) -> dict[str, Any]:
        if environ["REQUEST_METHOD"] != "POST":
            return self._shaped(500, "invalid request, HttpMethod not support.")
        if environ.get("HTTP_XXL_JOB_ACCESS_TOKEN") is None:  # 3.3.0 demands the header
            return self._shaped(500, "Required request header is not present")
        if environ["HTTP_XXL_JOB_ACCESS_TOKEN"] != TOKEN:
            return self._shaped(500, "The access token is wrong.")
        word = environ["PATH_INFO"].removeprefix(f"{self.context_path}/api/")
        call = {
            "registry": self._registry,
            "registryRemove": self._registry_remove,
            "callback": self._callback,
        }.get(word)
        if call is None:
            return self._shaped(500, f"invalid request, uri-mapping({word}) not found.")
        return call(json.loads(body))

    def _registry(self, body: Any) -> dict[str, Any]:
        assert set(body) == {"registryGroup", "registryKey", "registryValue"}
        assert body["registryGroup"] == "EXECUTOR"
        if not all(body.values()):
            return self._shaped(500, "Illegal Argument.")
        self.registered[body["registryValue"]] = body["registryKey"]
        return self._shaped(200)

    def _registry_remove(self, body: Any) -> dict[str, Any]:
        self.registered.pop(body["registryValue"], None)
        return self._shaped(200)

    def _callback(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, list):
            return self._shaped(500, "openapi invoke error: Expected BEGIN_ARRAY")
        log_ids = [item["logId"] for item in body]
        with self._lock:
            self.doubled |= self.in_flight & set(log_ids)
            self.in_flight |= set(log_ids)
            self.batches.append(log_ids)
        for item in body:
            assert set(item) == {"logId", "logDateTim", "handleCode", "handleMsg"}
            assert isinstance(item["handleCode"], int)
            assert len(item["handleMsg"]) <= 15_000
            self.results.setdefault(item["logId"], item)  # "log repeate callback." drops others
        with self._lock:
            self.in_flight -= set(log_ids)
        return self._shaped(200)

    def _shaped(self, code: int, msg: str | None = None) -> dict[str, Any]:
        if self.shape == "content":
            return {"code": code, "msg": msg, "content": None}
        success = code == 200
        return {"code": code, "msg": msg or "Success", "data": None, "success": success}
