"""One tenant behind every kind of source: the demo source and a fake of it, manifests, queries."""

from __future__ import annotations

import functools
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from sqlalchemy import text

from portal.demo.options import DemoOptions
from portal.demo.tables import write_tables
from portal.errors import SyncError
from portal.services.source_form import SourceForm
from portal.sync.archive.s3.credentials import Credentials
from portal.sync.archive.s3.signing import EMPTY_SHA256, encoded_path, signed
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.sources.kind import Opening, OpenSource
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceDocument
from tests.portal.conftest import SERVERS
from tests.portal.demo_server import demo_server
from tests.portal.fake_source import FakeSource
from tests.portal.ledger_scene import engine_of
from tests.portal.sync.archive.stores import KEYS, S3, bucket, s3_url

OPTIONS = DemoOptions(documents=36, months=3, mean_size=40_000)
QUERY = """
SELECT b.image_no AS "scanBillNo", b.bill_no AS "billNo", b.type_code AS "fbillTypeCode",
    b.type_name AS "fbillTypeDes", b.org_code AS "fapplyOrganizationCode",
    b.org_name AS "fapplyOrganizationName", b.applicant AS "fapplyUserName",
    b.collected AS "collectTime", b.amount AS "totalAmount", b.resource AS "resource",
    i.file_id AS "fileId", i.category AS "fileType", i.seq AS "seq", i.name AS "fileName",
    i.suffix AS "fileSuffix", i.size AS "fileSize", i.sha256 AS "sha256", i.md5 AS "md5",
    i.pages AS "pageCount", i.place AS path
FROM bills b JOIN images i ON i.image_no = b.image_no
"""
BOUND = QUERY + "WHERE b.collected >= :from_date AND b.collected < :to_date"


@dataclass
class Rig:
    """A source of some kind that has the tenant; ``take_away`` makes it unreachable."""

    opened: OpenSource
    take_away: Callable[[], None]


@dataclass
class Shelf:
    """The tenant as a folder, and how a source of a kind is opened on it."""

    folder: Path
    home: Path
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self, kind: str, **values: str) -> OpenSource:
        """As the portal opens one, with small pages."""
        form = SourceForm("源", kind=kind, settings=values, profile={"page_size": 5})
        return opened(form, self.home)

    def hide(self) -> None:
        self.folder.rename(self.folder.with_name("elsewhere"))


def opened(form: SourceForm, home: Path) -> OpenSource:
    return form.of_kind.open(
        Opening(form.values, form.connection(), form.connector_profile(), home)
    )


def new_shelf(folder: Path) -> Shelf:
    write_tables(OPTIONS, folder / "export")
    (folder / "home").mkdir()
    return Shelf(folder / "export", folder / "home")


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """The folder by HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def piaozone(shelf: Shelf) -> Rig:
    served = ExitStack()
    shelf.stack.callback(served.close)
    url = served.enter_context(demo_server(OPTIONS))
    client_id, secret = OPTIONS.credentials
    form = SourceForm("源", url, client_id, secret, profile={"page_size": 5})
    return Rig(opened(form, shelf.home), served.close)


def fake(shelf: Shelf) -> Rig:
    url = shelf.stack.enter_context(file_server(shelf.folder))
    rows = (shelf.folder / "manifest.jsonl").read_text("utf-8").splitlines()
    source = FakeSource(map(_document, rows), page_size=5, address=url)

    def gone() -> None:
        raise SyncError("SRC_CONNECTION", detail="gone")

    def take_away() -> None:
        source.before_check = source.before_count = gone

    return Rig(OpenSource(source, Downloader(DownloadOptions())), take_away)


def _document(line: str) -> SourceDocument:
    """As the fake lists it: its files have addresses of their own."""
    row = json.loads(line)
    for file in row["files"]:
        file["downloadUrl"] = "/" + file.pop("path")
    return parse_row(row, ConnectorProfile())


def manifest(name: str) -> Callable[[Shelf], Rig]:
    def made(shelf: Shelf) -> Rig:
        values = {"place": str(shelf.folder), "manifest": name}
        return Rig(shelf.open("manifest", **values), shelf.hide)

    return made


def manifest_on_s3(shelf: Shelf) -> Rig:
    name, prefix = shelf.stack.enter_context(bucket()), "旧 影像"
    place = f"{S3}/{name}/{quote(prefix)}"
    for path in shelf.folder.rglob("*"):
        if path.is_file():
            url = f"{place}/{path.relative_to(shelf.folder)}"
            requests.put(url, data=path.read_bytes(), timeout=10).raise_for_status()
    form = SourceForm(
        "源",
        kind="manifest",
        settings={
            "place": s3_url(name, prefix=prefix),
            "manifest": "manifest.csv",
            "access_key_id": KEYS.access_key,
        },
        secrets={"secret_access_key": KEYS.secret_key},
        profile={"page_size": 5},
    )

    def take_away() -> None:
        path = encoded_path(f"/{name}/{prefix}/manifest.csv")
        headers = signed(
            {"host": urlsplit(S3).netloc},
            Credentials(KEYS.access_key, KEYS.secret_key),
            method="DELETE",
            path=path,
            query="",
            payload_sha256=EMPTY_SHA256,
            region="us-east-1",
            now=datetime.now(UTC),
        )
        requests.delete(S3 + path, headers=headers, timeout=10).raise_for_status()

    return Rig(opened(form, shelf.home), take_away)


def query(database: str, *, web: bool = False, asked: str = BOUND) -> Callable[[Shelf], Rig]:
    def made(shelf: Shelf) -> Rig:
        address = f"sqlite:///{shelf.folder / 'imaging.db'}"
        if database != "sqlite":
            address = shelf.stack.enter_context(SERVERS[database]())
            _copied(shelf.folder / "imaging.db", address)
        served = ExitStack()
        shelf.stack.callback(served.close)
        place = served.enter_context(file_server(shelf.folder)) if web else str(shelf.folder)
        values = {"place": place, "query": asked, "file": "{path}"}
        form = SourceForm(
            "源",
            kind="sql",
            settings=values,
            secrets={"database": address},
            profile={"page_size": 5},
        )
        return Rig(opened(form, shelf.home), served.close if web else shelf.hide)

    return made


def _copied(database: Path, address: str) -> None:
    """The demo's tables on a server."""
    engine = engine_of(address)
    with closing(sqlite3.connect(database)) as known, engine.begin() as connection:
        for table in ("bills", "images"):
            rows = known.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            columns = ", ".join(f"{name} VARCHAR(200)" for name in names)
            letters = " CHARACTER SET utf8mb4" if engine.dialect.name != "postgresql" else ""
            connection.exec_driver_sql(f"CREATE TABLE {table} ({columns}){letters}")
            marks = ", ".join(f":{name}" for name in names)
            values = [dict(zip(names, map(_text, row), strict=True)) for row in rows]
            connection.execute(text(f"INSERT INTO {table} VALUES ({marks})"), values)
    engine.dispose()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
