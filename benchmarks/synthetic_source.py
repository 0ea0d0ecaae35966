"""A source of any number of small documents that costs next to nothing, in processes of its own.

It speaks the source contract as far as a migration asks for it: any token is good, the filter by
organisation and type has to be empty, a Range is answered with the whole file, which a client must
expect anyway. The folder of the files has an index, for clients that copy a folder. What it costs
is told by ``python -m benchmarks.synthetic_source --documents 100000``, which asks for all pages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import requests

from benchmarks.process_use import cpu_of, look
from benchmarks.synthetic_tenant import SHANGHAI, Synthetic, file_id

FILES_PATH = "/imgsys/migrate/v1/files/"
CLIENT_ID, CLIENT_SECRET = "synthetic", "synthetic-secret"
_TOKEN = "synthetic-token"
_BACKLOG = 1024
_PAGE = 500
_KEPT_PAGES = 64
# Smaller files are sent together with what is said before them.
_NO_COPY = 64 * 1024


@dataclass(frozen=True)
class SyntheticSource:
    """The source as it stands there.

    :ivar pids: of its processes
    """

    url: str
    tenant: Synthetic
    pids: Sequence[int]
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET

    @property
    def document_count(self) -> int:
        """How many documents the tenant has."""
        return self.tenant.documents

    def cpu(self) -> float:
        """CPU seconds that it has used so far."""
        return cpu_of(look(self.pids))


@contextmanager
def synthetic_source(
    tenant: Synthetic, *, latency: float = 0.0, processes: int = 1
) -> Iterator[SyntheticSource]:
    """Serve the tenant on a free port of this machine.

    :param latency: seconds that every request waits for its answer, however many there are
    """
    _ = tenant.base  # made once, for all processes
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    forking = multiprocessing.get_context("fork")
    servers = [
        forking.Process(target=_serve, args=(listener, tenant, latency), daemon=True)
        for _ in range(processes)
    ]
    for server in servers:
        server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    try:
        yield SyntheticSource(url, tenant, [server.pid or 0 for server in servers])
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.join()


def _serve(listener: socket.socket, tenant: Synthetic, latency: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_run(listener, tenant, latency))


async def _run(listener: socket.socket, tenant: Synthetic, latency: float) -> None:
    loop = asyncio.get_running_loop()
    answers = _Answers(tenant)
    server = await loop.create_server(
        lambda: _Connection(answers, latency), sock=listener, backlog=_BACKLOG
    )
    await server.serve_forever()


class _Answers:
    """What is said to which request, as the bytes of a whole answer in one or two pieces."""

    def __init__(self, tenant: Synthetic) -> None:
        self._tenant = tenant
        self._page = lru_cache(_KEPT_PAGES)(self._make_page)
        kind = {"xml": "application/xml", "pdf": "application/pdf"}[tenant.base.suffix]
        self._file_head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {tenant.base.size}\r\n"
        )

    def to(self, method: str, path: str, body: bytes) -> Sequence[bytes]:
        """The answer."""
        path, _, _ = path.partition("?")
        if path.startswith(FILES_PATH):
            return self._file(path.removeprefix(FILES_PATH), method)
        if path.endswith("/token"):
            return _enveloped(f'{{"accessToken":"{_TOKEN}","expiresTime":129600}}')
        if not path.endswith(("/count", "/documents")):
            return _answer("404 Not Found", "text/plain", b"")
        asked = json.loads(body)
        if asked["orgCodes"] or asked["billTypeCodes"]:
            return _answer("501 Not Implemented", "text/plain", b"no filter")
        if path.endswith("/count"):
            return _enveloped(self._count(asked["collectFrom"], asked["collectTo"]))
        return self._page(
            asked["collectFrom"], asked["collectTo"], asked["pageNo"], asked["pageSize"]
        )

    def _file(self, name: str, method: str) -> Sequence[bytes]:
        if not name:
            return self._index()
        parts = self._tenant.parts(name)
        if parts is None:
            return _answer("404 Not Found", "text/plain", b"")
        head = f'{self._file_head}ETag: "{name}"\r\n\r\n'.encode()
        if method == "HEAD":
            return (head,)
        if len(parts[0]) < _NO_COPY:
            return (b"".join((head, *parts)),)
        return (head, *parts)

    def _index(self) -> Sequence[bytes]:
        names = (
            file_id(number, ordinal)
            for number in range(self._tenant.documents)
            for ordinal in range(self._tenant.files)
        )
        links = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
        return _answer("200 OK", "text/html", f"<html><body>\n{links}</body></html>".encode())

    def _between(self, start: str, end: str) -> range:
        return self._tenant.between(_moment(start), _moment(end))

    def _count(self, start: str, end: str) -> str:
        numbers, tenant = self._between(start, end), self._tenant
        groups = [
            {
                "month": month,
                "orgCode": "1001",
                "billTypeCode": "FYBX",
                "documents": count,
                "files": count * tenant.files,
                "bytes": count * tenant.files * tenant.base.size,
                "amount": None,
            }
            for month, count in tenant.months_of(numbers)
        ]
        files = len(numbers) * tenant.files
        whole = {"documents": len(numbers), "files": files, "bytes": files * tenant.base.size}
        return json.dumps({**whole, "groups": groups})

    def _make_page(self, start: str, end: str, page_no: int, page_size: int) -> Sequence[bytes]:
        numbers = self._between(start, end)
        wanted = numbers[(page_no - 1) * page_size : page_no * page_size]
        rows = ",".join(map(self._tenant.row, wanted))
        return _enveloped(
            f'{{"total":{len(numbers)},"pageNo":{page_no},"pageSize":{page_size},"rows":[{rows}]}}'
        )


class _Connection(asyncio.Protocol):
    """One kept-alive connection; requests are answered in their order."""

    def __init__(self, answers: _Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be answered any more."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._read += data
        while (request := self._next()) is not None:
            if self._latency:
                loop = asyncio.get_running_loop()
                loop.call_later(self._latency, self._answer, *request)
            else:
                self._answer(*request)

    def _next(self) -> tuple[str, str, bytes] | None:
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return None
        method, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        length = 0 if method in ("GET", "HEAD") else _length(head)
        if len(rest) < length:
            return None
        self._read = rest[length:]
        return method, path, rest[:length]

    def _answer(self, method: str, path: str, body: bytes) -> None:
        if self._transport is not None:
            self._transport.writelines(self._answers.to(method, path, body))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)


def _enveloped(data: str) -> Sequence[bytes]:
    text = f'{{"errcode":"0000","description":"ok","data":{data},"traceId":"0"}}'
    return _answer("200 OK", "application/json; charset=utf-8", text.encode())


def _answer(status: str, kind: str, body: bytes) -> Sequence[bytes]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head.encode() + body,)


def main() -> None:
    """Say what listing and fetching cost the source, asked by as many clients as it has cores."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--files", type=int, default=1)
    options.add_argument("--file-size", type=int, default=200)
    options.add_argument("--months", type=int, default=12)
    options.add_argument("--latency", type=float, default=0.0, help="seconds of every request")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--fetched", type=int, default=2000, help="so many files are fetched")
    options.add_argument("--serve", action="store_true", help="say the address and stay")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    tenant = Synthetic(given.documents, given.files, given.file_size, given.months)
    with synthetic_source(tenant, latency=given.latency, processes=given.processes) as source:
        if given.serve:
            print(f"{source.url} {source.client_id} {source.client_secret}", flush=True)
            signal.pause()
        _report(source, given.fetched, as_json=given.json)


def _report(source: SyntheticSource, fetched: int, *, as_json: bool) -> None:
    print("| what | a second | source's CPU µs each |")
    print("| --- | --- | --- |")
    figures: dict[str, float] = {}
    tenant = source.tenant
    pages = [
        (start.isoformat(), end.isoformat(), page)
        for month, (start, end) in enumerate(zip(tenant.starts, tenant.starts[1:], strict=False))
        for page in range(1, -(-_in_month(tenant, month) // _PAGE) + 1)
    ]
    files = [file_id(n % tenant.documents, 0) for n in range(min(fetched, tenant.documents))]
    clients = os.cpu_count() or 1
    with ThreadPoolExecutor(clients) as pool, requests.Session() as session:
        for what, count, call, wanted in (
            ("documents listed", tenant.documents, _ask_page, pages),
            ("files fetched", len(files), _ask_file, files),
        ):
            used, began = source.cpu(), time.monotonic()
            list(pool.map(lambda one, call=call: call(session, source.url, one), wanted))
            pace = count / (time.monotonic() - began)
            cost = (source.cpu() - used) / count * 1e6
            print(f"| {what} | {pace:.0f} | {cost:.1f} |")
            figures[what.replace(" ", "_") + "_per_second"] = round(pace, 1)
            figures[what.replace(" ", "_") + "_cpu_us"] = round(cost, 2)
    if as_json:
        print(json.dumps(figures))


def _in_month(tenant: Synthetic, month: int) -> int:
    return tenant.first_of(month + 1) - tenant.first_of(month)


def _ask_page(session: requests.Session, url: str, wanted: tuple[str, str, int]) -> None:
    start, end, page = wanted
    scope = {"collectFrom": start, "collectTo": end, "orgCodes": [], "billTypeCodes": []}
    body = {**scope, "pageNo": page, "pageSize": _PAGE}
    session.post(f"{url}/imgsys/migrate/v1/documents", json=body, timeout=60).raise_for_status()


def _ask_file(session: requests.Session, url: str, name: str) -> None:
    session.get(f"{url}{FILES_PATH}{name}", timeout=60).raise_for_status()


if __name__ == "__main__":
    main()
