"""What may be asked of a database: one statement that reads."""

from __future__ import annotations

import re

from portal.errors import InvalidSetting

#: What a query may bind: the range of collection that is asked for, as ``yyyy-MM-dd HH:mm:ss``.
FROM_DATE, TO_DATE = "from_date", "to_date"
_READS = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)
# Texts, quoted names and comments, in which nothing is a statement's end or a parameter.
_ASIDE = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_BOUND = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")


def check_query(text: str) -> None:
    """Refuse what is not one statement that reads.

    :raises InvalidSetting: saying what is allowed
    """
    plain = _plain(text)
    if not _READS.match(plain):
        raise InvalidSetting(
            "须为一条 SELECT（或 WITH … SELECT）语句", "must be one SELECT, or WITH … SELECT"
        )
    if ";" in plain.strip().removesuffix(";"):
        raise InvalidSetting("只能有一条语句（多余的 ;）", "one statement only (a ; inside)")
    unknown = set(_BOUND.findall(plain)) - {FROM_DATE, TO_DATE}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InvalidSetting(
            f"不认识的参数 :{names}；可用 :{FROM_DATE}、:{TO_DATE}",
            f"unknown parameter :{names}; there are :{FROM_DATE} and :{TO_DATE}",
        )


def statement(text: str) -> str:
    """The query as it is sent: what looks like a parameter in a text or comment is none."""
    plain = _ASIDE.sub(lambda aside: aside[0].replace(":", r"\:"), text)
    return plain.strip().removesuffix(";").rstrip()


def is_bound(text: str) -> bool:
    """Whether it asks for the range of collection itself."""
    return bool(_BOUND.search(_plain(text)))


def _plain(text: str) -> str:
    return _ASIDE.sub(" '' ", text)
