"""Alembic's environment: the current application's database, and both packages' tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, cast

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy import Connection, Engine, String, text

from executor.models import Base as ExecutorBase
from executor.models import Instant
from migrations.floors import note_floor
from portal.ledger_connections import exact_collation
from portal.models import Base
from portal.models.base import StatusType, UtcDateTime


def _render(kind: str, thing: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types as the plain ones they are: a revision must not change with them."""
    if kind != "type":
        return False
    if isinstance(thing, UtcDateTime):
        autogen.imports.add("from sqlalchemy.dialects import mysql")
        return "sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')"
    if isinstance(thing, StatusType):
        return f"sa.String(length={cast(String, thing.impl_instance).length})"
    if isinstance(thing, Instant):
        return "sa.BigInteger()"
    return False


def _compare_exactly(connection: Connection) -> None:
    """Have every table of MariaDB and MySQL compare byte by byte, as those of the others do.

    A table that says nothing takes the collation of its database, and that of most installations
    takes capitals, accents and spaces at the end for the same.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    version = connection.scalar(text("SELECT VERSION()"))
    exact = exact_collation(str(version))
    if connection.scalar(text("SELECT @@collation_database")) != exact:
        connection.exec_driver_sql(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {exact}")
    connection.commit()


def _after_each(ctx: Any, step: object, heads: Collection[Any], run_args: object) -> None:
    """In the transaction of the step."""
    note_floor(ctx.connection, context.script, next(iter(heads), None))


_engine: Engine = current_app.extensions["sqlalchemy"].engine
# Changing a table waits for whoever reads it, and everybody else waits behind: better give up
# soon and try again (portal.schema) than hold up all the workers. Two who bring the schema
# forward at once take turns first.
_TURNS = {
    "postgresql": (
        "SELECT pg_advisory_xact_lock(hashtext('imgmig schema'))",
        "SET LOCAL lock_timeout = '3s'",
    ),
    "mysql": ("SELECT GET_LOCK('imgmig schema', 60)", "SET SESSION lock_wait_timeout = 3"),
    "mariadb": ("SELECT GET_LOCK('imgmig schema', 60)", "SET SESSION lock_wait_timeout = 3"),
}

with _engine.execution_options(ledger_patience=30.0).connect() as connection:
    _compare_exactly(connection)
    context.configure(
        connection=connection,
        target_metadata=[Base.metadata, ExecutorBase.metadata],
        compare_type=True,
        render_item=_render,
        # SQLite cannot alter most things in place: tables are copied there.
        render_as_batch=True,
        on_version_apply=_after_each,
    )
    with context.begin_transaction():
        for statement in _TURNS.get(connection.dialect.name, ()):
            connection.exec_driver_sql(statement)
        context.run_migrations()
