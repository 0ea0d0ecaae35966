"""Discovery of one month: count, then page by page until the source has no more.

Every page is committed together with the cursor behind it, so a crash resumes at the page. When
the listing changes while it is read it is read again, a bounded number of times; then what is
stable stands, and the month says so (source contract, last paragraph).
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import statuses
from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import Batch, DataSource, Slice, utc_now
from portal.services import audit, gates, holds
from portal.services.descriptions import Listed
from portal.services.listed_items import wake_items
from portal.services.listing import record_documents
from portal.services.listing_pace import ListingPace
from portal.services.settling import end_if_settled
from portal.statuses import ListingStatus
from portal.sync.checks.declared import with_rules
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.sources.base import Source
from portal.sync.sources.rows import Count, Page, Scope
from portal.sync.transfer.blame import source_cause
from portal.sync.transfer.retry import delay_before

logger = logging.getLogger(__name__)

MOST_ROUNDS = 3
MOST_ATTEMPTS = 8
# Longer than the longest call to the source (five read timeouts of a minute), or two workers would
# overtake each other at the same page for ever. A worker that died is noticed sooner all the same:
# its slot frees what it held when it starts again.
LISTING_LEASE = timedelta(minutes=6)
# Rows beyond the documents they are of, after which a listing goes round in circles.
_MOST_REPEATED = 1000
# A source that limits the rate is asked again as after so many failures, unless it names a time.
_THROTTLED_AS = 4
_chance = random.SystemRandom()
T = TypeVar("T")


class Discovery:
    """Lists a month for one worker.

    :param zone: the time zone that people's windows are meant in
    :param stopping: asked before every page
    """

    def __init__(
        self,
        ledger: Ledger,
        source: Source,
        *,
        owner: str,
        zone: ZoneInfo,
        stopping: Callable[[], bool],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._owner = owner
        self._zone = zone
        self._stopping = stopping
        self._clock = clock

    def list_slice(self, slice_id: int) -> bool:
        """List until the end, a pause, a hold, a stop, or an error that waits for its next try.

        :return: whether the source was asked anything
        """
        source_id = self._take(slice_id)
        if source_id is None:
            return False
        asked = False
        try:
            pace = ListingPace(
                self._ledger,
                source_id,
                owner=self._owner,
                stopping=self._stopping,
                clock=self._clock,
            )
            while not self._stopping() and pace.wait():
                asked = True
                if not self._list_page(slice_id, pace):
                    break
        except SyncError as error:
            self._note(slice_id, error)
        finally:
            self._let_go(slice_id)
        return asked

    def _take(self, slice_id: int) -> int | None:
        """Lease the month; the id of its source, None when somebody else has it."""
        now = self._clock()

        def take(session: Session) -> int | None:
            part = session.get_one(Slice, slice_id, with_for_update=True)
            if part.listing_status is not ListingStatus.OPEN or part.next_try_at > now:
                return None
            part.lease_owner = self._owner
            part.next_try_at = now + LISTING_LEASE
            return session.get_one(Batch, part.batch_id).data_source_id

        return self._ledger.transact(take)

    def _list_page(self, slice_id: int, pace: ListingPace) -> bool:
        """The count, or one page and its cursor; False when there is nothing more to do now."""
        with self._ledger.read() as session:
            part, scope = self._held(session, slice_id)
            if part is None:
                return False
            page_no, counted = part.next_page, part.expected_documents is not None
            rules = CompatibilityRules.from_mapping(_source_of(session, part).rules)
        if not counted:
            return self._record_count(slice_id, _paced(pace, lambda: self._source.count(scope)))
        page = _paced(pace, lambda: self._source.page(scope, page_no))
        listed = [Listed.of(with_rules(document, rules)) for document in page.documents]
        return self._record(slice_id, page_no, page, listed)

    def _record_count(self, slice_id: int, count: Count) -> bool:
        def record(session: Session) -> bool:
            part, _ = self._held(session, slice_id, lock=True)
            if part is None:
                return False
            part.expected_documents = count.documents
            part.expected_files = count.files
            part.expected_bytes = count.bytes
            part.next_try_at = self._clock() + LISTING_LEASE
            return True

        return self._ledger.transact(record)

    def _held(
        self, session: Session, slice_id: int, *, lock: bool = False
    ) -> tuple[Slice | None, Scope]:
        """The slice, if it is still ours to list and its batch is running."""
        part = session.get_one(Slice, slice_id, with_for_update=lock)
        batch = session.get_one(Batch, part.batch_id)
        scope = Scope(
            part.starts_at, part.ends_at, tuple(batch.org_codes), tuple(batch.bill_type_codes)
        )
        ours = part.listing_status is ListingStatus.OPEN and part.lease_owner == self._owner
        closed = gates.is_closed(session, batch, self._clock(), self._zone, probing=True)
        return (part if ours and not closed else None), scope

    def _record(self, slice_id: int, page_no: int, page: Page, listed: Sequence[Listed]) -> bool:
        for again in (True, False):
            try:
                return self._ledger.transact(
                    lambda session: self._record_once(session, slice_id, page_no, page, listed)
                )
            except IntegrityError:
                # Another batch listed the same new document in this moment: now it is known.
                if not again:
                    raise
        return False

    def _record_once(
        self,
        session: Session,
        slice_id: int,
        page_no: int,
        page: Page,
        listed: Sequence[Listed],
    ) -> bool:
        now = self._clock()
        part, _ = self._held(session, slice_id, lock=True)
        if part is None or part.next_page != page_no:
            return False
        if page_no > 1 and page.version != part.source_version:
            return self._read_anew(part)
        digest = _digest(page)
        if page.documents and digest == part.last_page_digest:
            raise SyncError("SRC_LISTING_REPEATS", page=page_no)
        changed = part.source_total not in (None, page.total) and page_no > 1
        record_documents(session, part, listed, by=self._owner, now=now)
        part.last_page_digest = digest
        part.source_total = page.total
        part.source_version = page.version
        part.listed_rows += len(page.documents)
        part.attempts = 0
        part.error_code = part.error_params = None
        part.next_try_at = now + LISTING_LEASE
        if changed and part.listing_round < MOST_ROUNDS:
            self._start_over(part)
            return True
        # A source may give fewer rows on a page than it was asked for, so rows count, not pages.
        if page.documents and part.listed_rows < page.total:
            recorded = _recorded(session, part)
            if part.listed_rows > 2 * recorded + _MOST_REPEATED:
                raise SyncError("SRC_LISTING_REPEATS", page=page_no)
            part.next_page = page_no + 1
            return True
        return self._finish(session, part, page, now)

    def _read_anew(self, part: Slice) -> bool:
        """Begin again what was replaced while it was read: its pages do not belong together.

        :raises SyncError: when that happens again and again
        """
        if part.listing_round >= MOST_ROUNDS:
            raise SyncError("SRC_LISTING_REPLACED", rounds=part.listing_round)
        self._start_over(part)
        part.expected_documents = None
        return True

    def _start_over(self, part: Slice) -> None:
        part.listing_round += 1
        part.next_page = 1
        part.listed_rows = 0
        part.source_total = None
        part.last_page_digest = None

    def _finish(self, session: Session, part: Slice, page: Page, now: datetime) -> bool:
        """End the listing, or read it once more when it does not add up.

        The rows alone do not tell: one that came twice may have hidden another one.
        """
        listed = min(part.listed_rows, _recorded(session, part))
        adds_up = listed == part.listed_rows == page.total == part.expected_documents
        if not adds_up and part.listing_round < MOST_ROUNDS:
            self._start_over(part)
            part.expected_documents = None
            return True
        if not adds_up:
            part.error_code = "SRC_LISTING_UNSTABLE"
            part.error_params = {
                "rounds": part.listing_round,
                "expected": part.expected_documents,
                "listed": listed,
            }
        self._change(session, part, ListingStatus.LISTED, now)
        return False

    def _change(self, session: Session, part: Slice, status: ListingStatus, now: datetime) -> None:
        statuses.check(part.listing_status, status)
        audit.record(
            session,
            "slice.listing",
            by=self._owner,
            at=now,
            batch_id=part.batch_id,
            old=part.listing_status,
            new=status,
            reason=part.error_code,
            detail={"month": part.month, "documents": part.listed_rows},
        )
        part.listing_status = status
        part.lease_owner = None
        part.next_try_at = now
        wake_items(session, part.id, now=now)
        session.flush()
        end_if_settled(session, part.batch_id, by=self._owner, now=now)

    def _note(self, slice_id: int, error: SyncError) -> None:
        """Keep the error; try again later, hold what it concerns, or give the month up.

        A refusal for the rate is no failure, nor is what holds the source as a whole.
        """
        logger.warning("listing slice %d: %s", slice_id, error)
        with self._ledger.read() as session:
            attempt = session.get_one(Slice, slice_id).attempts + 1
        cause = source_cause(self._source, error, attempt)
        now = self._clock()

        def note(session: Session) -> None:
            part, _ = self._held(session, slice_id, lock=True)
            if part is None:
                return
            throttled = error.code == "SRC_THROTTLED"
            # Being asked to wait is no failure, however often it happens.
            tries = max(part.attempts, _THROTTLED_AS) if throttled else attempt
            part.error_code = error.code
            part.error_params = error.params
            part.lease_owner = None
            part.next_try_at = now + delay_before(tries, error, _chance)
            if cause is not None:
                batch = session.get_one(Batch, part.batch_id)
                holds.open_hold(session, cause, source=batch.data_source, by=self._owner, now=now)
                part.attempts = 0
                part.next_try_at = now
            elif not throttled:
                part.attempts = attempt
                if error.permanent or attempt >= MOST_ATTEMPTS:
                    self._change(session, part, ListingStatus.FAILED, now)

        self._ledger.transact(note)

    def _let_go(self, slice_id: int) -> None:
        """Give the month back if we still hold it, so that anybody may go on at once."""

        def let_go(session: Session) -> None:
            part = session.get_one(Slice, slice_id)
            if part.lease_owner == self._owner:
                part.lease_owner = None
                part.next_try_at = self._clock()

        self._ledger.transact(let_go)


def due_slice(session: Session, batch_id: int, now: datetime) -> int | None:
    """A month of the batch that waits to be listed, the earliest first."""
    return session.scalar(
        select(Slice.id)
        .where(
            Slice.batch_id == batch_id,
            Slice.listing_status == ListingStatus.OPEN,
            Slice.next_try_at <= now,
        )
        .order_by(Slice.starts_at)
        .limit(1)
    )


def is_being_listed(session: Session, batch_id: int, now: datetime) -> bool:
    """Whether a worker lists a month of the batch just now."""
    listing = exists().where(
        Slice.batch_id == batch_id,
        Slice.listing_status == ListingStatus.OPEN,
        Slice.lease_owner.is_not(None),
        Slice.next_try_at > now,
    )
    return bool(session.scalar(select(listing)))


def _paced(pace: ListingPace, call: Callable[[], T]) -> T:
    """Make a call, and tell the pace how it ended."""
    try:
        answer = call()
    except SyncError as error:
        pace.ended(error)
        raise
    pace.ended(None)
    return answer


def _recorded(session: Session, part: Slice) -> int:
    """How many documents the month has, which the counting by SQL changed behind the object."""
    return session.scalar(select(Slice.total).where(Slice.id == part.id)) or 0


def _digest(page: Page) -> str:
    keys = "\n".join(f"{document.resource}\t{document.image_no}" for document in page.documents)
    return hashlib.sha256(keys.encode("utf-8", "surrogatepass")).hexdigest()


def _source_of(session: Session, part: Slice) -> DataSource:
    return session.get_one(Batch, part.batch_id).data_source
