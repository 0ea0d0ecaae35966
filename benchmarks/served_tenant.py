"""A demo tenant whose listing the demo source answers and whose bytes nginx serves from disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.demo.options import DemoOptions
from portal.demo.tenant import Tenant
from tests.functional.installation import DemoSource, Installation, answers, free_port

FILES_PATH = "/imgsys/migrate/v1/files/"

_NGINX = """
worker_processes 2;
daemon off;
pid {place}/nginx.pid;
error_log {place}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    types {{ image/jpeg jpg; application/pdf pdf; }}
    default_type application/octet-stream;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location {files_path} {{ alias {files}/; autoindex on; }}
        location / {{ proxy_pass {source}; proxy_http_version 1.1; }}
    }}
}}
"""


@dataclass(frozen=True)
class ServedTenant:
    """The tenant as it stands there.

    :ivar url: of the source, which is also below what the files are served
    :ivar files: the folder with every file, each under its id
    :ivar documents: the ids of each document's files
    """

    url: str
    client_id: str
    client_secret: str
    files: Path
    documents: list[list[str]]

    @property
    def file_count(self) -> int:
        """How many files the documents have together."""
        return sum(map(len, self.documents))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files.iterdir())


@contextmanager
def served_tenant(place: Path, options: DemoOptions) -> Iterator[ServedTenant]:
    """Write the tenant's files below ``place``, and serve them and the listing."""
    files = place / "files"
    files.mkdir(mode=0o755)
    documents = _write_files(Tenant(options), files)
    outside = Installation(place / "source")
    try:
        source = DemoSource(
            outside,
            *(f"--documents={options.documents}", f"--months={options.months}"),
            *(f"--mean-size={options.mean_size}", f"--seed={options.seed}"),
        )
        with _nginx(place, files, source.url) as url:
            yield ServedTenant(url, source.client_id, source.client_secret, files, documents)
    finally:
        outside.kill_all()


def _write_files(tenant: Tenant, folder: Path) -> list[list[str]]:
    documents: list[list[str]] = []
    for index in range(tenant.options.documents):
        ids = []
        for ordinal in range(tenant.MOST_FILES):
            file_id = tenant.file_id_at(index * tenant.MOST_FILES + ordinal)
            file = tenant.file(file_id)
            if file is not None:
                (folder / file_id).write_bytes(b"".join(file.parts))
                ids.append(file_id)
        documents.append(ids)
    return documents


@contextmanager
def _nginx(place: Path, files: Path, source: str) -> Iterator[str]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise SystemExit("needs nginx (Debian: nginx-light)")
    for folder in (place, *place.parents):  # nginx's workers are nobody in particular
        if folder.stat().st_uid == place.stat().st_uid and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o055)
    port = free_port()
    config = place / "nginx.conf"
    config.write_text(
        _NGINX.format(place=place, port=port, files=files, source=source, files_path=FILES_PATH)
    )
    server = subprocess.Popen([program, "-c", str(config), "-p", str(place)])
    url = f"http://127.0.0.1:{port}"
    try:
        while not answers(f"{url}{FILES_PATH}"):
            if server.poll() is not None:
                raise SystemExit((place / "nginx.log").read_text())
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait()
