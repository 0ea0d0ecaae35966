"""The parameter of DataSyncTask: empty, or one JSON object (design section 6)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from executor import JobFailed
from executor.protocol.texts import storable
from portal.models import Overlap

FORM = (
    "参数应为空，或如下 JSON；the parameter is empty or this JSON: "
    '{"batch": "MB20240101-0001", "retry_failed": true, "create": {"source": "名称", '
    '"from": "2024-01-01", "to": "2024-03-31", "org": [], "type": [], '
    '"overlap": "missing | missing_and_failed | all", "push_to": "目标名称"}, "wait": true}'
)


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """The batch to create; ``date_to`` is an inclusive day, an empty tuple means all.

    ``push_to`` is the name of the target that archived documents are pushed on to.
    """

    source: str
    date_from: date
    date_to: date
    org_codes: tuple[str, ...]
    bill_type_codes: tuple[str, ...]
    overlap: Overlap = Overlap.MISSING
    push_to: str | None = None


@dataclass(frozen=True, slots=True)
class DataSyncParameter:
    """What a trigger asks for."""

    batch_no: str | None = None
    retry_failed: bool = False
    create: CreateOrder | None = None
    wait: bool = True


def parse_parameter(text: str) -> DataSyncParameter:
    """Read the parameter.

    :raises JobFailed: when it is anything but what is allowed, saying what is wrong and the form
    """
    if not text.strip():
        return DataSyncParameter()
    try:
        given = _Fields(json.loads(text), "batch", "retry_failed", "create", "wait")
        parameter = DataSyncParameter(
            batch_no=given.text("batch", None),
            retry_failed=given.flag("retry_failed", False),
            create=_create(given.values.get("create")),
            wait=given.flag("wait", True),
        )
        if parameter.batch_no and parameter.create:
            raise ValueError("batch 与 create 只能给一个 give batch or create, not both")
    except (ValueError, RecursionError) as error:
        raise JobFailed(f"参数无效 invalid parameter: {_cause(error)}。{FORM}") from None
    return parameter


def _create(value: Any) -> CreateOrder | None:
    if value is None:
        return None
    given = _Fields(value, "source", "from", "to", "org", "type", "overlap", "push_to")
    source = given.text("source", "")
    if not source:
        raise ValueError("create.source 缺失 is missing")
    return CreateOrder(
        source=source,
        date_from=given.day("from"),
        date_to=given.day("to"),
        org_codes=given.texts("org"),
        bill_type_codes=given.texts("type"),
        overlap=given.overlap(),
        push_to=given.text("push_to", None) or None,
    )


class _Fields:
    """A JSON object with known keys, read key by key."""

    def __init__(self, value: Any, *known: str) -> None:
        if not isinstance(value, dict):
            raise ValueError("应为 JSON 对象 a JSON object is wanted")
        for key in value:
            if key not in known:
                raise ValueError(f"未知的键 unknown key {key!r}")
        self.values: dict[str, Any] = value

    def text(self, key: str, default: str | None) -> str | None:
        value = self.values.get(key, default)
        if value is not None and not _is_text(value):
            raise ValueError(f"{key} 应为文本 must be text")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise ValueError(f"{key} 应为 true 或 false must be true or false")
        return value

    def day(self, key: str) -> date:
        value = self.values.get(key)
        try:
            return date.fromisoformat(value) if isinstance(value, str) else _no_day()
        except ValueError:
            raise ValueError(f"create.{key} 应为日期 must be a day, 2024-01-31") from None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise ValueError(f"create.{key} 应为文本列表 must be a list of texts")
        return tuple(value)

    def overlap(self) -> Overlap:
        word = self.values.get("overlap", Overlap.MISSING)
        if not isinstance(word, str) or word not in set(Overlap):
            allowed = ", ".join(Overlap)
            raise ValueError(f"create.overlap 应为其中之一 must be one of: {allowed}")
        return Overlap(word)


def _is_text(value: object) -> bool:
    """Whether it is a text that a database can be asked for: without NUL and half characters."""
    return isinstance(value, str) and storable(value) == value


def _no_day() -> date:
    raise ValueError


def _cause(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "不是 JSON not JSON"
    return str(error) or type(error).__name__
