"""Whether a transaction got through whose connection was lost while it was committed.

Every transaction that changed something writes a token of its own right before its commit. When
the answer to the commit is lost, another connection tries to write the same token: the database
makes it wait until the first one has ended, and refuses it if that was committed.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, event, insert
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from portal.ledger_failures import CommitUnknown, is_lost, passes
from portal.models import LedgerCommit, table_of, utc_now

logger = logging.getLogger(__name__)

_COMMITS = table_of(LedgerCommit)
_KEPT = timedelta(hours=1)
_ASK_AGAIN = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 0.0)
_CHANGES = ("INSERT", "UPDATE", "DELETE")


def watch_changes(engine: Engine) -> None:
    """Note of each connection whether it changed a row: what changed none needs no token."""
    event.listen(engine, "after_cursor_execute", _note_change)


def begin_watching(session: Session) -> None:
    """From here on is the transaction."""
    session.connection().info["changed"] = False


def leave_token(session: Session) -> str | None:
    """Write the transaction's token, as the last thing before its commit; None needs none."""
    if not session.in_transaction():
        return None  # its user has rolled it back
    session.flush()
    connection = session.connection()
    if not connection.info.get("changed"):
        return None
    token = secrets.token_hex(16)
    connection.execute(insert(_COMMITS).values(token=token, at=utc_now()))
    return token


def got_through(engine: Engine, token: str, failure: DBAPIError) -> bool:
    """Whether a transaction was committed although its commit failed so.

    :raises CommitUnknown: nobody knows
    """
    if not is_lost(failure) or not _is_committed(engine, token, failure):
        return False
    logger.warning("a connection was lost behind its commit")
    return True


def forget_old(session: Session, *, now: datetime) -> None:
    """Forget the tokens that nobody will ask for any more."""
    session.execute(delete(_COMMITS).where(_COMMITS.c.at < now - _KEPT))


def _is_committed(engine: Engine, token: str, cause: DBAPIError) -> bool:
    for pause in _ASK_AGAIN:
        try:
            with engine.connect() as connection:
                connection.execute(insert(_COMMITS).values(token=token, at=utc_now()))
                connection.rollback()
        except IntegrityError:
            return True
        except DBAPIError as error:
            if not passes(error):
                break
            time.sleep(pause)
        else:
            return False
    raise CommitUnknown(cause.statement, cause.params, cause.orig or cause) from cause


def _note_change(
    connection: Connection, cursor: Any, statement: str, _parameters: Any, _context: Any, _many: Any
) -> None:
    if statement.lstrip()[:6].upper() in _CHANGES and cursor.rowcount != 0:
        connection.info["changed"] = True
