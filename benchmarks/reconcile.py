"""What a reconciliation costs: seconds and peak memory for so many documents of three files.

``python -m benchmarks.reconcile 10000 100000`` fills a ledger of its own for each number, in a
process of its own, and reconciles a year of it with a source that answers at once.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, insert

from portal.ledger import Ledger, prepare_engine
from portal.models import Base, DataSource, Document, File, table_of
from portal.services import reconciliations
from portal.services.months import months_between
from portal.services.reconciling import Reconciler
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.rows import (
    Count,
    CountGroup,
    Page,
    Scope,
    SourceDocument,
    SourceFile,
)

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILES_EACH = 3
SIZE = 1000
PAGE = 500
AMOUNT = Decimal("12.34")


class MadeUpSource:
    """So many documents a month, made when they are asked for."""

    def __init__(self, monthly: int) -> None:
        self.monthly = monthly

    def document(self, month: int, number: int, starts_at: datetime) -> SourceDocument:
        """Document ``number`` of a month."""
        name = f"D{month:02d}{number:08d}"
        return SourceDocument(
            image_no=name,
            resource="EAS",
            bill_no=name,
            bill_type_code=f"T{number % 7}",
            bill_type_name="",
            org_code=f"{1000 + number % 40}",
            org_name="",
            applicant="",
            collected_at=starts_at + timedelta(seconds=number % 2_000_000),
            amount=AMOUNT,
            files=tuple(_file(name, position) for position in range(FILES_EACH)),
            extra={},
            problem=None,
        )

    def count(self, scope: Scope) -> Count:
        """By organisation and type."""
        groups: dict[tuple[str, str], int] = {}
        for number in range(self.monthly):
            key = (f"{1000 + number % 40}", f"T{number % 7}")
            groups[key] = groups.get(key, 0) + 1
        files = self.monthly * FILES_EACH
        return Count(
            self.monthly,
            files,
            files * SIZE,
            tuple(
                CountGroup("2024-01", *key, n, n * FILES_EACH, n * FILES_EACH * SIZE, n * AMOUNT)
                for key, n in groups.items()
            ),
        )

    def page(self, scope: Scope, number: int) -> Page:
        """A page of a month."""
        month = scope.starts_at.astimezone(ZONE).month
        first = (number - 1) * PAGE
        numbers = range(first, min(first + PAGE, self.monthly))
        documents = tuple(self.document(month, each, scope.starts_at) for each in numbers)
        return Page(self.monthly, number, documents)


def _file(name: str, position: int) -> SourceFile:
    return SourceFile(
        f"{name}-{position}", "attachment", position, "a", "", SIZE, "0" * 64, None, None, None
    )


def _fill(ledger: Ledger, source: MadeUpSource) -> None:
    number = 0
    for month in months_between(date(2024, 1, 1), date(2024, 12, 31), ZONE):
        for first in range(0, source.monthly, 5000):
            documents: list[dict[str, Any]] = []
            files: list[dict[str, Any]] = []
            for each in range(first, min(first + 5000, source.monthly)):
                number += 1
                listed = source.document(int(month.month[5:]), each, month.starts_at)
                documents.append(_document_row(number, listed))
                files += _file_rows(number, listed)
            with ledger.write() as session:
                session.execute(insert(table_of(Document)), documents)
                session.execute(insert(table_of(File)), files)


def _document_row(number: int, listed: SourceDocument) -> dict[str, Any]:
    return {
        "id": number,
        "data_source_id": 1,
        "resource": listed.resource,
        "image_no": listed.image_no,
        "bill_no": listed.bill_no,
        "bill_type_code": listed.bill_type_code,
        "bill_type_name": "",
        "org_code": listed.org_code,
        "org_name": "",
        "applicant": "",
        "collected_at": listed.collected_at,
        "amount": listed.amount,
        "source_metadata": {},
        "listing_digest": "0" * 64,
        "described_at": NOW,
        "fence": 1,
        "folder": f"s/{listed.image_no}",
        "archived_at": NOW,
    }


def _file_rows(number: int, listed: SourceDocument) -> Iterator[dict[str, Any]]:
    for file in listed.files:
        yield {
            "document_id": number,
            "file_id": file.file_id,
            "category": file.category,
            "seq": file.seq,
            "name": file.name,
            "suffix": "",
            "storage_key": f"s/{file.file_id}",
            "size": SIZE,
            "sha256": file.sha256,
        }


def _measure(documents: int, place: Path) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{place / 'ledger.db'}")
    prepare_engine(engine)
    Base.metadata.create_all(engine)
    ledger, source = Ledger(engine), MadeUpSource(documents // 12)
    with ledger.write() as session:
        session.add(
            DataSource(name="s", base_url="http://s", client_id="c", secret_box="", created_at=NOW)
        )
    _fill(ledger, source)
    with ledger.write() as session:
        run_id = reconciliations.ask(
            session, 1, "2024-01", "2024-12", reread=False, by="bench", now=NOW
        ).id
    started, used = time.monotonic(), time.process_time()
    run = Reconciler(
        ledger,
        LocalArchive(place / "archive"),
        run_id,
        count=source.count,
        page=source.page,
        runner="bench",
        zone=ZONE,
    ).run()
    return {
        "documents": source.monthly * 12,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "unbalanced": run.unbalanced,
        "defects": run.defects,
    }


def main() -> None:
    """Measure each number of documents in a process of its own."""
    if sys.argv[1:2] == ["--alone"]:
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(_measure(int(sys.argv[2]), Path(place))))
        return
    for number in sys.argv[1:] or ["10000", "100000"]:
        command = [sys.executable, "-m", "benchmarks.reconcile", "--alone", number]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
