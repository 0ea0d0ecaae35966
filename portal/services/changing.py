"""How many rows a statement met: what MariaDB and MySQL tell instead of ``UPDATE … RETURNING``."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Executable
from sqlalchemy.orm import Session


def rows_changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE past the session's memory; the rows that fulfilled its WHERE."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
