"""Reading what a client asks for in calls 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.demo.envelope import BAD_REQUEST, RefusedError
from portal.demo.tenant import Filter
from portal.demo.timeline import SHANGHAI

LARGEST_PAGE = 500


def read_filter(body: object) -> Filter:
    """The filter of a count or a listing.

    :raises RefusedError: when something is missing or no value of its kind
    """
    fields = _object(body)
    return Filter(
        collect_from=_moment(fields, "collectFrom"),
        collect_to=_moment(fields, "collectTo"),
        org_codes=_codes(fields, "orgCodes"),
        bill_type_codes=_codes(fields, "billTypeCodes"),
    )


def read_page(body: object) -> tuple[int, int]:
    """Page number and page size of a listing.

    :raises RefusedError: when one is missing or outside its bounds
    """
    fields = _object(body)
    page_no, page_size = _whole(fields, "pageNo"), _whole(fields, "pageSize")
    if page_no < 1:
        raise RefusedError(BAD_REQUEST, f"pageNo 从 1 开始，不能是 {page_no}")
    if not 1 <= page_size <= LARGEST_PAGE:
        raise RefusedError(BAD_REQUEST, f"pageSize 只能是 1–{LARGEST_PAGE}，不能是 {page_size}")
    return page_no, page_size


def _object(body: object) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise RefusedError(BAD_REQUEST, "请求体应是 JSON 对象")
    return body


def _moment(fields: Mapping[str, Any], name: str) -> datetime:
    """ISO 8601 with offset, or ``yyyy-MM-dd HH:mm:ss`` meaning Asia/Shanghai."""
    try:
        moment = datetime.fromisoformat(fields[name])
    except (KeyError, TypeError, ValueError):
        raise RefusedError(BAD_REQUEST, f"{name} 缺失或不是时间") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)


def _codes(fields: Mapping[str, Any], name: str) -> frozenset[str]:
    codes = fields.get(name, [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise RefusedError(BAD_REQUEST, f"{name} 应是编码的数组")
    return frozenset(codes)


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedError(BAD_REQUEST, f"{name} 缺失或不是整数")
    return value
