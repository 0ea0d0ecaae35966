"""The archive in a bucket; see :class:`portal.sync.archive.base.Archive` for the promises.

A document is received into the scratch folder of this host and checked there. Publishing sends
its files under their last names, several at once, and reads each back; only then does the ledger
commit. So an object may be there before the ledger names it, and never the other way round.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeVar

from portal.archive_place import S3Keys, S3Place
from portal.errors import SyncError
from portal.sync.archive.base import Stage
from portal.sync.archive.outages import OUTAGES
from portal.sync.archive.s3.bucket import Bucket
from portal.sync.archive.s3.client import Body, S3Client, S3Options
from portal.sync.archive.s3.credentials import CredentialChain
from portal.sync.archive.s3.reading import digest_of, opened
from portal.sync.archive.s3.stage import S3Stage, Scratch, note_upload, noted_uploads
from portal.sync.archive.s3.storing import Draft, Storer

logger = logging.getLogger(__name__)

#: Keys below it are no documents: trials of :meth:`S3Archive.probe`, named by their second.
INCOMING = ".incoming"
_TRIAL = re.compile(re.escape(INCOMING) + r"/probe-(\d+)-\w+")
_TRIAL_BYTES = 4096
_FILES_AT_ONCE = 16
_PARTS_AT_ONCE = 4
# What was begun so long ago belongs to nobody who could still complete it.
_ABANDONED = timedelta(days=1)
T = TypeVar("T")
R = TypeVar("R")


class S3Archive:
    """Objects below a prefix of a bucket; opens nothing before it is used.

    :param keys: None for those of the usual AWS places
    :param scratch: a folder of this host for what is not published yet
    """

    looks_are_cheap = False

    def __init__(
        self,
        place: S3Place,
        keys: S3Keys | None,
        scratch: Path,
        *,
        options: S3Options | None = None,
    ) -> None:
        chain = CredentialChain(keys, region=place.region)
        self._options = options or S3Options()
        client = S3Client(place, chain, self._options)
        self._bucket = Bucket(client, place.prefix)
        self._scratch = Scratch(scratch)

    def stage(self, folder: str, *, owner: str) -> S3Stage:
        """Begin a document in a new folder of the owner's, on this host."""
        return self._scratch.stage(folder, owner)

    def publish(self, stages: Sequence[Stage]) -> None:
        """Send all files and read them back; the scratch folders are gone when it returns."""
        mine = [stage for stage in stages if isinstance(stage, S3Stage)]
        for stage in mine:
            if left := stage.unnoted():
                raise ValueError(f"{stage.folder}: never noted, so not sent: {left}")
        self._each(
            lambda pair: self._store(*pair),
            [(stage, draft) for stage in mine for draft in stage.drafts()],
        )
        for stage in mine:
            stage.close()

    def remove(self, *folders: str) -> None:
        """Remove the folders' objects; what cannot be removed now is found again by a sweep."""
        prefixes = [f"{_inside(folder)}/" for folder in folders]
        try:
            lists = self._each(lambda prefix: list(self._bucket.listed(prefix)), prefixes)
            self._each(self._bucket.remove, [key for found in lists for key, _ in found])
        except SyncError as error:
            logger.warning("%d folders could not be removed: %s", len(folders), error)

    def present(self, folders: Collection[str]) -> frozenset[str]:
        """Those of the folders that have any object."""
        names = list(folders)
        found = self._each(lambda name: any(self._bucket.listed(f"{name}/", most=1)), names)
        return frozenset(name for name, is_there in zip(names, found, strict=True) if is_there)

    def open(self, key: str) -> BinaryIO:
        """Open an object; it is read a stretch at a time, and none of it is kept on disk."""
        return opened(self._bucket, _inside(key))

    def holds(self, key: str) -> bool:
        """Whether the object can be opened."""
        try:
            self.open(key).close()
        except SyncError as error:
            if error.problem.where == "archive":
                raise
            return False
        return True

    def walk(self) -> Iterator[tuple[str, int]]:
        """Every object below the prefix, but trials, what hosts share and folders drawn by hand."""
        for key, size in self._bucket.listed():
            is_drawn = key.endswith("/") and not size
            if not is_drawn and not key.startswith("."):
                yield key, size

    def sweep(self, owner: str) -> int:
        """Remove the slot's scratch folders and abort the uploads that were begun from them."""
        left = self._scratch.left(owner)
        for place in left:
            if self._have_aborted(noted_uploads(place)):
                shutil.rmtree(place, ignore_errors=True)
        self._scratch.forget(owner)
        return len(left)

    def tidy(self, now: datetime) -> int:
        """Abort uploads that were abandoned, of whatever host, and remove trials left behind."""
        stale = [one for one in self._bucket.uploads() if now - one.begun_at > _ABANDONED]
        self._each(lambda one: self._bucket.abort(one.key, one.upload_id), stale)
        trials = [
            key
            for key, _ in self._bucket.listed(f"{INCOMING}/")
            if (trial := _TRIAL.fullmatch(key)) and now.timestamp() - int(trial[1]) > 86_400
        ]
        self._each(self._bucket.remove, trials)
        return len(stale) + len(trials)

    def probe(self, size: int) -> None:
        """Try everything that is done with the bucket: write, read, list, remove.

        ``size`` bytes must fit into the scratch folder; of the bucket's room nothing is known.
        """
        self._scratch.check(size)
        content = secrets.token_bytes(_TRIAL_BYTES)
        sha256 = hashlib.sha256(content).hexdigest()
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        second = int(datetime.now(UTC).timestamp())
        key = f"{INCOMING}/probe-{second}-{secrets.token_hex(8)}"
        try:
            self._bucket.put(
                key, Body(content, sha256), md5=md5, metadata={"x-amz-meta-sha256": sha256}
            )
            if digest_of(self._bucket, key) != (len(content), sha256):
                raise SyncError("ARCHIVE_UNPROVED", detail="the trial object came back different")
            if not any(self._bucket.listed(key, most=1)):
                raise SyncError("ARCHIVE_UNPROVED", detail="the trial object is not listed")
            next(self._bucket.uploads(key), None)
        except BaseException:
            with contextlib.suppress(SyncError):
                self._bucket.remove(key, tries=1)
            raise
        self._bucket.remove(key)

    def owners(self) -> list[str]:
        """The slots of this host with a scratch folder."""
        return self._scratch.owners()

    def free_bytes(self) -> int | None:
        """Not known: no S3 server tells."""
        return None

    # Many things at once.

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="archive")

    @cached_property
    def _storer(self) -> Storer:
        parts = ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="archive-parts")
        return Storer(self._bucket, parts, note_upload, part_bytes=self._options.part_bytes)

    def _store(self, stage: S3Stage, draft: Draft) -> None:
        self._storer.store(draft)
        stage.stored(draft)

    def _each(self, work: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Do it for every thing, several at once; the first outage spares the others the wait.

        :raises SyncError: an outage, else the first error there was
        """
        over = threading.Event()
        errors: list[SyncError] = []

        def one(thing: T) -> R | None:
            if over.is_set():
                return None
            try:
                return work(thing)
            except SyncError as error:
                errors.append(error)
                if error.code in OUTAGES:
                    over.set()
                return None

        done = list(self._threads.map(one, things))
        if errors:
            raise next((error for error in errors if error.code in OUTAGES), errors[0])
        return done  # type: ignore[return-value] # without an error there is no None of ours

    def _have_aborted(self, keys: Iterable[str]) -> bool:
        try:
            for key in dict.fromkeys(keys):
                for one in list(self._bucket.uploads(key)):
                    if one.key == key:
                        self._bucket.abort(key, one.upload_id)
        except SyncError as error:
            logger.warning("unfinished uploads are left for later: %s", error)
            return False
        return True


def _inside(key: str) -> str:
    """The key, if it can only mean something below the prefix.

    :raises SyncError: ARCHIVE_MISSING
    """
    if any(part in ("", ".", "..") for part in key.split("/")) or not _is_utf8(key):
        raise SyncError("ARCHIVE_MISSING")
    return key


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
