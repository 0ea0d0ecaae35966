"""Whose fault a failure is: the document's, the source's as a whole, or our own archive's.

A source that is down, or that refuses the credentials, fails every document alike; none of them
must be marked for it. So when such failures come in a row, the source is asked whether it is
there at all, and only if it is they count against the documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from portal.errors import SyncError
from portal.sync.archive.base import Archive
from portal.sync.archive.outages import OUTAGES
from portal.sync.sources.base import Source
from portal.sync.transfer.retry import is_final
from portal.sync.transfer.work import Result

# So many failures in a row without one success are worth a question.
_SUSPICIOUS = 3
# What the source declares need not be true: room for so much is enough to try.
_MOST_NEEDED = 1 << 30
_DEFINITE = frozenset({"SRC_CREDENTIALS"})


class Blame:
    """What is known of one source's health in this process; used by one thread at a time."""

    def __init__(self, source: Source, archive: Archive) -> None:
        self._source = source
        self._archive = archive
        self._failures = 0

    def cause(self, results: Sequence[Result]) -> SyncError | None:
        """What holds everything, judging by a group of results; None when documents are to blame.

        May ask the source, which takes as long as its timeouts.
        """
        ours = self._archive_cause(results)
        if ours is not None:
            return ours
        failed = [(one.claim.attempt, error) for one in results if (error := _suspect(one))]
        if not failed:
            self._failures = 0
            return None
        is_alone = len(failed) == len(results)
        # Else something was served, but maybe just before the source went down.
        at_the_end = len(list(takewhile(_suspect, reversed(results))))
        self._failures = at_the_end + (self._failures if is_alone else 0)
        is_definite = is_alone and any(error.code in _DEFINITE for _, error in failed)
        is_last_try = any(
            is_final(attempt, error) and (is_alone or not error.permanent)
            for attempt, error in failed
        )
        if not (is_definite or is_last_try or self._failures >= _SUSPICIOUS):
            return None
        illness = _illness(self._source)
        if illness is None:
            self._failures = 0
        return illness

    def _archive_cause(self, results: Sequence[Result]) -> SyncError | None:
        """What is wrong with the archive as a whole: full, or not to be written at all."""
        for result in results:
            if result.error is None or result.error.problem.where != "archive":
                continue
            if result.error.code == "ARCHIVE_FULL":
                full = SyncError("ARCHIVE_FULL")
                # The probe has to find room for this document, or it would be fetched in vain.
                full.params["needed"] = _declared_bytes(result)
                return full
            if result.error.code in OUTAGES:
                return result.error
            try:
                self._archive.probe(0)
            except SyncError as error:
                return error
        return None


def _suspect(result: Result) -> SyncError | None:
    """The failure, when its cause may lie with the source as a whole."""
    error = result.error
    return error if error is not None and error.problem.where == "source" else None


def source_cause(source: Source, error: SyncError, attempt: int) -> SyncError | None:
    """What holds the source, judging by a failed call of the listing.

    May ask the source. ``attempt`` is which try in a row it was, from 1.
    """
    if error.problem.where != "source":
        return None
    if error.code not in _DEFINITE and attempt < _SUSPICIOUS:
        return None
    return _illness(source)


def _illness(source: Source) -> SyncError | None:
    """What keeps the source from being worked; a refusal for the rate does not."""
    try:
        source.check()
    except SyncError as error:
        return None if error.code == "SRC_THROTTLED" else error
    return None


def _declared_bytes(result: Result) -> int:
    return min(sum(file.size or 0 for file in result.claim.files), _MOST_NEEDED)
