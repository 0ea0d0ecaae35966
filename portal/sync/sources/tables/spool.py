"""A made spool, asked for counts and pages; it is never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from portal.errors import SyncError
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Count, CountGroup, Named, Page, Scope, SourceDocument

_SUMS = (
    "SELECT month, org, type, count(*), sum(files), sum(bytes), count(bytes), sum(cents),"
    " count(cents) FROM documents WHERE {where} GROUP BY month, org, type ORDER BY 1, 2, 3"
)
_TOTAL = "SELECT count(*) FROM documents WHERE {where}"
_ORDS = "SELECT ord FROM documents WHERE {where} ORDER BY ord LIMIT ? OFFSET ?"


class Spool:
    """The spool at ``path``, opened for each question: it may be swept at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self, scope: Scope) -> Count:
        """Of what is in a scope."""
        where, values = _where(scope)
        rows = self._ask(_SUMS.format(where=where), values)
        groups = tuple(_group(row) for row in rows)
        known = [group.bytes for group in groups if group.bytes is not None]
        return Count(
            documents=sum(group.documents for group in groups),
            files=sum(group.files or 0 for group in groups),
            bytes=sum(known) if len(known) == len(groups) else None,
            groups=groups,
        )

    def page(self, scope: Scope, page_no: int, profile: ConnectorProfile) -> Page:
        """A page of a scope, in the order of collection."""
        size = profile.page_size
        skipped = (page_no - 1) * size
        where, values = _where(scope)
        if scope.org_codes or scope.bill_type_codes:
            total = int(self._ask(_TOTAL.format(where=where), values)[0][0])
            ords = [
                int(row[0])
                for row in self._ask(_ORDS.format(where=where), (*values, size, skipped))
            ]
        else:
            first, end = self._first_from(values[0]), self._first_from(values[1])
            total = end - first
            ords = [*range(first + skipped, min(first + skipped + size, end))]
        documents = tuple(self._documents(ords, profile))
        return Page(total=total, page_no=page_no, documents=documents, version=self.version())

    def named(self, kind: str) -> tuple[Named, ...]:
        """The organisations (``org``) or document types (``type``) that have documents."""
        rows = self._ask("SELECT code, name FROM named WHERE kind = ? ORDER BY code", (kind,))
        return tuple(Named(code, name) for code, name in rows)

    def version(self) -> str:
        """Equal for spools of the same documents."""
        return str(self._ask("SELECT version FROM about", ())[0][0])

    def _first_from(self, micros: int) -> int:
        """The place of the first document collected then or later; one behind the last."""
        later = "SELECT ord FROM documents WHERE collected >= ? ORDER BY collected, ord LIMIT 1"
        found = self._ask(later, (micros,)) or self._ask(
            "SELECT coalesce(max(ord), 0) + 1 FROM documents", ()
        )
        return int(found[0][0])

    def _documents(self, ords: Sequence[int], profile: ConnectorProfile) -> list[SourceDocument]:
        if not ords:
            return []
        marks = ", ".join("?" * len(ords))
        rows = self._ask(
            f"SELECT row, problem FROM rows WHERE ord IN ({marks}) ORDER BY ord",  # noqa: S608
            ords,
        )
        return [_document(row, problem, profile) for row, problem in rows]

    def _ask(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        address = f"file:{quote(str(self._path))}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(address, uri=True)) as db:
                return db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SyncError("SRC_SPOOL", detail=str(error)) from error


def _where(scope: Scope) -> tuple[str, tuple[Any, ...]]:
    parts = ["collected >= ?", "collected < ?"]
    values: list[Any] = [round(at.timestamp() * 1e6) for at in (scope.starts_at, scope.ends_at)]
    for column, codes in (("org", scope.org_codes), ("type", scope.bill_type_codes)):
        if codes:
            parts.append(f"{column} IN ({', '.join('?' * len(codes))})")
            values += codes
    return " AND ".join(parts), tuple(values)


def _group(row: tuple[Any, ...]) -> CountGroup:
    month, org, bill_type, documents, files, size, sized, cents, priced = row
    return CountGroup(
        month=month,
        org_code=org,
        bill_type_code=bill_type,
        documents=documents,
        files=files,
        bytes=size if sized == documents else None,
        amount=Decimal(cents) / 100 if priced == documents else None,
    )


def _document(row: str, problem: str | None, profile: ConnectorProfile) -> SourceDocument:
    document = parse_row(json.loads(row), profile)
    if problem is None:
        return document
    code, params = json.loads(problem)
    return replace(document, problem=SyncError(code, **params))
