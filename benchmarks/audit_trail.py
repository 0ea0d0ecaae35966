"""What the sealed trail costs: ``python benchmarks/audit_trail.py --documents 4000 --rounds 5``.

Lists and settles documents in groups on a SQLite ledger as the workers do, in rounds that take
turns with and without sealing, and prints for each CPU seconds and SQL statements per document;
then what sealing and verifying cost per event. The ledger alone: no source, no files, no archive.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import event

from portal import schema
from portal.app import create_app
from portal.ledger import Ledger
from portal.models import DataSource, Slice
from portal.runtime import current_portal
from portal.seal_key import SealKey
from portal.services import batches, claims, outcomes
from portal.services.audit_verification import verify_trail
from portal.services.descriptions import Listed
from portal.services.listing import record_documents
from portal.services.sealing import seal_step
from portal.settings import read_settings
from portal.sync.sources.rows import SourceDocument, SourceFile
from portal.sync.transfer.work import Claim, Result, StoredFile

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
KEY = SealKey("a key for measuring, it protects nothing")
GROUP = 200
# About what workers settle in the five seconds between two seals.
GROUPS_PER_SEAL = 5


@dataclass
class Cost:
    """Of one round."""

    seconds: float = 0.0
    statements: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=4000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind, in turns")
    options = parser.parse_args()
    costs: dict[bool, list[Cost]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder, _ledger(Path(folder)) as (ledger, statements):
        number = 0
        for _ in range(options.rounds):
            for sealing in (False, True):
                batch_id, slice_id = _batch(ledger, number)
                cost = Cost(-time.process_time(), -statements.count)
                _move(ledger, batch_id, slice_id, number, options.documents, sealing=sealing)
                cost.seconds += time.process_time()
                cost.statements += statements.count
                costs[sealing].append(cost)
                number += options.documents
                if not sealing:
                    _seal(ledger)  # so that the next round seals its own events only
        for sealing, name in ((False, "without sealing"), (True, "with sealing")):
            seconds = statistics.median(cost.seconds for cost in costs[sealing])
            asked = statistics.median(cost.statements for cost in costs[sealing])
            _say(
                f"{name:16} {seconds / options.documents * 1e6:8.1f} µs CPU, "
                f"{asked / options.documents:.4f} SQL statements per document"
            )
        extra = statistics.median(
            (with_.seconds - without.seconds) / options.documents * 1e6
            for without, with_ in zip(costs[False], costs[True], strict=True)
        )
        _say(f"{'difference':16} {extra:8.1f} µs CPU per document, median of the pairs")
        began = time.process_time()
        report = verify_trail(ledger, KEY)
        spent = time.process_time() - began
        _say(
            f"{'verifying':16} {spent / report.events * 1e6:8.1f} µs CPU per event, "
            f"{report.events} events in {report.seals} seals, sound: {report.is_sound}"
        )


class _Statements:
    count = 0

    def note(self, *_: object) -> None:
        self.count += 1


@contextmanager
def _ledger(home: Path) -> Iterator[tuple[Ledger, _Statements]]:
    app = create_app(read_settings({"IMGMIG_HOME": str(home)}))
    statements = _Statements()
    with app.app_context():
        schema.upgrade()
        portal = current_portal()
        event.listen(app.extensions["sqlalchemy"].engine, "before_cursor_execute", statements.note)
        with portal.ledger.write() as session:
            session.add(
                DataSource(
                    name="source", base_url="http://127.0.0.1:9", client_id="c", secret_box="",
                    enabled=True, created_at=NOW,
                )
            )  # fmt: skip
        yield portal.ledger, statements
        portal.ledger.close()
        portal.queue.close()


def _batch(ledger: Ledger, number: int) -> tuple[int, int]:
    month = date(2000 + number % 90, 1, 1)
    scope = batches.BatchScope(1, month, month + timedelta(days=30))
    with ledger.write() as session:
        batch = batches.create(session, scope, by="me", now=NOW, zone=ZoneInfo("UTC"))
        batches.start(session, batch, by="me", now=NOW)
        return batch.id, batch.slices[0].id


def _move(
    ledger: Ledger, batch_id: int, slice_id: int, first: int, documents: int, *, sealing: bool
) -> None:
    for start in range(first, first + documents, GROUP):
        listed = [Listed.of(_document(number)) for number in range(start, start + GROUP)]
        with ledger.write() as session:
            part = session.get_one(Slice, slice_id)
            record_documents(session, part, listed, by="host.abcdef.0", now=NOW)
    groups = 0
    while True:
        with ledger.write() as session:
            held = claims.claim(session, batch_id, owner="host.abcdef.0", limit=GROUP, now=NOW)
        if not held:
            break
        with ledger.write() as session:
            results = [_stored(claim) for claim in held]
            outcomes.settle(session, batch_id, results, by="host.abcdef.0", now=NOW)
        groups += 1
        if sealing and groups % GROUPS_PER_SEAL == 0:
            _seal(ledger)
    if sealing:
        _seal(ledger)


def _seal(ledger: Ledger) -> None:
    while seal_step(ledger, KEY, now=NOW):
        pass


def _document(number: int) -> SourceDocument:
    file = SourceFile(
        file_id=f"f{number}", category="invoice", seq=1, name="invoice.pdf", suffix="pdf",
        size=100, sha256=None, md5=None, page_count=None, download_url=None,
    )  # fmt: skip
    return SourceDocument(
        image_no=f"FYBX{number:08d}", resource="EAS", bill_no=f"FY-{number}",
        bill_type_code="FYBX", bill_type_name="费用报销单", org_code="1001", org_name="深圳总部",
        applicant="张伟", collected_at=NOW, amount=None, files=(file,), extra={}, problem=None,
    )  # fmt: skip


def _stored(claim: Claim) -> Result:
    files = tuple(
        StoredFile(
            file_id=file.file_id, storage_key=f"{claim.folder}/{file.file_id}", size=100,
            sha256="0" * 64, kind="pdf", pages=1, width=None, height=None, dpi=None,
        )
        for file in claim.files
    )  # fmt: skip
    return Result(claim, files=files)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
