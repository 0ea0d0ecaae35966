"""One claimed document on its way: which of its files are waiting, being checked, stored."""

from __future__ import annotations

from collections import deque

from portal.errors import SyncError
from portal.sync.archive.base import Archive, Stage
from portal.sync.archive.names import file_name
from portal.sync.checks.inspection import FileFacts
from portal.sync.transfer.incoming import Incoming
from portal.sync.transfer.work import Claim, Result, StoredFile


class DocumentTransfer:
    """The files of a claim; the document is whole when every one of them is stored."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.waiting = deque(range(len(claim.files)))
        self._names = [
            file_name(position=number, category=file.category, suffix=file.suffix)
            for number, file in enumerate(claim.files, 1)
        ]
        self.checking = 0
        self.failed = False
        self.handed_over = False
        self.damage: str | None = None
        self.unread: SyncError | None = None
        self._stage: Stage | None = None
        self._stored: dict[int, StoredFile] = {}
        self._refusals: dict[int, tuple[int, int]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every file was received and passed its checks."""
        return len(self._stored) == len(self.claim.files)

    def receive(self, position: int, archive: Archive, *, owner: str, limit: int) -> Incoming:
        """Open the sink of one file.

        :raises SyncError: when the archive refuses
        """
        if self._stage is None:
            self._stage = archive.stage(self.claim.folder, owner=owner)
        file = self.claim.files[position]
        path = self._stage.path(self._names[position])
        return Incoming(path, file, limit=limit, refused=self._stage.refused)

    def put_back(self, position: int, served: int) -> int:
        """Have a file tried again that the source would not give just now.

        :param served: how many files it has given to this worker so far
        :return: how often this one was refused although others were served in between
        """
        self.waiting.append(position)
        refused, then = self._refusals.get(position, (0, -1))
        refused += served > then
        self._refusals[position] = (refused, served)
        return refused

    def store(self, position: int, incoming: Incoming, digest: str, facts: FileFacts) -> None:
        """Note a file that is complete and passed its checks."""
        assert self._stage is not None  # noqa: S101 - it was received there
        name = self._names[position]
        self._stage.note(name, size=incoming.size, sha256=digest)
        self._stored[position] = StoredFile(
            file_id=incoming.file.file_id,
            storage_key=f"{self.claim.folder}/{name}",
            size=incoming.size,
            sha256=digest,
            kind=facts.kind,
            pages=facts.pages,
            width=facts.width,
            height=facts.height,
            dpi=facts.dpi,
        )

    def result(self) -> Result:
        """The whole document, ready to be published."""
        files = tuple(self._stored[position] for position in sorted(self._stored))
        return Result(self.claim, files=files, stage=self._stage, damage=self.damage)

    def failure(self, error: SyncError, position: int | None) -> Result:
        """The document as failed; what was received of it is thrown away."""
        self.discard()
        file = None if position is None else self.claim.files[position].file_id
        return Result(self.claim, error=error, failed_file_id=file, damage=self.damage)

    def discard(self) -> None:
        """Give the document up; what was received is thrown away when nobody reads it any more."""
        self.failed = True
        self.waiting.clear()
        self.clean()

    def clean(self, *, at_once: bool = False) -> None:
        """Throw away what was received, unless a file of it is just being checked."""
        if self._stage is not None and (at_once or not self.checking):
            self._stage.close()
