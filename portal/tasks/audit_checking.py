"""A worker's verification of the trail, for whoever asked for it on the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.models import utc_now
from portal.seal_key import SealKey
from portal.services import audit_checks
from portal.services.anchor_file import NAME, kept_anchors
from portal.services.audit_verification import verify_trail

_SAY_EVERY_SECONDS = 1.0


class _Stopped(Exception):
    """The worker is to stop; somebody else does it anew."""


class AuditChecking:
    """Does the verification it is told to look at; idempotent.

    :param stopping: asked now and then
    """

    def __init__(
        self,
        ledger: Ledger,
        key: SealKey,
        *,
        home: Path,
        owner: str,
        stopping: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._home = home
        self._owner = owner
        self._stopping = stopping

    def look(self, check_id: int) -> None:
        """Claim the verification and do it, unless somebody does or did."""
        write, owner = self._ledger.transact, self._owner
        if not write(
            lambda session: audit_checks.claim(session, check_id, owner=owner, now=utc_now())
        ):
            return
        try:
            report = verify_trail(
                self._ledger,
                self._key,
                anchors=kept_anchors(self._home / NAME),
                progress=self._progress_of(check_id),
            )
        except (_Stopped, SyncError):  # or the key was replaced: who has the new one goes on
            write(lambda session: audit_checks.give_back(session, check_id, owner=owner))
            return
        write(
            lambda session: audit_checks.finish(
                session, check_id, report, owner=owner, now=utc_now()
            )
        )

    def _progress_of(self, check_id: int) -> Callable[[int, int], None]:
        said_at = 0.0

        def say(checked: int, total: int) -> None:
            nonlocal said_at
            if self._stopping():
                raise _Stopped
            if time.monotonic() - said_at < _SAY_EVERY_SECONDS:
                return
            said_at = time.monotonic()
            self._ledger.transact(
                lambda session: audit_checks.note_progress(
                    session,
                    check_id,
                    owner=self._owner,
                    checked=checked,
                    total=total,
                    now=utc_now(),
                )
            )

        return say
