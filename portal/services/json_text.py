"""JSON as people write it: what is wrong with it, and in which line."""

from __future__ import annotations

import json
import re
from typing import Any

from portal.errors import InvalidSetting

LONGEST = 200_000


def read_object(text: str) -> dict[str, Any]:
    """The object that stands there; no text at all is an empty one.

    :raises InvalidSetting: naming the line where it ends to be JSON
    """
    if not text.strip():
        return {}
    if len(text) > LONGEST:
        raise InvalidSetting(f"超过 {LONGEST} 个字符", f"more than {LONGEST} characters")
    try:
        value = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be stored
    except json.JSONDecodeError as error:
        where = (error.lineno, error.colno)
        raise InvalidSetting(
            "第 {} 行第 {} 列不是 JSON：{}".format(*where, error.msg),
            "line {}, column {}: {}".format(*where, error.msg),
        ) from None
    except InvalidSetting:
        raise
    except (ValueError, RecursionError):
        raise InvalidSetting("不是可用的 JSON", "no usable JSON") from None
    if not isinstance(value, dict):
        raise InvalidSetting("应为 JSON 对象：{ … }", "a JSON object is wanted: { … }")
    return value


def line_of(text: str, entry: str) -> int | None:
    """The line, from 1, in which an entry such as ``paths.count`` stands; none if it does not."""
    at = 0
    for name in entry.split("."):
        found = re.compile(rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:").search(
            text, at
        )
        if found is None:
            return None
        at = found.start()
    return text.count("\n", 0, at) + 1


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidSetting(f"{twice} 出现了两次", f"{twice} stands there twice")
    return values


def _no_constant(word: str) -> Any:
    raise InvalidSetting(f"{word} 不是 JSON 的数", f"{word} is no number of JSON")
