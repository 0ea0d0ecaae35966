"""The answers of count and listing, judged as a whole; pure.

A row that makes no sense is a failed document (see ``parse``); a count or a page that makes no
sense is ``SRC_BAD_ANSWER``, since nothing could be relied on then.
"""

from __future__ import annotations

import re
from typing import Any, Never

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.lookup import at
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Count, CountGroup, Named, Page
from portal.sync.sources.values import decimal_number, whole_number

# What the ledger's columns hold: a number beyond is no count, and must not end in a database error.
_MOST = 2**31 - 1
_MOST_BYTES = 2**63 - 1
_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII)


def read_count(data: dict[str, Any], profile: ConnectorProfile) -> Count:
    """The ``data`` of a count.

    :raises SyncError: ``SRC_BAD_ANSWER`` naming the field
    """
    names = profile.count
    return Count(
        documents=_whole(data, names.documents),
        files=_whole(data, names.files) if names.files else None,
        bytes=_whole(data, names.bytes, _MOST_BYTES) if names.bytes else None,
        groups=tuple(_group(group, profile) for group in _list(data, names.groups)),
    )


def read_page(data: dict[str, Any], page_no: int, profile: ConnectorProfile) -> Page:
    """The ``data`` of a listing's page, asked for as ``page_no``.

    :raises SyncError: ``SRC_BAD_ANSWER`` naming the field
    """
    names = profile.page
    told = at(data, names.page_no) if profile.paging == "page" else None
    if told is not None and _whole(data, names.page_no) != page_no:
        _refuse(names.page_no, told)
    return Page(
        total=_whole(data, names.total),
        page_no=page_no,
        documents=tuple(parse_row(row, profile) for row in _list(data, names.rows)),
    )


def read_named(data: dict[str, Any], profile: ConnectorProfile) -> tuple[Named, ...]:
    """The ``data`` of a list of organisations or document types; each code once.

    :raises SyncError: ``SRC_BAD_ANSWER`` naming the field
    """
    names = profile.catalogue
    found: dict[str, str] = {}
    for entry in _list(data, names.entries):
        if not isinstance(entry, dict):
            _refuse(names.entries, entry)
        code = _text(entry, names.code)
        if not code:
            _refuse(names.code, code)
        found.setdefault(code, _text(entry, names.name))
    return tuple(Named(code, name) for code, name in found.items())


def _group(group: object, profile: ConnectorProfile) -> CountGroup:
    names, whole = profile.group, profile.count
    if not isinstance(group, dict):
        _refuse(profile.count.groups, group)
    month = at(group, names.month)
    if not isinstance(month, str) or not _MONTH.fullmatch(month):
        _refuse(names.month, month)
    return CountGroup(
        month=month,
        org_code=_text(group, names.org_code),
        bill_type_code=_text(group, names.bill_type_code),
        documents=_whole(group, names.documents),
        files=_whole(group, names.files) if whole.files else None,
        bytes=_whole(group, names.bytes, _MOST_BYTES) if whole.bytes else None,
        amount=decimal_number(at(group, names.amount)),
    )


def _whole(data: dict[str, Any], field: str, most: int = _MOST) -> int:
    number = whole_number(at(data, field))
    if number is None or number > most:
        _refuse(field, at(data, field))
    return number


def _list(data: dict[str, Any], field: str) -> list[object]:
    entries = at(data, field)
    if not isinstance(entries, list):
        _refuse(field, entries)
    return entries


def _text(data: dict[str, Any], field: str) -> str:
    """A code; empty for documents that lack one."""
    value = at(data, field)
    return "" if value is None else one_line(value, 255)


def _refuse(field: str, value: object) -> Never:
    raise SyncError("SRC_BAD_ANSWER", detail=f"{field}: {one_line(value, 80)}")
