"""A source by the contract that lists hostile rows and files between good documents."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

Row = dict[str, Any]
_LISTED = "2024-01-10T10:00:00+08:00"
_CALLS = "/imgsys/migrate/v1/"


def make_row(number: str, body: bytes, name: str, **changes: Any) -> Row:
    """A document of one file, complete unless changed; ``file`` changes what is said of it."""
    file: Row = {
        "fileId": f"f-{number}",
        "fileType": "attach",
        "seq": 1,
        "fileName": name,
        "fileSuffix": name.rpartition(".")[2],
        "fileSize": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    row: Row = {
        "scanBillNo": number,
        "billNo": f"FY-{number}",
        "fbillTypeCode": "FYBX",
        "fbillTypeDes": "费用报销单",
        "fapplyOrganizationCode": "1001",
        "fapplyOrganizationName": "深圳总部",
        "fapplyUserName": "张伟",
        "collectTime": _LISTED,
        "totalAmount": "12.50",
        "resource": "EAS",
    }
    return {**row, **changes, "files": [{**file, **changes.pop("file", {})}]}


class HostileSource:
    """Serves rows and bodies (by file id) on a port of its own, from threads of the test.

    Its rows stand for January 2024.
    """

    client_id, client_secret = "client", "secret"

    def __init__(self, rows: list[Row], bodies: Mapping[str, bytes]) -> None:
        source = self
        self._rows, self._bodies = rows, bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                data = source._answer(self.path, asked)
                text = json.dumps({"errcode": "0000", "description": "", "data": data})
                self._send(text.encode(), "application/json")

            def do_GET(self) -> None:
                body = source._bodies.get(unquote(self.path.rpartition("/")[2]))
                self._send(body or b"", "application/octet-stream", 404 if body is None else 200)

            def _send(self, body: bytes, media_type: str, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/token"):
            return {"accessToken": "t-1", "expiresTime": 7200}
        rows = self._rows if asked["collectFrom"].startswith("2024-01") else []
        if path == f"{_CALLS}count":
            return self._count(rows)
        start = (asked["pageNo"] - 1) * asked["pageSize"]
        page = rows[start : start + asked["pageSize"]]
        return {"total": len(rows), "pageNo": asked["pageNo"], "rows": page}

    def _count(self, rows: list[Row]) -> dict[str, Any]:
        pairs = Counter(("1001", "FYBX") for _ in rows)
        groups = [
            {
                "month": "2024-01",
                "orgCode": org,
                "billTypeCode": kind,
                "documents": count,
                "files": count,
                "bytes": 0,
                "amount": "0.00",
            }
            for (org, kind), count in pairs.items()
        ]
        return {"documents": len(rows), "files": len(rows), "bytes": 0, "groups": groups}
