"""One document's way to its target, from the claim to what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from portal.errors import SyncError
from portal.ledger import Ledger
from portal.services import push_claims, pushes
from portal.services.push_claims import ArchivedFile, PushClaim
from portal.statuses import PushStatus
from portal.sync.archive.base import Archive
from portal.sync.targets.base import Collected, PushDocument, Target
from portal.tasks.pushing.verified import verified


class Stopped(Exception):
    """The process is asked to end, or the claim was lost: nothing more is sent."""


class PushWork:
    """Pushes claimed documents; any number of threads may use one.

    :param confirmed: the image statuses that count as confirmed; empty for any
    :param home: a folder for what is about to be sent
    :param stopping: whether this claim is to be left
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        target: Target,
        *,
        confirmed: frozenset[str],
        bill_id_field: str,
        home: Path,
        stopping: Callable[[PushClaim], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._target = target
        self._confirmed = confirmed
        self._bill_id_field = bill_id_field
        self._home = home
        self._stopping = stopping
        self._clock = clock

    def perform(self, held: PushClaim, *, served: Callable[[], None]) -> None:
        """Push the document as far as it goes, and write down how far that is.

        :param served: told after every call that the target has answered well
        :raises SyncError: what went wrong; nothing is written down of that
        :raises PushLost: when somebody else has the document by now
        :raises Stopped: when it was asked to stop
        """
        if held.status is PushStatus.WAITING:
            self._push(held, served)
        self._look(held, served)

    def _push(self, held: PushClaim, served: Callable[[], None]) -> None:
        if held.taken_by is not None:
            raise SyncError("TGT_TAKEN", source=held.taken_by)
        document = held.document
        if document is None:
            raise SyncError("TGT_NO_BILL_ID", field=self._bill_id_field)
        collected = {one.file_id: one.collected for one in held.files if one.collected}
        left = [one for one in held.files if one.file_id not in collected]
        with verified(self._archive, left, self._home, check=lambda: self._go_on(held)) as contents:
            self._target.announce(document)
            served()
            for file in left:
                self._go_on(held)
                taken = self._target.hand_over(document, file.facts, contents.at(file))
                served()
                collected[file.file_id] = taken
                self._note(held, file, taken)
        self._submit(held, document, [collected[one.file_id] for one in held.files])
        served()
        now = self._clock()
        self._ledger.transact(lambda session: pushes.mark_pushed(session, held, now=now))

    def _note(self, held: PushClaim, file: ArchivedFile, taken: Collected) -> None:
        self._ledger.transact(lambda session: pushes.note_file(session, held, file, taken))

    def _submit(self, held: PushClaim, document: PushDocument, files: list[Collected]) -> None:
        """Submit, if the claim is in force at this moment: an outdated one would undo a newer."""
        with self._ledger.read() as session:
            push_claims.require_ours(session, held)
        self._go_on(held)
        self._target.submit(document, files)

    def _look(self, held: PushClaim, served: Callable[[], None]) -> None:
        self._go_on(held)
        seen = self._target.look_up(held.image_no, held.resource)
        served()
        is_confirmed = not self._confirmed or seen.status in self._confirmed
        end = pushes.mark_confirmed if is_confirmed else pushes.look_later
        now = self._clock()
        self._ledger.transact(lambda session: end(session, held, seen.status, now=now))

    def _go_on(self, held: PushClaim) -> None:
        if self._stopping(held):
            raise Stopped
