"""A real nginx with the very files of deploy/nginx: only ports, paths and networks are others."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.certificates import Authority
from tests.servers.running import answers, free_port, running

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""
MARKS = [
    pytest.mark.processes,
    pytest.mark.skipif(not NGINX, reason="nginx is not installed (nginx-light)"),
]
# Who calls is told apart by the address of loopback that is called from.
VISITOR, ADMIN, MONITOR = "127.0.0.1", "127.0.0.9", "127.0.0.10"
BASE = "/imaging"
_ROOT = """daemon off;
{user}
pid {place}/nginx.pid;
error_log stderr info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/imgmig.conf;
}}
"""


@dataclass(frozen=True)
class Edge:
    """A running nginx: its two ports, whom its certificate is by, and where its log goes."""

    http_port: int
    https_port: int
    authority: Path
    log: Path

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def secure(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    def caller(self, address: str = VISITOR) -> requests.Session:
        """Somebody who calls from that address of loopback and checks the certificate."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority)
        for scheme in ("http://", "https://"):
            session.mount(scheme, _From(address))
        return session


class _From(HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Connections begin at the address."""
        options["source_address"] = (self._address, 0)
        super().init_poolmanager(*arguments, **options)


@contextmanager
def nginx(place: Path, portal_port: int, *, base: str = BASE) -> Iterator[Edge]:
    """nginx before a portal while the block lasts.

    :param base: empty: changed for no sub-path, by the command that the file itself names
    """
    place.mkdir()
    authority = Authority(place)
    certificate = authority.server_file("127.0.0.1")
    edge = Edge(free_port(), free_port(), authority.file, place / "nginx.log")
    changes = {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{portal_port};",
        "listen 80;": f"listen 127.0.0.1:{edge.http_port};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{edge.https_port} ssl http2;",
        "https://$host$request_uri": f"https://$host:{edge.https_port}$request_uri",
        "/etc/nginx/tls/imgmig.crt": str(certificate),
        "/etc/nginx/tls/imgmig.key": str(certificate),
        "/etc/nginx/imgmig-proxy.conf": f"{place}/imgmig-proxy.conf",
        "allow 10.0.0.0/24;": f"allow {ADMIN};",
        "allow 10.0.1.0/24;": f"allow {MONITOR};",
    }
    proxy = (SHIPPED / "imgmig-proxy.conf").read_text()
    with _running(place, _with(_shipped_for(base), changes), proxy, edge):
        yield edge


@contextmanager
def nginx_within(place: Path, portal_port: int) -> Iterator[int]:
    """One that another trusted proxy calls, without TLS: its port while the block lasts."""
    place.mkdir()
    edge = Edge(free_port(), 0, place, place / "nginx.log")
    site = (
        f"upstream imgmig_portal {{ server 127.0.0.1:{portal_port}; }}\n"
        f"server {{ listen 127.0.0.1:{edge.http_port};"
        f" location / {{ include {place}/imgmig-proxy.conf; }} }}\n"
    )
    with _running(place, site, _for_a_second_proxy(), edge):
        yield edge.http_port


@contextmanager
def _running(place: Path, site: str, proxy: str, edge: Edge) -> Iterator[None]:
    user = "user root root;" if os.getuid() == 0 else ""
    (place / "imgmig-proxy.conf").write_text(proxy)
    (place / "imgmig.conf").write_text(site)
    (place / "nginx.conf").write_text(_ROOT.format(place=place, user=user))
    command = [NGINX, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"]
    with running(command, log=edge.log, ready=lambda: answers(edge.http_port)):
        yield


def _for_a_second_proxy() -> str:
    """The shared settings as their comment says: three lines take the place of three."""
    lines = (SHIPPED / "imgmig-proxy.conf").read_text().splitlines()
    others = [line.removeprefix("#second ") for line in lines if line.startswith("#second ")]
    names = {line.split()[1] for line in others}
    kept = [
        line
        for line in lines
        if not line.startswith("#second") and not names & set(line.split()[1:2])
    ]
    assert (len(names), len(kept)) == (3, len(lines) - 6)
    return "\n".join([*kept, *others]) + "\n"


def _shipped_for(base: str) -> str:
    file = SHIPPED / "imgmig.conf"
    if base == BASE:
        return file.read_text()
    (line,) = [line for line in file.read_text().splitlines() if "sed -e" in line]
    command = line[line.index("sed -e") :]
    return subprocess.check_output(command, shell=True, cwd=SHIPPED, text=True)


def _with(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
