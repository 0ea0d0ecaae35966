"""Every store a queue may have, behind its back: what lies in it, and how it loses everything."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from redis import Redis

REDIS = os.environ.get("IMGMIG_TEST_REDIS", "")
POSTGRESQL = os.environ.get("IMGMIG_TEST_POSTGRESQL", "")
STORES = [
    "sqlite",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("postgresql", marks=pytest.mark.postgresql),
]
_KEY = "huey.redis.imgmig"
_TABLES = ("task", "schedule", "kv", "counter")


class Place(Protocol):
    """Where the messages of one test lie."""

    url: str

    def lose(self) -> None:
        """Everything, as a server does that comes back without its memory."""

    def put(self, message: bytes) -> None:
        """Something that no portal wrote."""

    def kept(self) -> int:
        """How many things of any kind lie there."""


class FilePlace:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path

    def lose(self) -> None:
        for file in self._path.parent.glob(f"{self._path.name}*"):
            file.unlink()

    def put(self, message: bytes) -> None:
        with closing(sqlite3.connect(self._path)) as file, file:
            file.execute("INSERT INTO task (queue, data) VALUES ('imgmig', ?)", (message,))

    def kept(self) -> int:
        with closing(sqlite3.connect(self._path)) as file:
            counts = [file.execute(f"SELECT count(*) FROM {name}").fetchone() for name in _TABLES]
        return sum(int(count) for (count,) in counts)


class RedisPlace:
    """A database of a Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = Redis.from_url(url, decode_responses=True)

    def lose(self) -> None:
        self._client.delete(*self._client.keys("huey.*") or ["none"])

    def put(self, message: bytes) -> None:
        self._client.zadd(_KEY, {b"8 bytes." + message: 0})

    def kept(self) -> int:
        keys = [str(key) for key in self._client.keys("huey.*")]
        assert set(keys) <= {_KEY}
        return int(self._client.zcard(_KEY))

    def close(self) -> None:
        self._client.close()


class PostgresqlPlace:
    """A schema of a PostgreSQL."""

    def __init__(self, server: str, schema: str) -> None:
        separator = "&" if "?" in server else "?"
        self.url = f"{server}{separator}options={quote(f'-csearch_path={schema}')}"
        self._connection = psycopg.connect(self.url, autocommit=True)

    def lose(self) -> None:
        for name in _TABLES:
            self._do(sql.SQL("DROP TABLE IF EXISTS {}").format(_table(name)))

    def put(self, message: bytes) -> None:
        insert = sql.SQL("INSERT INTO {} (queue, data) VALUES ('imgmig', %s)")
        self._connection.execute(insert.format(_table("task")), (message,))

    def kept(self) -> int:
        query = sql.SQL("SELECT count(*) FROM {}")
        found = [self._connection.execute(query.format(_table(name))) for name in _TABLES]
        return sum(int(row[0]) for result in found for row in result)

    def close(self) -> None:
        self._connection.close()

    def _do(self, statement: sql.Composed) -> None:
        self._connection.execute(statement)


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(f"imgmig_queue_{name}")


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """A place of its own in the store of that kind; skips where the environment names none."""
    if kind == "sqlite":
        yield FilePlace(folder / "queue.db")
    elif kind == "redis":
        with _own_redis_database() as url:
            place = RedisPlace(url)
            yield place
            place.lose()
            place.close()
    else:
        with _own_schema() as schema:
            own = PostgresqlPlace(POSTGRESQL, schema)
            yield own
            own.close()


@contextmanager
def _own_redis_database() -> Iterator[str]:
    """One of the databases that nobody has taken: others test on the same server."""
    if not REDIS:
        pytest.skip("IMGMIG_TEST_REDIS names no Redis")
    server = REDIS.rpartition("/")[0]
    for number in range(1, 64):
        url = f"{server}/{number}"
        with Redis.from_url(url) as client:
            if client.set("taken", "by a test", nx=True, ex=3600):
                yield url
                client.delete("taken")
                return
    pytest.fail("no database of the Redis is free")


@contextmanager
def _own_schema() -> Iterator[str]:
    if not POSTGRESQL:
        pytest.skip("IMGMIG_TEST_POSTGRESQL names no PostgreSQL")
    name = f"queue_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as server:
        server.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        yield name
        server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
