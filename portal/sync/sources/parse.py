"""From a listed row to a :class:`SourceDocument`, whatever the row holds.

A row that breaks the source contract is never an error of the listing: its document carries the
first ``problem``, in the order of the contract's fields, and what was readable besides.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.lookup import at, put, without
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceDocument, SourceFile
from portal.sync.sources.values import FieldReader, storable

_IMAGE_NO_LENGTH = 128
_RESOURCE_LENGTH = 64
_FILE_ID_LENGTH = 128
_NAME_LENGTH = 255
_URL_LENGTH = 4096
_MAX_INT = 2**31 - 1
_MAX_SIZE = 2**63 - 1
_SUFFIX = re.compile(r"\.?[a-z0-9][a-z0-9_+-]{0,30}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")


def parse_row(row: object, profile: ConnectorProfile) -> SourceDocument:
    """Read one JSON row of a listing; never raises for bad data.

    A row whose image number is missing or unusable gets ``ROW-`` and a digest of the row instead,
    the same at every listing.
    """
    names, problems = profile.row, list[SyncError]()
    fields = row if isinstance(row, dict) else {}
    read = FieldReader(fields, problems)
    if fields is not row:
        read.bad("row", row)
    # Keyword arguments are evaluated in this order, so the first problem is the contract's first.
    document = SourceDocument(
        image_no=_image_no(read, row, profile, problems),
        bill_no=read.text(names.bill_no, _NAME_LENGTH),
        bill_type_code=read.text(names.bill_type_code, _NAME_LENGTH, required=True),
        bill_type_name=read.text(names.bill_type_name, _NAME_LENGTH),
        org_code=read.text(names.org_code, _NAME_LENGTH, required=True),
        org_name=read.text(names.org_name, _NAME_LENGTH),
        applicant=read.text(names.applicant, _NAME_LENGTH),
        collected_at=read.instant(names.collected_at, local=profile.time_format == "local"),
        amount=read.amount(names.amount),
        resource=read.text(names.resource, _RESOURCE_LENGTH),
        files=_files(read, at(fields, names.files), profile, problems),
        extra=_extra(fields, profile),
        problem=None,
    )
    return replace(document, problem=problems[0]) if problems else document


def _image_no(
    read: FieldReader, row: object, profile: ConnectorProfile, problems: list[SyncError]
) -> str:
    image_no = read.exact(profile.row.image_no, _IMAGE_NO_LENGTH)
    if image_no:
        return image_no
    if not problems:
        read.note(SyncError("META_NO_IMAGE_NO"))
    return "ROW-" + _row_digest(row, profile)


def _row_digest(row: object, profile: ConnectorProfile) -> str:
    """SHA-256 of the row's canonical JSON, 32 hex digits of it.

    The query of a download address is left out: it often holds a signature that differs from one
    listing to the next.
    """
    copy = storable(row)
    files = at(copy, profile.row.files) if isinstance(copy, dict) else None
    for file in files if isinstance(files, list) else ():
        url = at(file, profile.file.download_url) if isinstance(file, dict) else None
        if isinstance(url, str):
            put(file, profile.file.download_url, url.partition("?")[0])
    canonical = json.dumps(copy, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _files(
    read: FieldReader, entries: object, profile: ConnectorProfile, problems: list[SyncError]
) -> tuple[SourceFile, ...]:
    """The files that have an id of their own and a known category; any other is a problem."""
    if entries is None or entries == []:
        read.note(SyncError("META_NO_FILES"))
        return ()
    if not isinstance(entries, list):
        read.bad(profile.row.files, entries)
        return ()
    files: dict[str, SourceFile] = {}
    for position, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            read.bad(profile.row.files, entry)
            continue
        file = _file(FieldReader(entry, problems), position, profile)
        if file is not None and file.file_id in files:
            read.note(SyncError("META_DUPLICATE_FILE", file_id=file.file_id))
        elif file is not None:
            files[file.file_id] = file
    return tuple(files.values())


def _file(read: FieldReader, position: int, profile: ConnectorProfile) -> SourceFile | None:
    names = profile.file
    file_id = read.text(names.file_id, _FILE_ID_LENGTH, required=True)
    word = read.text(names.category, _NAME_LENGTH, required=True)
    category = profile.categories.get(word)
    if word and category is None:
        read.note(SyncError("META_BAD_CATEGORY", value=one_line(word, 80)))
    seq = read.whole(names.seq, _MAX_INT)
    name = read.file_name(names.name, _NAME_LENGTH)
    suffix = read.pattern(names.suffix, _SUFFIX).removeprefix(".")
    file = SourceFile(
        file_id=file_id,
        category=category or "attachment",
        seq=position if seq is None else seq,
        name=name,
        suffix=suffix or _suffix_of(name),
        size=read.whole(names.size, _MAX_SIZE),
        sha256=read.pattern(names.sha256, _SHA256) or None,
        md5=read.pattern(names.md5, _MD5) or None,
        page_count=read.whole(names.page_count, _MAX_INT),
        download_url=read.exact(names.download_url, _URL_LENGTH) or None,
    )
    return file if file_id and category else None


def _suffix_of(name: str) -> str:
    """The suffix of a file name, empty if what follows its last dot is none."""
    stem, dot, suffix = name.lower().rpartition(".")
    return suffix if dot and stem and _SUFFIX.fullmatch(suffix) else ""


def _extra(fields: dict[str, Any], profile: ConnectorProfile) -> dict[str, Any]:
    """What the contract does not name; that of the files by file id, under the files' own name."""
    extra = _unnamed(fields, vars(profile.row).values())
    entries = at(fields, profile.row.files)
    of_files = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and (unnamed := _unnamed(entry, vars(profile.file).values())):
            file_id = one_line(at(entry, profile.file.file_id), _FILE_ID_LENGTH)
            of_files[file_id] = unnamed
    return {**extra, profile.row.files: of_files} if of_files else extra


def _unnamed(fields: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    copy: dict[str, Any] = storable(without(fields, names))
    return copy
