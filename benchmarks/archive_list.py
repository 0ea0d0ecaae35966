"""What 影像单据列表 costs when the archive holds a million documents.

``python -m benchmarks.archive_list [--documents N] [--database URL]`` fills a ledger (SQLite in a
temporary folder unless told otherwise; the database must be empty) and prints the milliseconds
of first and deep pages for every pair of filter and order, of the totals and of a look-up.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from portal import schema
from portal.app import create_app
from portal.models import DataSource, Document, File, table_of
from portal.runtime import current_portal
from portal.services import archive_list, archive_totals, finding
from portal.services.archive_filters import SORTS, ArchiveFilter
from portal.services.paging import Place
from portal.settings import read_settings

FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)
_STEP = 10_000
_REPEATS = 3

FILTERS = {
    "none": ArchiveFilter(),
    "month": ArchiveFilter(
        starts_at=datetime(2019, 3, 1, tzinfo=UTC), ends_at=datetime(2019, 4, 1, tzinfo=UTC)
    ),
    "three years": ArchiveFilter(
        starts_at=datetime(2016, 1, 1, tzinfo=UTC), ends_at=datetime(2019, 1, 1, tzinfo=UTC)
    ),
    "source": ArchiveFilter(source_id=1),
    "small source": ArchiveFilter(source_id=2),
    "org 40 %": ArchiveFilter(org="1000"),
    "org closed 2016": ArchiveFilter(org="1999"),
    "org 200 documents": ArchiveFilter(org="2999"),
    "type 30 %": ArchiveFilter(bill_type="T0"),
    "org and type": ArchiveFilter(org="1003", bill_type="T3"),
    "image_no prefix": ArchiveFilter(image_no="FYBX00012"),
    "image_no short prefix": ArchiveFilter(image_no="F"),
    "bill_no prefix": ArchiveFilter(bill_no="B-0034"),
    "applicant": ArchiveFilter(applicant="申请人17"),
    "resource": ArchiveFilter(resource="EAS"),
    "rare resource": ArchiveFilter(resource="OA"),
    "amount narrow": ArchiveFilter(least=Decimal("500"), most=Decimal("500.5")),
    "amount wide": ArchiveFilter(least=Decimal("100")),
    "category all have": ArchiveFilter(category="invoice"),
    "category 1 %": ArchiveFilter(category="attachment"),
}


def main() -> None:
    """Fill, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--database", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"IMGMIG_HOME": folder}
        if asked.database:
            environment["PORTAL_DATABASE_URL"] = asked.database
        app = create_app(read_settings(environment))
        with app.app_context():
            schema.upgrade()
            ledger = current_portal().ledger
            started = time.monotonic()
            _fill(ledger.write, asked.documents)
            print(f"filled in {time.monotonic() - started:.0f} s")
            with ledger.read() as session:
                _measure(session)
            ledger.close()
            current_portal().queue.close()


def _fill(write: Callable[[], Any], documents: int) -> None:
    with write() as session:
        for name in ("标准版影像", "小数据源"):
            values = {"base_url": "http://127.0.0.1:9", "client_id": "x", "secret_box": ""}
            session.add(DataSource(name=name, created_at=FIRST_DAY, **values))
    for low in range(0, documents, _STEP):
        rows = [_document(n, documents) for n in range(low + 1, min(low + _STEP, documents) + 1)]
        with write() as session:
            session.execute(insert(table_of(Document)), rows)
            session.execute(insert(table_of(File)), [file for row in rows for file in _files(row)])
    with write() as session:
        if session.connection().dialect.name == "postgresql":
            session.execute(text("ANALYZE"))


def _document(number: int, documents: int) -> dict[str, Any]:
    """Ten years of documents, the newest listed last."""
    at = FIRST_DAY + timedelta(days=3650 * number / documents)
    org = 1000 + max(0, number * 7919 % 100 - 39)
    if number % 5000 == 0:
        org = 2999
    elif number % 4 == 0 and at.year < 2017:
        org = 1999
    bill_type = max(0, number * 104_729 % 40 - 11)
    return {
        "id": number,
        "data_source_id": 2 if number % 1000 == 7 else 1,
        "resource": "OA" if number % 2000 == 11 else "EAS",
        "image_no": f"FYBX{number * 7 % documents:08d}{number:08d}",
        "bill_no": f"B-{number * 31 % documents:07d}",
        "bill_type_code": f"T{bill_type}",
        "bill_type_name": f"单据类型{bill_type}",
        "org_code": str(org),
        "org_name": f"组织{org}",
        "applicant": f"申请人{number * 13 % 997}",
        "collected_at": at,
        "amount": None if number % 50 == 3 else Decimal(number * 9973 % 1_000_000) / 100,
        "source_metadata": {},
        "listing_digest": "0" * 64,
        "folder": f"s/{number}",
        "archived_at": FIRST_DAY + timedelta(days=4000, seconds=number // 10),
        "stored_files": 3,
        "stored_bytes": 500_000,
    }


def _files(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    last = "attachment" if row["id"] % 100 == 1 else "invoice"
    for seq, category in enumerate(("cover", "invoice", last), start=1):
        yield {
            "document_id": row["id"],
            "file_id": f"{row['id']}-{seq}",
            "category": category,
            "seq": seq,
            "name": f"{seq}.jpg",
            "suffix": "jpg",
            "storage_key": f"{row['folder']}/{seq}",
            "size": 160_000,
        }


def _measure(session: Session) -> None:
    print(f"{'filter':24}" + "".join(f"{sort + ' 1st':>18}{'deep':>8}" for sort in SORTS))
    for name, wanted in FILTERS.items():
        line = f"{name:24}"
        for sort in SORTS:
            first = _milliseconds(_page, session, wanted, Place(sort, True))
            deep = _milliseconds(_page, session, wanted, Place(sort, True, after=_deep(sort)))
            line += f"{first:18.1f}{deep:8.1f}"
        print(line, flush=True)
    for name, wanted in FILTERS.items():
        totals = archive_totals.archive_totals(session, wanted, seconds=60)
        print(f"totals {name:24}{totals.seconds * 1000:8.0f} ms {totals.documents} documents")
    print(f"choices {_milliseconds(archive_list.choices, session):.1f} ms")
    for q in ("FYBX0000000700000001", "FYBX0000", "B-0000031", "nothing"):
        print(f"find {q}: {_milliseconds(finding.find, session, q):.1f} ms")


def _deep(sort: str) -> str:
    """A mark in the last tenth of the list."""
    value = {
        "collected_at": (FIRST_DAY + timedelta(days=365)).isoformat(),
        "amount": "1000.00",
        "image_no": "FYBX00012",
        "archived_at": (FIRST_DAY + timedelta(days=4000, seconds=10_000)).isoformat(),
    }
    return f"1~{value[sort]}"


def _page(session: Session, wanted: ArchiveFilter, place: Place) -> None:
    archive_list.archive_page(session, wanted, place)


def _milliseconds(act: Callable[..., Any], *given: Any) -> float:
    """The median of a few."""
    taken = []
    for _ in range(_REPEATS):
        started = time.monotonic()
        act(*given)
        taken.append((time.monotonic() - started) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
