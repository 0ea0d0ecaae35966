"""Strict admins: each version takes exactly what it takes in life, and refuses as it does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.executor.java_peer import JavaObject, JavaReader, JavaWriter

TOKEN = "a-token-for-tests"
APP_NAME = "imaging-migration"
VERSIONS = ("2.0.2", "2.1.0", "2.1.2", "2.2.0", "2.4.2", "3.2.0", "3.3.0", "3.4.2", "3.5.0")
_MODEL = "com.xxl.job.core.biz.model."
Raw = tuple[str, list[tuple[str, str]], bytes]


class _Quiet(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        pass


@dataclass(frozen=True)
class Stored:
    """What an admin has written to its log table."""

    code: int
    msg: str
    item: dict[str, Any]


class Refusal(Exception):
    """Code 500 with this text."""


class FakeAdmin:
    """Serves ``/xxl-job-admin/api/`` on loopback while its ``with`` block lasts.

    ``trouble``, when set, answers instead: a status line, headers and a body. ``poison`` are log
    ids whose results bring every callback down that they are in.
    """

    def __init__(
        self, version: str = "3.4.2", *, context_path: str = "/xxl-job-admin", port: int = 0
    ) -> None:
        self.version = version
        self.context_path = context_path
        self.trouble: Callable[[], Raw] | None = None
        self.poison: set[int] = set()
        self.seconds_per_callback = 0.0
        self.registered: dict[str, str] = {}
        self.results: dict[int, Stored] = {}
        self.batches: list[list[int]] = []
        self.calls: list[str] = []
        self.bodies: list[Any] = []
        self.in_flight: set[int] = set()
        self.doubled: set[int] = set()
        self._lock = threading.Lock()
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._serve, threaded=True, request_handler=_Quiet
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.context_path}"

    @property
    def is_35(self) -> bool:
        return self.version.startswith("3.5")

    @property
    def is_rpc(self) -> bool:
        """Whether it takes Hessian and nothing else."""
        return self.version < "2.1.1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, word: str) -> int:
        return self.calls.count(f"{self.context_path}/api/{word}")

    def _serve(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            self.calls.append(environ["PATH_INFO"])
        if self.trouble is not None:
            status, headers, content = self.trouble()
        elif self.is_rpc:
            status, headers, content = self._rpc(environ, body)
        else:
            content = json.dumps(self._answer(environ, body)).encode()
            status, headers = "200 OK", [("Content-Type", "application/json")]
        start(status, [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def _answer(self, environ: WSGIEnvironment, body: bytes) -> dict[str, Any]:
        word = environ["PATH_INFO"].removeprefix(f"{self.context_path}/api/")
        try:
            if environ["REQUEST_METHOD"] != "POST":
                raise Refusal("invalid request, HttpMethod not support.")
            self._check_credentials(environ)
            self._call(word, json.loads(body))
        except Refusal as refusal:
            return self._shaped(500, str(refusal))
        return self._shaped(200)

    def _rpc(self, environ: WSGIEnvironment, body: bytes) -> Raw:
        """Spring knows ``/api`` only, and sends whoever asks for another page to log in."""
        if environ["PATH_INFO"] != f"{self.context_path}/api":
            return "302 Found", [("Location", f"{self.context_path}/toLogin")], b""
        request = JavaReader(body).read_all()
        error = result = None
        try:
            self._invoke(request)
            result = JavaObject(f"{_MODEL}ReturnT", {"msg": None, "content": None, "code": 200})
        except Refusal as refusal:
            error = str(refusal)
        fields = {"requestId": request.fields["requestId"], "errorMsg": error, "result": result}
        response = JavaObject("com.xxl.rpc.remoting.net.params.XxlRpcResponse", fields)
        content = JavaWriter().write(response)
        return "200 OK", [("Content-Type", "text/html;charset=utf-8")], content

    def _invoke(self, request: JavaObject) -> None:
        assert request.name == "com.xxl.rpc.remoting.net.params.XxlRpcRequest"
        fields = request.fields
        assert set(fields) == {
            "requestId",
            "createMillisTime",
            "accessToken",
            "className",
            "methodName",
            "version",
            "parameterTypes",
            "parameters",
        }
        assert len(fields["requestId"]) == 36
        assert fields["version"] is None
        if fields["className"] != "com.xxl.job.core.biz.AdminBiz":
            raise Refusal(f"The serviceKey[{fields['className']}] not found.")
        if time.time() * 1000 - fields["createMillisTime"] > 180_000:
            raise Refusal("The timestamp difference between admin and executor exceeds the limit.")
        if fields["accessToken"] != TOKEN:
            raise Refusal(f"The access token[{fields['accessToken']}] is wrong.")
        [of_class] = fields["parameterTypes"].items
        [argument] = fields["parameters"].items
        assert of_class.name == "java.lang.Class"
        self._dispatch(fields["methodName"], of_class.fields["name"], argument)

    def _dispatch(self, method: str, of_class: str, argument: Any) -> None:
        if (method, of_class) == ("callback", "java.util.List"):
            for item in argument.items:
                assert item.name == f"{_MODEL}HandleCallbackParam"
                assert set(item.fields) == {"logId", "logDateTim", "executeResult"}
                assert item.fields["executeResult"].name == f"{_MODEL}ReturnT"
                item.fields["executeResult"] = item.fields["executeResult"].fields
            self._callback([item.fields for item in argument.items])
            return
        assert of_class == f"{_MODEL}RegistryParam"
        assert argument.name == of_class
        assert argument.fields.pop("registGroup") == "EXECUTOR"
        self._call(method, {"registryGroup": "EXECUTOR", **argument.fields})

    def _check_credentials(self, environ: WSGIEnvironment) -> None:
        name = "HTTP_XXL_RPC_ACCESS_TOKEN" if self.version < "2.2" else "HTTP_XXL_JOB_ACCESS_TOKEN"
        token = environ.get(name)
        if self.version.startswith("3.3") and token is None:
            raise Refusal("Required request header 'XXL-JOB-ACCESS-TOKEN' is not present")
        if self.is_35:
            app_name = environ.get("HTTP_XXL_JOB_APPNAME")
            if not token or not app_name:
                raise Refusal("invalid request, accessToken or appname is empty.")
            if (token, app_name) != (TOKEN, APP_NAME):
                raise Refusal("invalid request, accessToken or appname invalid.")
        elif token != TOKEN:
            raise Refusal("The access token is wrong.")

    def _call(self, word: str, body: Any) -> None:
        match word:
            case "registry":
                assert set(body) == {"registryGroup", "registryKey", "registryValue"}
                assert body["registryGroup"] == "EXECUTOR"
                if not all(body.values()):
                    raise Refusal("Illegal Argument.")
                self.registered[body["registryValue"]] = body["registryKey"]
            case "registryRemove":
                self.registered.pop(body["registryValue"], None)
            case "callback":
                self._callback(body)
            case _:
                raise Refusal(f"invalid request, uri-mapping({word}) not found.")

    def _callback(self, body: Any) -> None:
        self.bodies.append(body)
        items = self._items(body)
        log_ids = [item["logId"] for item in items]
        assert len(items) <= 50
        assert len(set(log_ids)) == len(log_ids)
        with self._lock:
            self.doubled |= self.in_flight & set(log_ids)
            self.in_flight |= set(log_ids)
        try:
            time.sleep(self.seconds_per_callback)
            if self.poison & set(log_ids):
                raise Refusal("java.lang.IllegalStateException: what is this?")
            stored = {item["logId"]: self._stored(item) for item in items}
        finally:
            with self._lock:
                self.in_flight -= set(log_ids)
        with self._lock:
            self.batches.append(log_ids)
            for log_id, result in stored.items():
                if result.code > 0:  # else the run goes on "running" for ever
                    self.results.setdefault(log_id, result)  # "log repeate callback."

    def _items(self, body: Any) -> list[dict[str, Any]]:
        if self.is_35:
            if not isinstance(body, dict):
                raise Refusal(
                    "openapi invoke error: com.google.gson.JsonSyntaxException: java.lang."
                    "IllegalStateException: Expected BEGIN_OBJECT but was BEGIN_ARRAY at line 1"
                )
            assert set(body) == {"callbackList"}
            items = body["callbackList"]
        elif isinstance(body, list):
            items = body
        elif self.version < "2.2":
            raise Refusal("The request data invalid.")
        else:
            raise Refusal(
                "com.google.gson.JsonSyntaxException: java.lang.IllegalStateException: "
                "Expected BEGIN_ARRAY but was BEGIN_OBJECT at line 1 column 2 path $"
            )
        assert isinstance(items, list)
        return items

    def _stored(self, item: dict[str, Any]) -> Stored:
        assert isinstance(item["logId"], int)
        if self.version < "2.2" and set(item) != {"logId", "logDateTim", "executeResult"}:
            raise Refusal("The request data invalid.")
        if self.version < "2.3":
            if "executeResult" not in item:
                raise Refusal("java.lang.NullPointerException")
            code, msg = item["executeResult"]["code"], item["executeResult"]["msg"]
        else:
            code, msg = item.get("handleCode", 0), item.get("handleMsg", "")
        if self.is_35:
            assert set(item) == {"logId", "logDateTime", "handleCode", "handleMsg"}
        assert isinstance(code, int)
        assert len(msg) <= 15_000
        return Stored(code, msg, item)

    def _shaped(self, code: int, msg: str | None = None) -> dict[str, Any]:
        if self.version < "3.2":
            return {"code": code, "msg": msg, "content": None}
        key = "content" if self.version < "3.3" else "data"
        return {"code": code, "msg": msg or "Success", key: None, "success": code == 200}
