"""Where a row's file is: a template over its columns, ``{year}/{fileId}.{fileSuffix}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from portal.errors import InvalidSetting
from portal.sync.sources.files.paths import BadPath, parts_of
from portal.sync.sources.tables.columns import PATH

_COLUMN = re.compile(r"\{([^{}]*)\}")


def columns_of(template: str) -> list[str]:
    """The columns it names."""
    return [name.strip() for name in _COLUMN.findall(template)]


def check_template(text: str) -> None:
    """Refuse a template that names no column, or leads out of the place.

    :raises InvalidSetting: saying what is allowed
    """
    rest = _COLUMN.sub("x", text)
    if not columns_of(text) or "{" in rest or "}" in rest or "" in columns_of(text):
        raise InvalidSetting(
            "须含 {列名}，如 {path} 或 {fileId}.{fileSuffix}",
            "must name columns, such as {path} or {fileId}.{fileSuffix}",
        )
    try:
        parts_of(rest.partition("?")[0])
    except BadPath as error:
        raise InvalidSetting(error.zh, error.en) from None


def filled(template: str, values: Mapping[str, Any], *, for_web: bool) -> str:
    """The path of a file; for the web percent-encoded.

    A value is one part of a path, but for that of ``path``, which may have several.

    :raises BadPath: for a value that is missing or would lead elsewhere
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1].strip()
        value = values.get(name)
        text = "" if value is None else str(value).strip()
        if not text:
            raise BadPath(f"列 {name} 为空", f"column {name} is empty")
        if name == PATH:
            parts_of(text)
            return quote(text, safe="/") if for_web else text
        if text in (".", "..") or (not for_web and "/" in text):
            raise BadPath(f"列 {name} 不是一段路径", f"column {name} is no part of a path")
        return quote(text, safe="") if for_web else text

    path = _COLUMN.sub(value_of, template)
    parts_of(path.partition("?")[0] if for_web else path)
    return path
