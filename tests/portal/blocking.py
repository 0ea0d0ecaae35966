"""Waiting until one transaction waits for another, as the server itself tells."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

_WAITING = {
    "postgresql": ("SELECT count(*) FROM pg_locks WHERE NOT granted", "SELECT pg_sleep(0.01)"),
    "mysql": ("SELECT COUNT(*) FROM information_schema.innodb_lock_waits", "DO SLEEP(0.1)"),
}


def wait_until_blocked(session: Session, is_over: Callable[[], bool] = lambda: False) -> None:
    """Until another transaction waits, or there is none any more; on SQLite it does from the
    beginning."""
    asked = _WAITING.get(session.get_bind().dialect.name)
    if asked is None:
        return
    waiting, pause = map(text, asked)
    while not session.scalar(waiting) and not is_over():
        session.execute(pause)
