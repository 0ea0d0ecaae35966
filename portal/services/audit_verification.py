"""核对 of the 操作日志: whether the trail is still what was sealed, and the first row that is not.

It streams, a seal at a time, so memory does not grow with the trail; sealing goes on meanwhile.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import AuditSeal
from portal.seal_key import SealKey
from portal.services import open_gaps, same_keys, trail_rows
from portal.services.audit_findings import MOST_KEPT, Faults, TrailReport
from portal.services.id_ranges import Range, count_of, ids_of, ranges_in, without
from portal.services.restores import Restore, signed_restores
from portal.services.retired_seal_keys import key_ring
from portal.services.seal_form import (
    DIGEST_BYTES,
    EVENTS,
    FIRST_PREVIOUS,
    FORM,
    Anchor,
    anchor_of,
    seal_hash,
)

_LOWEST = -(2**63)
_ANCHORS_AT_ONCE = 500


def verify_trail(
    ledger: Ledger,
    key: SealKey,
    *,
    anchors: Iterable[Anchor] = (),
    progress: Callable[[int, int], None] = lambda _events, _total: None,
) -> TrailReport:
    """Compare every sealed event with its seal, the seals with each other, and the anchors.

    :param anchors: as kept outside of the ledger, in any order and number
    :param progress: told how many events were looked at, and of how many; may raise to stop
    :raises SyncError: SECRET_KEY_CHANGED when it was before the end: nothing can be told then
    """
    check = _Check(ledger, key)
    check.walk(progress)
    check.compare(chain(check.handed_over(), anchors))
    return check.result()


def _cut_by(restores: Sequence[Restore], anchor: Anchor) -> Restore | None:
    """The restore that may have cost the seal which the anchor is of."""
    return next((one for one in restores if one.seal < anchor.no), None)


class _Link(NamedTuple):
    """What the next seal has to follow."""

    no: int
    hash: str
    reached_id: int
    open: Sequence[Range]


class _Check:
    def __init__(self, ledger: Ledger, key: SealKey) -> None:
        self._ledger = ledger
        self._today = key
        with ledger.read() as session:
            self._keys = key_ring(session, key)
        self._report = TrailReport()
        self._faults = Faults()
        # Nothing may lie below the first id there is.
        self._last: _Link = _Link(0, FIRST_PREVIOUS, 0, [(_LOWEST, 0)])

    def walk(self, progress: Callable[[int, int], None]) -> None:
        total = self._total()
        while True:
            with self._ledger.read() as session:
                if not self._step(session):
                    break
            progress(self._report.events, max(total, self._report.events))

    def compare(self, anchors: Iterable[Anchor]) -> None:
        """Look every anchor up; the earliest that does not fit says from where on it is wrong."""
        waiting = iter(anchors)
        fitting = array("q")
        wrong = beyond = 0
        lost: dict[Restore, int] = {}
        restores: list[Restore] | None = None
        while some := list(islice(waiting, _ANCHORS_AT_ONCE)):
            hashes = self._hashes({anchor.no for anchor in some})
            for anchor in some:
                self._report.anchors += 1
                known = hashes.get(anchor.no)
                if known is not None and known.startswith(anchor.digest):
                    fitting.append(anchor.no)
                    continue
                if restores is None:
                    restores = self._restores()
                if (cut := _cut_by(restores, anchor)) is not None:
                    lost[cut] = max(lost.get(cut, 0), anchor.no)
                elif known is not None:
                    wrong = min(wrong, anchor.no) if wrong else anchor.no
                elif anchor.no > self._last.no:
                    beyond = max(beyond, anchor.no)
        if wrong:
            before = max((no for no in fitting if no < wrong), default=0)
            self._faults.add("AUDIT_ANCHOR_MISMATCH", self._reached(before) + 1, no=wrong)
        if beyond:
            first = self._last.reached_id + 1
            self._faults.add("AUDIT_TAIL_CUT", first, no=beyond, last=self._last.no)
        for restore, no in lost.items():
            self._faults.add(
                "AUDIT_TAIL_RESTORED",
                restore.event_id,
                no=no,
                at=f"{restore.at:%Y-%m-%d %H:%M:%S} UTC",
                by=restore.by,
                backup=restore.backup,
                seal=restore.seal,
            )

    def handed_over(self) -> Iterable[Anchor]:
        """The last seals of retired keys, which the key of today vouches for."""
        return self._keys.anchors()

    def result(self) -> TrailReport:
        with self._ledger.read() as session:
            # What a newer key has signed since looks forged to this one.
            if not same_keys.is_current(session, self._today.fingerprint):
                raise SyncError("SECRET_KEY_CHANGED")
            behind = EVENTS.id > self._last.reached_id
            counted = select(func.count(), func.min(EVENTS.at)).where(behind)
            self._report.unsealed, self._report.oldest_unsealed_at = session.execute(counted).one()
        self._faults.tell(self._report)
        return self._report

    def _total(self) -> int:
        with self._ledger.read() as session:
            return session.scalar(select(func.max(AuditSeal.total))) or 0

    def _hashes(self, numbers: set[int]) -> dict[int, str]:
        query = select(AuditSeal.no, AuditSeal.hash).where(AuditSeal.no.in_(numbers))
        with self._ledger.read() as session:
            return {row.no: str(row.hash) for row in session.execute(query)}

    def _reached(self, no: int) -> int:
        with self._ledger.read() as session:
            query = select(AuditSeal.reached_id).where(AuditSeal.no == no)
            return session.scalar(query) or 0

    def _restores(self) -> list[Restore]:
        with self._ledger.read() as session:
            return signed_restores(session, self._keys)

    def _step(self, session: Session) -> bool:
        """Look at the next seal; False when there is none."""
        query = select(AuditSeal.no).where(AuditSeal.no > self._last.no)
        no = session.scalar(query.order_by(AuditSeal.no).limit(1))
        if no is None:
            return False
        before: _Link | None = self._last
        if no != self._last.no + 1:
            first = self._last.reached_id + 1
            self._faults.add("AUDIT_SEAL_MISSING", first, no=self._last.no + 1, until=no - 1)
            before = None
        try:
            self._last = self._look_at(session, session.get_one(AuditSeal, no), before)
        except (ValueError, TypeError, OverflowError, DataError):
            # A value that no program of ours wrote; the chain cannot be followed through it.
            first, last = self._last.reached_id + 1, "?"
            self._faults.add("AUDIT_SEAL_CHANGED", first, no=no, first=first, last=last)
            self._last = _Link(no, "", self._last.reached_id, self._last.open)
        self._report.seals += 1
        return True

    def _look_at(self, session: Session, seal: AuditSeal, before: _Link | None) -> _Link:
        ranges = ranges_in(seal.ids)
        gaps = [gap.ids for gap in open_gaps.gaps_in(seal.open_gaps)]
        if count_of(ranges) * DIGEST_BYTES != len(seal.digests) or seal.form != FORM:
            raise ValueError("ids and digests do not belong together")
        self._look_at_chain(seal, before)
        self._look_at_events(session, ranges, seal.digests)
        if before is not None and before.hash:
            looked_at = [*before.open, (before.reached_id + 1, seal.reached_id)]
            self._look_between(session, without(without(looked_at, ranges), gaps))
        self._report.newest = anchor_of(seal.no, seal.hash)
        return _Link(seal.no, seal.hash, seal.reached_id, gaps)

    def _look_at_chain(self, seal: AuditSeal, before: _Link | None) -> None:
        code = None
        if seal_hash(seal) != seal.hash:
            code = "AUDIT_SEAL_CHANGED"
        elif not self._keys.signed_seal(seal.no, seal.hash, seal.mac):
            code = "AUDIT_SEAL_FORGED"
        elif before is not None and before.hash and seal.previous != before.hash:
            code = "AUDIT_CHAIN_BROKEN"
        if code is not None:
            first, last = seal.first_id, seal.last_id
            self._faults.add(code, first, no=seal.no, first=first, last=last)

    def _look_at_events(self, session: Session, ranges: Sequence[Range], digests: bytes) -> None:
        found = dict(trail_rows.within(session, ranges, limit=count_of(ranges)))
        for position, event_id in enumerate(ids_of(ranges)):
            sealed = digests[position * DIGEST_BYTES : (position + 1) * DIGEST_BYTES]
            digest = found.get(event_id)
            if digest is None:
                self._faults.add("AUDIT_ROW_MISSING", event_id)
            elif digest != sealed or not any(sealed):
                self._faults.add_changed(event_id, sealed=sealed, found=digest)
        self._report.events += count_of(ranges)

    def _look_between(self, session: Session, closed: Sequence[Range]) -> None:
        """Where the sealing found nothing, and nobody was writing, there must be nothing."""
        if closed:
            for event_id, _ in trail_rows.within(session, closed, limit=MOST_KEPT):
                self._faults.add("AUDIT_ROW_INSERTED", event_id)
