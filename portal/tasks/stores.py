"""Where the queue's messages lie: a file, Redis or PostgreSQL, as ``PORTAL_QUEUE_URL`` names it.

Each is Huey's own storage, but opened when it is first used, and made ready then: a server that
is away keeps no process from starting, one that comes back empty is as good as new, and nothing
is open when a process forks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from huey.storage import BaseStorage, PostgresStorage, PriorityRedisStorage, SqliteStorage

from portal.errors import SettingsError

FILE = "sqlite:///"
# A page waits no longer than this for a server that does not answer.
_CONNECT_SECONDS = 3
# Of a worker the server may take one second to say that there is nothing.
_ANSWER_SECONDS = 4


def open_store(url: str, name: str) -> Any:
    """The storage the URL names; nothing is connected yet.

    It has ``errors``, what may be raised when it is used, and ``cannot_be_asked(error)``: whether
    the server was not there at all, rather than refused.

    :raises SettingsError: for a URL that its driver does not take
    """
    if url.startswith(FILE):
        return FileStore(name, Path(url.removeprefix(FILE)))
    try:
        if url.startswith("postgresql://"):
            return _postgresql_store(name, url)
        return _redis_store(name, url)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"设置无效 invalid setting PORTAL_QUEUE_URL: {type(error).__name__}；"
            "检查地址中的参数 check the parameters in it"
        ) from None


class FileStore(SqliteStorage):  # type: ignore[misc] # Huey has no types
    """A SQLite file of this host. What is lost with the power is told again: nothing is fsynced."""

    errors: ClassVar = (sqlite3.Error, OSError)

    def __init__(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._conn: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        super().__init__(name, filename=str(path), fsync=False, create_tables=False)

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection; a new one when somebody has removed or replaced the file."""
        if self._conn is not None and _identity(self.filename) != self._opened:
            self._conn.close()
            self._conn = None
        connection: sqlite3.Connection = super().conn
        return connection

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        try:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'task'").fetchone():
                connection.execute("BEGIN EXCLUSIVE")
                for statement in self.ddl:
                    connection.execute(statement)
                connection.execute("COMMIT")
        except sqlite3.Error:
            connection.close()
            raise
        self._opened = _identity(self.filename)
        return connection

    @staticmethod
    def cannot_be_asked(error: Exception) -> bool:
        """A file is there, or can be made, or its place is not to be written to."""
        return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _redis_store(name: str, url: str) -> BaseStorage:
    from redis import ConnectionPool  # noqa: PLC0415 - only where it is used
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import ConnectionError, RedisError, TimeoutError  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    class RedisStore(PriorityRedisStorage):  # type: ignore[misc] # Huey has no types
        """A sorted set of one Redis database."""

        errors: ClassVar = (RedisError, OSError)

        def close(self) -> None:
            """Let go of the connections."""
            self.pool.disconnect()

        @staticmethod
        def cannot_be_asked(error: Exception) -> bool:
            """Away, loading its data, not taking the password, or not answering in time."""
            return isinstance(error, ConnectionError | TimeoutError | OSError)

    pool = ConnectionPool.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    pool.connection_class(**pool.connection_kwargs)  # refuses a parameter there is not
    return RedisStore(name, connection_pool=pool)


def _postgresql_store(name: str, url: str) -> BaseStorage:
    import psycopg  # noqa: PLC0415 - only where it is used
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    class PostgresqlStore(PostgresStorage):  # type: ignore[misc] # Huey has no types
        """Two tables of a PostgreSQL database; LISTEN wakes the workers."""

        errors: ClassVar = (psycopg.Error, OSError)

        @staticmethod
        def cannot_be_asked(error: Exception) -> bool:
            """Away, stopping, or not letting us in."""
            if isinstance(error, psycopg.errors.DiskFull):
                return False
            return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)

        def make_tables(self, connection: psycopg.Connection[Any]) -> None:
            """Of a database that has none; several processes may find that at once."""
            found = connection.execute("SELECT to_regclass(%s)", (self.table_task,)).fetchone()
            if found != (None,):
                return
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('imgmig_queue'))")
                for statement in self.ddl:
                    connection.execute(statement)

    try:
        parameters: Mapping[str, Any] = _STEADY | conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ValueError("not a URL of PostgreSQL") from error

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(**parameters, autocommit=True)
        try:
            store.make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    store = PostgresqlStore(
        name, connection=connect, table_prefix="imgmig_queue", create_tables=False
    )
    return store


_STEADY: dict[str, Any] = {
    "application_name": "imgmig queue",
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 30,
    # Milliseconds after which what nobody acknowledges ends the connection.
    "tcp_user_timeout": 10_000,
}
