"""A ledger with things in it, and a clock that only moves when told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, create_engine, event, select

from portal.errors import SyncError
from portal.ledger import Ledger, prepare_engine
from portal.ledger_connections import engine_options
from portal.models import (
    AuditEvent,
    Batch,
    BatchItem,
    DataSource,
    Document,
    DocumentVersion,
    File,
    Overlap,
    Slice,
    VersionFile,
)
from portal.services import batches, claims, outcomes
from portal.services.desk import LedgerDesk
from portal.services.discovery import Discovery
from portal.services.reports import batch_report
from portal.settings import read_settings
from portal.sync.sources.base import Source
from portal.sync.sources.rows import SourceDocument
from portal.sync.transfer.work import Claim, Result, StoredFile
from tests.portal.fake_source import FakeSource

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
BY = "周敏"


class _Standing:
    """One engine for the SQLite ledgers of all tests, one after the other.

    What an engine has made of a statement it keeps for itself, and to make it takes longer than
    to execute it; so a new engine for each test was most of what such a test did.
    """

    def __init__(self) -> None:
        self.engine = create_engine("sqlite:///of-the-test.db", query_cache_size=5000)
        prepare_engine(self.engine)
        event.listen(self.engine, "connect", hurry)
        event.listen(self.engine, "do_connect", self._lead)
        self._path = ""

    @contextmanager
    def at(self, path: str) -> Iterator[Ledger]:
        """The ledger in this file."""
        self._path = path
        ledger = Ledger(self.engine)
        try:
            yield ledger
        finally:
            ledger.close()
            self._path = ""

    @property
    def is_free(self) -> bool:
        return not self._path

    def _lead(self, _dialect: object, _record: object, places: list[Any], _more: object) -> None:
        assert self._path, "a ledger was used after its test"
        places[0] = self._path


_standing = cache(_Standing)


@contextmanager
def opened_ledger(database_url: str, *, alone: bool = False) -> Iterator[Ledger]:
    """The ledger; ``alone`` gives it an engine whose address is that of the database."""
    path = database_url.removeprefix("sqlite:///")
    if path != database_url and _standing().is_free and not alone:
        with _standing().at(path) as ledger:
            yield ledger
        return
    engine = engine_of(database_url)
    prepare_engine(engine)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", hurry)
    ledger = Ledger(engine)
    yield ledger
    ledger.close()


def engine_of(database_url: str) -> Engine:
    url = read_settings({"PORTAL_DATABASE_URL": database_url}).database_url
    return create_engine(url, **engine_options(url))


def hurry(connection: Any, _record: object) -> None:
    # No test here pulls the plug.
    connection.execute("PRAGMA synchronous=OFF")


class Scene:
    """Short words for what nearly every test of the ledger does first or looks at last."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = START
        self.source_id = self.add_source("影像系统")

    def clock(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # What there is.

    def add_source(self, name: str, *, enabled: bool = True) -> int:
        with self.ledger.write() as session:
            source = DataSource(
                name=name,
                base_url="http://127.0.0.1:9",
                client_id="c",
                secret_box="",
                enabled=enabled,
                created_at=self.now,
            )
            session.add(source)
            session.flush()
            return source.id

    def scope(
        self,
        first: str = "2024-01-01",
        last: str = "2024-01-31",
        overlap: Overlap = Overlap.MISSING,
    ) -> batches.BatchScope:
        days = (date.fromisoformat(first), date.fromisoformat(last))
        return batches.BatchScope(self.source_id, *days, overlap=overlap)

    def add_batch(
        self,
        first: str = "2024-01-01",
        last: str = "2024-01-31",
        *,
        start: bool = True,
        overlap: Overlap = Overlap.MISSING,
    ) -> int:
        scope = self.scope(first, last, overlap)
        with self.ledger.write() as session:
            batch = batches.create(session, scope, by=BY, now=self.now, zone=SHANGHAI)
            if start:
                batches.start(session, batch, by=BY, now=self.now)
            return batch.id

    def add_noise(self, documents: Sequence[SourceDocument]) -> int:
        """Another batch of another source with the same documents, to be left alone by all."""
        mine, self.source_id = self.source_id, self.add_source("别的系统")
        noise = self.add_batch()
        self.source_id = mine
        self.list_all(noise, documents)
        return noise

    def do(self, verb: Any, batch_id: int, **words: Any) -> Any:
        """One of the services that take a batch, in a transaction of its own."""
        with self.ledger.write() as session:
            batch = session.get_one(Batch, batch_id)
            return verb(session, batch, by=BY, now=self.now, **words)

    # What workers do.

    def discovery(self, source: Source, *, owner: str = "w1") -> Discovery:
        return Discovery(
            self.ledger,
            source,
            owner=owner,
            zone=SHANGHAI,
            stopping=lambda: False,
            clock=self.clock,
        )

    def desk(self, batch_id: int, *, owner: str = "w1") -> LedgerDesk:
        """The ledger as a stint of this owner at the batch sees it."""
        return LedgerDesk(
            self.ledger,
            batch_id,
            self.batch(batch_id).data_source_id,
            owner=owner,
            zone=SHANGHAI,
            others_waiting=lambda: False,
            clock=self.clock,
        )

    def list_all(self, batch_id: int, documents: Sequence[SourceDocument]) -> FakeSource:
        """List every month of the batch from a source with these documents."""
        source = FakeSource(documents, page_size=50)
        for part in self.slices(batch_id):
            self.discovery(source, owner="lister").list_slice(part.id)
        return source

    def listed_batch(
        self, documents: Sequence[SourceDocument], overlap: Overlap = Overlap.MISSING
    ) -> int:
        batch_id = self.add_batch(overlap=overlap)
        self.list_all(batch_id, documents)
        return batch_id

    def claim(self, batch_id: int, *, owner: str = "w1", limit: int = 100) -> list[Claim]:
        with self.ledger.write() as session:
            return claims.claim(session, batch_id, owner=owner, limit=limit, now=self.now)

    def renew(self, held: Sequence[Claim], *, owner: str = "w1") -> frozenset[int]:
        with self.ledger.write() as session:
            return claims.renew(session, held, owner=owner, now=self.now)

    def release(self, held: Sequence[Claim], *, owner: str = "w1") -> None:
        with self.ledger.write() as session:
            claims.release(session, held, owner=owner, now=self.now)

    def settle(self, batch_id: int, *results: Result, owner: str = "w1") -> list[Result]:
        with self.ledger.write() as session:
            return outcomes.settle(session, batch_id, results, by=owner, now=self.now)

    def lose_lease(self, image_no: str, batch_id: int) -> None:
        """The worker that holds the document dies; its lease is over, and it is first in line."""
        with self.ledger.write() as session:
            item = session.scalars(
                select(BatchItem)
                .join(Document, Document.id == BatchItem.document_id)
                .where(BatchItem.batch_id == batch_id, Document.image_no == image_no)
            ).one()
            item.next_try_at = self.now - timedelta(days=1)

    # What the ledger then says.

    def batch(self, batch_id: int) -> Batch:
        with self.ledger.read() as session:
            return session.get_one(Batch, batch_id)

    def report(self, batch_id: int) -> dict[str, Any]:
        with self.ledger.read() as session:
            return batch_report(session.get_one(Batch, batch_id))

    def counts(self, batch_id: int) -> tuple[int, int, int, int]:
        """total, synced, skipped, failed; the batch's and the sum of its months' are equal."""
        with self.ledger.read() as session:
            batch = session.get_one(Batch, batch_id)
            names = ("total", "synced", "skipped", "failed")
            whole = tuple(getattr(batch, name) for name in names)
            assert whole == tuple(
                sum(getattr(part, name) for part in batch.slices) for name in names
            )
        return whole[0], whole[1], whole[2], whole[3]

    def slices(self, batch_id: int) -> Sequence[Slice]:
        with self.ledger.read() as session:
            query = select(Slice).where(Slice.batch_id == batch_id).order_by(Slice.starts_at)
            return session.scalars(query).all()

    def slice(self, batch_id: int) -> Slice:
        (part,) = self.slices(batch_id)
        return part

    def items(self, batch_id: int) -> dict[str, BatchItem]:
        """The batch's items by image number."""
        with self.ledger.read() as session:
            query = (
                select(Document.image_no, BatchItem)
                .join(BatchItem, BatchItem.document_id == Document.id)
                .where(BatchItem.batch_id == batch_id)
                .order_by(BatchItem.id)
            )
            return {row.image_no: row.BatchItem for row in session.execute(query)}

    def document(self, image_no: str) -> Document:
        with self.ledger.read() as session:
            query = select(Document).where(
                Document.image_no == image_no, Document.data_source_id == self.source_id
            )
            return session.scalars(query).one()

    def files(self, document_id: int) -> Sequence[File]:
        with self.ledger.read() as session:
            query = select(File).where(File.document_id == document_id).order_by(File.seq)
            return session.scalars(query).all()

    def versions(self, document_id: int) -> list[tuple[DocumentVersion, Sequence[VersionFile]]]:
        """The document's earlier versions with their files, the oldest first."""
        with self.ledger.read() as session:
            query = select(DocumentVersion).where(DocumentVersion.document_id == document_id)
            return [
                (
                    version,
                    session.scalars(
                        select(VersionFile)
                        .where(VersionFile.version_id == version.id)
                        .order_by(VersionFile.seq)
                    ).all(),
                )
                for version in session.scalars(query.order_by(DocumentVersion.id))
            ]

    def events(self, batch_id: int, action: str | None = None) -> list[AuditEvent]:
        with self.ledger.read() as session:
            query = select(AuditEvent).where(AuditEvent.batch_id == batch_id)
            if action:
                query = query.where(AuditEvent.action == action)
            return list(session.scalars(query.order_by(AuditEvent.id)))


def stored(claim: Claim, *, sha256: str = "0" * 64, damage: str | None = None) -> Result:
    """The claim as a worker settles it when every file arrived."""
    files = tuple(
        StoredFile(
            file_id=file.file_id,
            storage_key=f"{claim.folder}/{file.seq:02d}-attachment.txt",
            size=100,
            sha256=sha256,
            kind="txt",
            pages=None,
            width=None,
            height=None,
            dpi=None,
        )
        for file in claim.files
    )
    return Result(claim, files=files, damage=damage)


def failed(claim: Claim, code: str, **words: Any) -> Result:
    return Result(claim, error=SyncError(code, **words), failed_file_id=claim.files[0].file_id)
