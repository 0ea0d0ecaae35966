"""Column types as MariaDB and MySQL have to name them to hold what the others hold.

There ``TEXT`` and ``BLOB`` end at 64 KiB and ``FLOAT`` has seven digits. Said once here, it
goes for every table and every revision.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, LargeBinary, Text
from sqlalchemy.ext.compiler import compiles


@compiles(Text, "mysql", "mariadb")
def _text(_type: Text, _compiler: Any, **_words: Any) -> str:
    return "LONGTEXT"


@compiles(LargeBinary, "mysql", "mariadb")
def _binary(_type: LargeBinary, _compiler: Any, **_words: Any) -> str:
    return "LONGBLOB"


@compiles(Float, "mysql", "mariadb")
def _float(_type: Float[Any], _compiler: Any, **_words: Any) -> str:
    return "DOUBLE"
