"""Reads archived documents again, in a thread beside the loop: disks take their time."""

from __future__ import annotations

import os
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.archive.reading import Stopped, damage_of
from portal.sync.transfer.document import DocumentTransfer


class Rechecker:
    """One thread that looks at documents in order; readable by ``fileno`` when one is done."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rechecker")
        self._waiting: list[tuple[Future[str | None], DocumentTransfer]] = []
        self._stop = threading.Event()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __enter__(self) -> Rechecker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what is not done; it takes no longer than reading one piece."""
        self._stop.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
        os.close(self._bell)

    def __len__(self) -> int:
        """How many documents are not collected yet."""
        return len(self._waiting)

    def fileno(self) -> int:
        """Readable when a document has been looked at."""
        return self._bell

    def submit(self, document: DocumentTransfer) -> None:
        """Have a document's archived files looked at."""
        future = self._thread.submit(self._look, document)
        self._waiting.append((future, document))
        future.add_done_callback(lambda _: os.eventfd_write(self._bell, 1))

    def collect(self) -> list[DocumentTransfer]:
        """Documents that were looked at; their ``damage`` says what was found.

        One that could not be read because the archive is away has that error as ``unread``.
        """
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return []
        done = [each for each in self._waiting if each[0].done()]
        self._waiting = [each for each in self._waiting if each not in done]
        looked_at = []
        for future, document in done:
            try:
                document.damage = future.result()
            except (Stopped, CancelledError):
                continue
            except SyncError as error:
                document.unread = error
            looked_at.append(document)
        return looked_at

    def _look(self, document: DocumentTransfer) -> str | None:
        recheck = document.claim.recheck
        assert recheck is not None  # noqa: S101 - the caller looked
        for file in recheck.files:
            if document.failed:
                return None  # the lease was lost
            damage = damage_of(
                self._archive, file.storage_key, file.size, file.sha256, stopping=self._stop.is_set
            )
            if damage is not None:
                return damage
        return None if recheck.files else "ARCHIVE_MISSING"
