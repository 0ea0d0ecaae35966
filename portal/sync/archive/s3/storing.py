"""Storing one file: sent with its digests, then read back and compared."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from portal.errors import SyncError
from portal.sync.archive.s3.bucket import Bucket, TakenKey
from portal.sync.archive.s3.client import Body
from portal.sync.archive.s3.reading import digest_of
from portal.sync.archive.s3.wire import Slice

_CHUNK = 1 << 20
_LOOKS = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A file in the scratch folder that is to become an object.

    :ivar size: as it was received, bytes
    :ivar sha256: as it was received
    """

    key: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Part:
    body: Body
    md5: str


class Storer:
    """Sends files and proves that they are in the store.

    :param parts: sends the parts of large files; its threads bound what is sent at once
    :param part_bytes: larger files are sent in parts of this size
    :param note: told the key of a multipart upload before it is begun
    """

    def __init__(
        self, bucket: Bucket, parts: Executor, note: Callable[[Draft], None], *, part_bytes: int
    ) -> None:
        self._bucket = bucket
        self._part_bytes = part_bytes
        self._parts = parts
        self._note = note

    def store(self, draft: Draft) -> None:
        """Send a file and read it back; when it returns, the store has all of it.

        :raises SyncError: ARCHIVE_UNPROVED when something else comes back, ARCHIVE_TAKEN
            when another object has the key, or an error of the archive
        """
        wanted = (draft.size, draft.sha256)
        parts = list(_measured(draft, self._part_bytes))
        for look in range(_LOOKS):
            taken = self._send(draft, parts)
            try:
                found = digest_of(self._bucket, draft.key)
            except SyncError as error:
                if error.code != "ARCHIVE_MISSING":
                    raise
                found = None
            if found == wanted:
                return  # with the key taken: our own, of a try whose answer was lost
            if taken:
                raise SyncError("ARCHIVE_TAKEN", detail=draft.key)
            if found is not None and look + 1 < _LOOKS:
                self._bucket.remove(draft.key)
        raise SyncError("ARCHIVE_UNPROVED", detail=_difference(draft, found))

    def _send(self, draft: Draft, parts: list[_Part]) -> bool:
        """Whether the key was taken."""
        metadata = {"x-amz-meta-sha256": draft.sha256, "content-type": "application/octet-stream"}
        try:
            if len(parts) == 1:
                self._bucket.put(draft.key, parts[0].body, md5=parts[0].md5, metadata=metadata)
            else:
                self._send_parts(draft, parts, metadata)
        except TakenKey:
            return True
        return False

    def _send_parts(self, draft: Draft, parts: list[_Part], metadata: dict[str, str]) -> None:
        self._note(draft)
        upload_id = self._bucket.begin(draft.key, metadata)
        try:
            sent = [
                self._parts.submit(
                    self._bucket.put_part, draft.key, upload_id, number, part.body, md5=part.md5
                )
                for number, part in enumerate(parts, start=1)
            ]
            try:
                names = [each.result() for each in sent]
            finally:
                for each in sent:
                    each.cancel()
            self._bucket.complete(draft.key, upload_id, names)
        except BaseException:
            self._abort(draft.key, upload_id)
            raise

    def _abort(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(SyncError):  # it is noted, and aborted by a sweep
            self._bucket.abort(key, upload_id)


def _measured(draft: Draft, part_bytes: int) -> Iterator[_Part]:
    """The file's parts with their digests, read once from end to end.

    :raises SyncError: ARCHIVE_UNPROVED when the scratch folder no longer has what was received
    """
    whole = hashlib.sha256()
    start = 0
    try:
        with draft.path.open("rb") as file:
            while True:
                length, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
                while length < part_bytes and (
                    chunk := file.read(min(_CHUNK, part_bytes - length))
                ):
                    for digest in (whole, sha256, md5):
                        digest.update(chunk)
                    length += len(chunk)
                if not length and start:
                    break
                body = Body(Slice(draft.path, start, length), sha256.hexdigest())
                yield _Part(body, base64.b64encode(md5.digest()).decode())
                start += length
                if length < part_bytes:
                    break
    except OSError as error:
        detail = f"scratch: {error.strerror or type(error).__name__}"
        raise SyncError("ARCHIVE_UNPROVED", detail=detail) from error
    if (start, whole.hexdigest()) != (draft.size, draft.sha256):
        raise SyncError("ARCHIVE_UNPROVED", detail="scratch: the file was changed")


def _difference(draft: Draft, found: tuple[int, str] | None) -> str:
    if found is None:
        return f"{draft.key}: missing"
    if found[0] != draft.size:
        return f"{draft.key}: {found[0]} bytes instead of {draft.size}"
    return f"{draft.key}: another SHA-256"
