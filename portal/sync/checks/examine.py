"""Examine one file: from its size and first bytes to its last page.

Runs in a limited child process (:mod:`.inspector`), because a hostile file may want all memory or
all time. A child loads the readers before it says that it can work; anybody else as they are
wanted.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Protocol, cast

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts, InspectionJob
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.sniff import HEAD_BYTES, PICTURE_KINDS, ZIP_KINDS, expected_kinds, sniff


class Reader(Protocol):
    """A module that knows some kinds of file."""

    def read(self, path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
        """Read the file and say what it is; what can only be seen by computing pictures and pages
        is looked at with ``decode``.

        :raises SyncError: if it is not whole or not allowed
        """


_READERS = {
    **dict.fromkeys(PICTURE_KINDS, "pictures"),
    "pdf": "pdf",
    "ofd": "ofd",
    "xml": "xml_text",
    "ooxml": "office",
    "ole": "office",
    "zip": "zipped",
    "txt": "plain_text",
}


def load_readers() -> None:
    """Import what reads files, which takes longer than to read one."""
    for kind in _READERS:
        _reader(kind)


def examine(job: InspectionJob) -> FileFacts:
    """Check a file against its declaration and the rules.

    :raises SyncError: a ``FILE_…`` problem
    :raises OSError: if the file itself cannot be opened (its content is not to blame)
    """
    size = os.path.getsize(job.path)
    if size > job.rules.max_bytes:
        raise SyncError("FILE_TOO_LARGE", actual=size, limit=job.rules.max_bytes)
    kind = _kind(job)
    if kind not in job.rules.kinds_for(job.category):
        raise SyncError("FILE_TYPE_NOT_ALLOWED", category=job.category, actual=kind)
    facts = _reader(kind).read(job.path, kind, job.rules, decode=job.decode)
    if None not in (job.page_count, facts.pages) and job.page_count != facts.pages:
        raise SyncError("FILE_PAGE_COUNT_MISMATCH", expected=job.page_count, actual=facts.pages)
    return facts


def _kind(job: InspectionJob) -> str:
    """What the content is, which must be what the suffix says."""
    with open(job.path, "rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    expected = expected_kinds(job.suffix)
    if kind == "zip":
        kind = _wrapped_kind(job.path, wanted=not expected or bool(expected & ZIP_KINDS))
    if expected and kind not in expected:
        declared = job.suffix.lstrip(".").lower()
        raise SyncError("FILE_TYPE_MISMATCH", declared=declared, actual=kind)
    return kind


def _wrapped_kind(path: str, *, wanted: bool) -> str:
    """What a ZIP carries; where no ZIP is wanted, one that does not open is just a ``zip``."""
    from portal.sync.checks.zipped import zip_kind  # noqa: PLC0415 - as lazy as the readers

    try:
        return zip_kind(path)
    except SyncError:
        if wanted:
            raise
        return "zip"


def _reader(kind: str) -> Reader:
    return cast(Reader, import_module(f"portal.sync.checks.{_READERS[kind]}"))
