"""An instant written into a statement as a value that every database takes for one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from portal.models.base import UtcDateTime


class instant(FunctionElement[datetime]):  # noqa: N801 - read as a function
    """Beside it MariaDB and MySQL take a plain value for a text, and what comes of both as well."""

    name = "instant"
    inherit_cache = True
    type = UtcDateTime()

    def __init__(self, value: datetime) -> None:
        super().__init__(literal(value, UtcDateTime()))


@compiles(instant)
def _plain(element: instant, compiler: Any, **words: Any) -> str:
    return str(compiler.process(element.clauses, **words))


@compiles(instant, "mysql", "mariadb")
def _typed(element: instant, compiler: Any, **words: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **words)} AS DATETIME(6))"
