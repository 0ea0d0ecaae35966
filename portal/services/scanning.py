"""兼容性扫描: reading what a batch would move, judging it, and moving nothing.

Everything that is listed is judged by what the source declares; of the files that pass, a sample is
fetched and judged by its content, as a migration does. Memory does not grow with the batch.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import select

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Batch, Document, Overlap, Scan, ScanCause
from portal.services import audit
from portal.services.identities import may_be
from portal.services.opening import OpenSource
from portal.sync.checks.declared import declared_problem, with_rules
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.one_file import fetch_one, inspect_one, nameless_file
from portal.sync.sources.rows import Scope, SourceDocument, SourceFile
from portal.sync.transfer.retry import delay_before

MOST_SAMPLED = 1000
_EXAMPLES = 5
_TRIES = 4
_LONGEST_WAIT_SECONDS = 30.0
_chance = random.SystemRandom()
T = TypeVar("T")


class Progress(Protocol):
    """Told how far a scan is, between any two calls; may raise to end it."""

    def __call__(self, done: int, total: int | None) -> None:
        """So many documents and sampled files, of so many."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to scan.

    :param sample: how many files are fetched
    :param seed: repeats the choice of them
    """

    batch_id: int
    source_id: int
    scopes: Sequence[Scope]
    overlap: Overlap
    rules: CompatibilityRules
    sample: int
    seed: int


@dataclass(slots=True)
class Cause:
    """What is found of one cause; its first example words it."""

    params: dict[str, object]
    documents: int = 0
    files: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """What a scan has seen; causes by code and whether the sample showed them."""

    documents: int = 0
    archived: int = 0
    files: int = 0
    bytes: int = 0
    sampled: int = 0
    causes: dict[tuple[str, bool], Cause] = field(default_factory=dict)

    def note(self, error: SyncError, image_no: str, file: str, *, sampled: bool = False) -> None:
        """Count a document for its first cause."""
        key = (error.code, sampled)
        cause = self.causes.setdefault(key, Cause(dict(error.params)))
        cause.documents += 1
        cause.files += bool(file)
        if len(cause.examples) < _EXAMPLES:
            cause.examples.append({"image_no": image_no, "file": file})


def plan_of(batch: Batch, *, sample: int, seed: int) -> Plan:
    """Everything a scan needs to know of a batch."""
    return Plan(
        batch_id=batch.id,
        source_id=batch.data_source_id,
        scopes=[
            Scope(
                part.starts_at, part.ends_at, tuple(batch.org_codes), tuple(batch.bill_type_codes)
            )
            for part in batch.slices
        ],
        overlap=batch.overlap,
        rules=CompatibilityRules.from_mapping(batch.data_source.rules),
        sample=min(sample, MOST_SAMPLED),
        seed=seed,
    )


def scan(
    ledger: Ledger, opened: OpenSource, plan: Plan, home: Path, *, progress: Progress
) -> Findings:
    """Read, judge, sample.

    :param home: of the installation; sampled files lie there for a moment, without a name
    :raises SyncError: when the source cannot be read, tried a few times
    """
    chance = random.Random(plan.seed)  # noqa: S311 - so that it can be repeated
    found, chosen, seen = Findings(), list[tuple[str, SourceFile]](), 0
    total = plan.sample + sum(
        _patiently(lambda scope=scope: opened.source.count(scope)).documents  # type: ignore[misc]
        for scope in plan.scopes
    )
    for document in _documents(ledger, opened, plan, found):
        progress(found.documents, total)
        for file in _judged(document, plan.rules, found):
            seen += 1
            if len(chosen) < plan.sample:
                chosen.append((document.image_no, file))
            elif (place := chance.randrange(seen)) < plan.sample:
                chosen[place] = (document.image_no, file)
    for image_no, file in chosen:
        progress(found.documents + found.sampled, found.documents + len(chosen))
        problem = _look_at(opened, file, plan.rules, home)
        if problem is not None:
            found.note(problem, image_no, file.name, sampled=True)
        found.sampled += 1
    return found


def keep(
    ledger: Ledger,
    plan: Plan,
    found: Findings,
    *,
    chore_id: int | None,
    by: str,
    started_at: datetime,
    now: datetime,
) -> int:
    """Keep the scan with its batch; the one of the same chore is not kept twice. Its id."""
    with ledger.write() as session:
        if chore_id is not None:
            known = session.scalar(select(Scan.id).where(Scan.chore_id == chore_id))
            if known is not None:
                return known
        kept = Scan(
            batch_id=plan.batch_id,
            chore_id=chore_id,
            started_by=by,
            started_at=started_at,
            ended_at=now,
            rules=plan.rules.to_mapping(),
            seed=plan.seed,
            documents=found.documents,
            archived=found.archived,
            files=found.files,
            bytes=found.bytes,
            sampled=found.sampled,
            causes=[
                ScanCause(
                    code=code,
                    sampled=sampled,
                    documents=cause.documents,
                    files=cause.files,
                    params=cause.params,
                    examples=cause.examples,
                )
                for (code, sampled), cause in found.causes.items()
            ],
        )
        session.add(kept)
        session.flush()
        audit.record(
            session,
            "batch.scan",
            by=by,
            at=now,
            batch_id=plan.batch_id,
            detail={
                "documents": found.documents,
                "sampled": found.sampled,
                "causes": sorted({code for code, _ in found.causes}),
            },
        )
        return kept.id


def _documents(
    ledger: Ledger, opened: OpenSource, plan: Plan, found: Findings
) -> Iterator[SourceDocument]:
    """What the batch would move; the rest is counted and passed over."""
    for scope in plan.scopes:
        page_no = rows = 0
        while True:
            page_no += 1
            page = _patiently(lambda scope=scope, no=page_no: opened.source.page(scope, no))  # type: ignore[misc]
            archived = _archived(ledger, plan, page.documents)
            for document in page.documents:
                found.documents += 1
                found.files += len(document.files)
                found.bytes += sum(file.size or 0 for file in document.files)
                if (document.resource, document.image_no) in archived:
                    found.archived += 1
                else:
                    yield document
            rows += len(page.documents)
            if not page.documents or rows >= page.total:
                break


def _archived(
    ledger: Ledger, plan: Plan, documents: Sequence[SourceDocument]
) -> set[tuple[str, str]]:
    if plan.overlap is Overlap.ALL:
        return set()
    query = select(Document.resource, Document.image_no).where(
        may_be(plan.source_id, [(one.resource, one.image_no) for one in documents]),
        Document.archived_at.is_not(None),
    )
    with ledger.read() as session:
        return {(row.resource, row.image_no) for row in session.execute(query)}


def _judged(
    document: SourceDocument, rules: CompatibilityRules, found: Findings
) -> Sequence[SourceFile]:
    """The files of a document that nothing speaks against so far."""
    problem = with_rules(document, rules).problem
    if problem is not None:
        found.note(problem, document.image_no, "")
        return ()
    for file in document.files:
        problem = declared_problem(file, rules)
        if problem is not None:
            found.note(problem, document.image_no, file.name)
            return ()
    return document.files


def _look_at(
    opened: OpenSource, file: SourceFile, rules: CompatibilityRules, home: Path
) -> SyncError | None:
    """Fetch a file and check its content; what a document would fail for."""
    with nameless_file(home) as content:

        def look() -> None:
            fetch_one(opened.source, opened.downloader, file, rules.max_bytes, content)
            inspect_one(file, content, rules)

        try:
            _patiently(look)
        except SyncError as error:
            return error
    return None


def _patiently(call: Callable[[], T]) -> T:
    """Call the source; what may pass is tried again, a few times.

    :raises SyncError: what was wrong the last time
    """
    for attempt in range(1, _TRIES):
        try:
            return call()
        except SyncError as error:
            if error.permanent:
                raise
            time.sleep(
                min(delay_before(attempt, error, _chance).total_seconds(), _LONGEST_WAIT_SECONDS)
            )
    return call()
