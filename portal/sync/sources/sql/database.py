"""A database that is somebody else's: read in a transaction that can change nothing.

No type or exception of SQLAlchemy leaves this module.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from portal.errors import InvalidSetting, SyncError
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.answers import one_line

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
_MYSQL = ("mysql", "mariadb")
_AT_ONCE = 1000
_CONNECT_SECONDS = 10
_READ_SECONDS = 300


def check_address(value: str) -> None:
    """Refuse what is no address of a database.

    :raises InvalidSetting: without the address, which may hold a password
    """
    url = _parsed(value)
    if url.host:
        try:
            rule.check_host(url.host)
        except AddressForbidden:
            raise InvalidSetting("该地址不允许连接", "may not be connected to") from None


def shown_address(value: str) -> str:
    """The address without its user and password."""
    url = _parsed(value)
    where = url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{where}{port}/{url.database or ''}"


class SourceDatabase:
    """The database at an address; connected for each reading."""

    def __init__(self, address: str) -> None:
        self._url = _parsed(address)

    def check(self) -> None:
        """Whether it answers.

        :raises SyncError: ``SQL_UNREACHABLE`` or ``SQL_DRIVER``
        """
        with self._reading():
            pass

    @contextlib.contextmanager
    def rows(
        self, query: str, values: Mapping[str, str]
    ) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Any]]]]:
        """The names of the columns, and the rows as they come.

        :raises SyncError: ``SQL_QUERY`` when the database refuses it, or those of :meth:`check`
        """
        with self._reading() as connection:
            try:
                result = connection.execute(text(query), values)
                yield list(result.keys()), iter(result)
            except SQLAlchemyError as error:
                raise SyncError("SQL_QUERY", detail=_detail(error)) from None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        engine = self._engine()
        try:
            with contextlib.ExitStack() as stack:
                try:
                    connection = stack.enter_context(engine.connect())
                    _make_read_only(connection, self._url.get_backend_name())
                except SQLAlchemyError as error:
                    raise SyncError("SQL_UNREACHABLE", detail=_detail(error)) from None
                # Nothing is ever committed: leaving the connection rolls back.
                yield connection.execution_options(stream_results=True, yield_per=_AT_ONCE)
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        backend = self._url.get_backend_name()
        if self._url.host:
            try:
                rule.check_host(self._url.host)
            except AddressForbidden as error:
                raise SyncError(
                    "ADDRESS_FORBIDDEN", host=error.host, address=error.address
                ) from None
        if backend == "sqlite":
            return create_engine("sqlite://", creator=self._opened_file, poolclass=NullPool)
        options: dict[str, Any] = {}
        if backend == "postgresql":
            options = {"connect_timeout": _CONNECT_SECONDS}
        elif backend in _MYSQL:
            options = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
        try:
            return create_engine(_with_driver(self._url), poolclass=NullPool, connect_args=options)
        except (ImportError, NoSuchModuleError) as error:
            detail = one_line(str(error), 200)
            raise SyncError("SQL_DRIVER", dialect=backend, detail=detail) from None

    def _opened_file(self) -> sqlite3.Connection:
        """A file that nobody makes or writes."""
        return sqlite3.connect(f"file:{quote(self._url.database or '')}?mode=ro", uri=True)


def _with_driver(url: URL) -> URL:
    """With the driver that comes along."""
    backend = url.get_backend_name()
    if "+" not in url.drivername and backend in _DRIVERS:
        return url.set(drivername=f"{backend}+{_DRIVERS[backend]}")
    return url


def _make_read_only(connection: Connection, backend: str) -> None:
    if backend == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif backend == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif backend in _MYSQL:
        # The session's too: some statements end a transaction by themselves.
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.exec_driver_sql("START TRANSACTION READ ONLY")


def _parsed(value: str) -> URL:
    try:
        url = make_url(value.strip())
        url.get_backend_name()
    except (ArgumentError, ValueError):
        url = None
    if url is None or (url.get_backend_name() == "sqlite" and not url.database):
        raise InvalidSetting(
            "须为数据库地址，如 postgresql://用户:密码@主机/库、mysql://…、sqlite:////路径/文件.db",
            "must be a database's address, such as postgresql://user:password@host/name, mysql://…"
            " or sqlite:////path/file.db",
        )
    return url


def _detail(error: SQLAlchemyError) -> str:
    """What the driver said; the query and its address are in none of it."""
    said = getattr(error, "orig", None)
    return one_line(str(said if said is not None else type(error).__name__), 300)
