"""How fast different HTTP clients fetch and hash the same files over loopback.

Each round runs every client once, in random order, so that a noisy machine is unfair to all alike.
Every client fetches every file, hashes it, and must arrive at the same digest of digests.

    python benchmarks/fetch_clients.py --files 2000 --mean-size 170000 --rounds 5 --server nginx
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import importlib.metadata
import os
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pycurl
import requests
import urllib3

from portal.sync.download import Download, Downloader, DownloadOptions

PIECE = 256 * 1024
THREADS = 8
IN_FLIGHT = 32

#: Fetches the named files below a base address and returns their SHA-256 digests by name.
Client = Callable[[str, Sequence[str]], dict[str, bytes]]

#: http.server with a queue for many connections at once and without one packet per header.
BUILTIN = """
import functools, http.server, sys

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

handler = functools.partial(Handler, directory=sys.argv[1])
Server(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
"""

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
    }}
}}
"""


class HashingSink:
    """Hashes what it gets and keeps nothing."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.write = self.sha256.update


def with_downloader(base: str, names: Sequence[str]) -> dict[str, bytes]:
    """One thread, libcurl's multi interface: the portal's own downloader."""
    sinks = [HashingSink() for _ in names]
    with closing(Downloader(DownloadOptions(connections=IN_FLIGHT))) as downloader:
        following = 0
        while following < len(names) or downloader.in_flight:
            while following < len(names) and downloader.in_flight < IN_FLIGHT:
                url = f"{base}/{names[following]}"
                downloader.start(Download(following, url, (), sinks[following], None))
                following += 1
            for ended in downloader.wait(60.0):
                if ended.error is not None:
                    raise ended.error
    return {name: sink.sha256.digest() for name, sink in zip(names, sinks, strict=True)}


def with_requests(base: str, names: Sequence[str]) -> dict[str, bytes]:
    """Threads with one session each."""
    mine = threading.local()

    def fetch(name: str) -> bytes:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
            mine.session.trust_env = False
        sha256 = hashlib.sha256()
        with mine.session.get(f"{base}/{name}", stream=True, timeout=(10, 30)) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(PIECE):
                sha256.update(piece)
        return sha256.digest()

    return _in_threads(fetch, names)


def with_urllib3(base: str, names: Sequence[str]) -> dict[str, bytes]:
    """Threads sharing one pool."""
    pool = urllib3.PoolManager(maxsize=THREADS, timeout=urllib3.Timeout(10, 30), retries=False)

    def fetch(name: str) -> bytes:
        sha256 = hashlib.sha256()
        answer = pool.request("GET", f"{base}/{name}", preload_content=False)
        if answer.status != 200:
            raise RuntimeError(f"{name}: {answer.status}")
        for piece in answer.stream(PIECE):
            sha256.update(piece)
        answer.release_conn()
        return sha256.digest()

    try:
        return _in_threads(fetch, names)
    finally:
        pool.clear()


def with_obstore(base: str, names: Sequence[str]) -> dict[str, bytes]:
    """Threads over Rust's object_store."""
    http_store = importlib.import_module("obstore.store").HTTPStore
    store = http_store.from_url(base, client_options={"allow_http": True})

    def fetch(name: str) -> bytes:
        sha256 = hashlib.sha256()
        for piece in store.get(name).stream(min_chunk_size=PIECE):
            sha256.update(piece)
        return sha256.digest()

    return _in_threads(fetch, names)


def with_aiohttp(base: str, names: Sequence[str]) -> dict[str, bytes]:
    """One thread, asyncio."""
    aiohttp = importlib.import_module("aiohttp")

    async def fetch_all() -> dict[str, bytes]:
        digests: dict[str, bytes] = {}
        left = list(names)

        async def worker(session: Any) -> None:
            while left:
                name, sha256 = left.pop(), hashlib.sha256()
                async with session.get(f"{base}/{name}") as answer:
                    answer.raise_for_status()
                    async for piece in answer.content.iter_any():
                        sha256.update(piece)
                digests[name] = sha256.digest()

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(worker(session) for _ in range(IN_FLIGHT)))
        return digests

    return asyncio.run(fetch_all())


def _in_threads(fetch: Callable[[str], bytes], names: Sequence[str]) -> dict[str, bytes]:
    with ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(names, threads.map(fetch, names), strict=True))


#: Distribution → client; those that are not installed are left out.
CLIENTS: dict[str, Client] = {
    "requests": with_requests,
    "urllib3": with_urllib3,
    "pycurl": with_downloader,
    "obstore": with_obstore,
    "aiohttp": with_aiohttp,
}


def installed_clients() -> dict[str, str]:
    """Version by distribution of every client that can be measured here."""
    versions: dict[str, str] = {}
    for name in CLIENTS:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def make_files(folder: Path, count: int, mean_size: int, seed: int) -> dict[str, bytes]:
    """Write files of log-normal sizes and random bytes; returns their digests by name."""
    noise = random.Random(seed)
    folder.mkdir()
    pool = noise.randbytes(4 * 1024 * 1024)
    digests: dict[str, bytes] = {}
    for number in range(count):
        # A log-normal with sigma 1 has the mean exp(mu + 1/2).
        size = max(1, int(mean_size * noise.lognormvariate(-0.5, 1.0)))
        start = noise.randrange(len(pool))
        data = (pool[start:] + pool * (size // len(pool) + 1))[:size]
        name = f"f{number:06d}.bin"
        (folder / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).digest()
    return digests


@contextmanager
def serving(folder: Path, server: str) -> Iterator[str]:
    """Serve ``folder/files`` from a child process; yields the base address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = subprocess.Popen(
        _server_command(folder, server, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(port, child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()


def _server_command(folder: Path, server: str, port: int) -> list[str]:
    if server == "builtin":
        return [sys.executable, "-c", BUILTIN, str(folder / "files"), str(port)]
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, user=user))
    return [_nginx() or "nginx", "-c", str(config), "-e", str(folder / "error.log")]


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _wait_until_open(port: int, child: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if child.poll() is not None:
            raise SystemExit("the server did not start")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit("the server did not open its port")


def measure(
    base: str, expected: dict[str, bytes], clients: Sequence[str], rounds: int, seed: int
) -> dict[str, list[float]]:
    """Seconds of every client's every round, after one unmeasured round to warm up."""
    order = random.Random(seed)
    names = list(expected)
    seconds: dict[str, list[float]] = {client: [] for client in clients}
    for number in range(rounds + 1):
        for client in order.sample(clients, len(clients)):
            started = time.perf_counter()
            digests = CLIENTS[client](base, names)
            took = time.perf_counter() - started
            if digests != expected:
                raise SystemExit(f"{client} fetched something else")
            if number:
                seconds[client].append(took)
    return seconds


def print_table(
    seconds: dict[str, list[float]], versions: dict[str, str], files: int, size: int
) -> None:
    """Rates of the median, the slowest and the fastest round, and the ratio of medians."""
    print("| client | files/s (median) | slowest–fastest | MB/s | ratio to requests |")
    print("|---|---|---|---|---|")
    medians = {client: statistics.median(took) for client, took in seconds.items()}
    for client in sorted(medians, key=medians.__getitem__, reverse=True):
        took, median = seconds[client], medians[client]
        spread = f"{files / max(took):,.0f}–{files / min(took):,.0f}"
        ratio = medians["requests"] / median
        print(
            f"| {client} {versions[client]} | {files / median:,.0f} | {spread}"
            f" | {size / median / 1e6:,.0f} | {ratio:.2f} |"
        )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--mean-size", type=int, default=170_000, help="bytes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", choices=("nginx", "builtin"), default="nginx")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parsed(arguments)
    if options.server == "nginx" and _nginx() is None:
        print("nginx is not installed: measuring against Python's http.server, which is slower")
        options.server = "builtin"
    versions = installed_clients()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = make_files(folder / "files", options.files, options.mean_size, options.seed)
        size = sum(file.stat().st_size for file in (folder / "files").iterdir())
        print(
            f"{options.files} files, {size / 1e6:,.0f} MB, {options.rounds} rounds,"
            f" {options.server}, {os.cpu_count()} cores, Python {platform.python_version()},"
            f" {pycurl.version}"
        )
        with serving(folder, options.server) as base:
            seconds = measure(base, expected, list(versions), options.rounds, options.seed)
    print_table(seconds, versions, options.files, size)


if __name__ == "__main__":
    main()
