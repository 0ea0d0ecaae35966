"""The rows of a query as the table of a source.

A query that binds the range of collection is asked for each range by itself. Databases do not say
whether they changed, so a listing begins with rows that were just read and goes on with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.sources.files.paths import BadPath
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Scope
from portal.sync.sources.sql.database import SourceDatabase
from portal.sync.sources.sql.query import FROM_DATE, TO_DATE, is_bound, statement
from portal.sync.sources.sql.template import columns_of, filled
from portal.sync.sources.tables.columns import PATH, BadColumns, Names, usual_name
from portal.sync.sources.tables.gathering import no_path_check, table_profile
from portal.sync.sources.tables.lines import Line, flat_line
from portal.sync.sources.tables.spool import Spool
from portal.sync.sources.tables.spool_making import SpoolMaker
from portal.sync.sources.tables.spools import Spools
from portal.sync.sources.values import SOURCE_ZONE

#: Rows read so recently are taken for what the database says now.
_FRESH_SECONDS = 60.0
#: A listing that goes on takes the rows it began with, if they are no older.
_LISTING_SECONDS = 6 * 3600.0
_EVERYTHING = ("0001-01-01 00:00:00", "9999-12-31 23:59:59")


class QueryTable:
    """What a query gives.

    :param template: where a row's file is; ``for_web`` when it is part of a web address
    """

    def __init__(
        self,
        database: SourceDatabase,
        query: str,
        template: str,
        profile: ConnectorProfile,
        spools: Spools,
        *,
        for_web: bool,
    ) -> None:
        self._database = database
        self._query = query
        self._template = template
        self._profile = profile
        self._spools = spools
        self._for_web = for_web

    def check(self) -> None:
        """Whether the database answers."""
        self._database.check()

    def spool(self, scope: Scope | None, page_no: int) -> Spool:
        """Of rows just read, or of those that a listing began with."""
        bounds = _bounds(scope) if is_bound(self._query) else None
        stamp = "\n".join(bounds or ("all",))
        most = _LISTING_SECONDS if page_no > 1 else _FRESH_SECONDS
        found = self._spools.find(stamp, most)
        if found is not None:
            return found
        self._spools.forget(stamp)
        undated_at = scope.starts_at if scope is not None and bounds is not None else None

        def make(path: Path, on_step: Callable[[], None]) -> None:
            self._make(path, bounds, undated_at, on_step)

        return self._spools.get(stamp, make, sweeping=bounds is None)

    def close(self) -> None:
        """Nothing stays connected."""

    def _make(
        self,
        path: Path,
        bounds: Sequence[str] | None,
        undated_at: datetime | None,
        on_step: Callable[[], None],
    ) -> None:
        values = dict(zip((FROM_DATE, TO_DATE), bounds, strict=True)) if bounds else {}
        with (
            contextlib.closing(
                SpoolMaker(path, table_profile(self._profile), no_path_check, on_step)
            ) as maker,
            self._database.rows(statement(self._query), values) as (names, rows),
        ):
            maker.make(self._lines(names, rows), undated_at)

    def _lines(self, names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[Line]:
        wanted = columns_of(self._template)
        known = Names.of(self._profile)
        try:
            fields = known.header(names, needs_path=False, besides=_besides(names, wanted))
        except BadColumns as error:
            raise SyncError("SQL_COLUMNS", detail=one_line(str(error), 300)) from None
        sources = [_position(name, names, fields, known) for name in wanted]
        for number, row in enumerate(rows, start=1):
            values = [_value(cell) for cell in row]
            line = flat_line(
                number,
                {
                    field: value
                    for field, value in zip(fields, values, strict=True)
                    if field != PATH and known.field(field) is not None
                },
            )
            parts = {name: values[at] for name, at in zip(wanted, sources, strict=True)}
            yield self._with_path(line, parts)

    def _with_path(self, line: Line, parts: Mapping[str, Any]) -> Line:
        try:
            path = filled(self._template, parts, for_web=self._for_web)
        except BadPath as error:
            shown = one_line("/".join(str(part) for part in parts.values()), 300)
            problem = SyncError("META_BAD_PATH", line=line.number, path=shown, detail=str(error))
            return Line(line.number, line.document, line.files, problem)
        return Line(line.number, line.document, ({**line.files[0], PATH: path},))


def _besides(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The columns that only the template asks for."""
    folded = {name.casefold() for name in wanted}
    return [name for name in names if name.casefold() in folded]


def _position(name: str, names: Sequence[str], fields: Sequence[str], known: Names) -> int:
    """The column that a word of the template means: by its own name, or by what it is."""
    own = [at for at, column in enumerate(names) if column.casefold() == name.casefold()]
    field = known.field(name)
    same = [at for at, one in enumerate(fields) if one == field and field is not None]
    for at in (*own, *same):
        return at
    usual = usual_name(field) if field is not None else name
    raise SyncError("SQL_COLUMNS", detail=f"模板中的列不在结果中 not in the result: {usual}")


def _value(cell: object) -> Any:
    """A cell as a manifest would have it."""
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds") if cell.tzinfo is None else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell).decode("utf-8", "replace")
    if isinstance(cell, str | int | float) or cell is None:
        return cell
    return str(cell)


def _bounds(scope: Scope | None) -> Sequence[str]:
    if scope is None:
        return _EVERYTHING
    return [
        f"{at.astimezone(SOURCE_ZONE):%Y-%m-%d %H:%M:%S}" for at in (scope.starts_at, scope.ends_at)
    ]
