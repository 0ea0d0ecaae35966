"""A reconciliation as exports: its cells, and the documents and files they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.errors import NotAllowed
from portal.models import Part, ReconciliationCell, ReconciliationFinding
from portal.models.reconciliation import DEFECTS
from portal.services.export_tables import (
    Column,
    Kind,
    Value,
    Wanted,
    count_rows,
    keyed,
    plain,
    word,
)
from portal.services.reconciliation_words import LABELS, describe, label

_SIDES = (
    ("source", "源端计数", "source count"),
    ("listed", "源端清点", "source listing"),
    ("archived", "归档", "archive"),
    ("left", "无法说明", "unexplained"),
)
_MEASURES = (
    ("documents", "单据", "documents"),
    ("files", "文件", "files"),
    ("bytes", "字节", "bytes"),
    ("amount", "金额", "amount"),
)


def _run(wanted: Wanted) -> int:
    """Which reconciliation.

    :raises NotAllowed: when the filter names none
    """
    text = wanted.trail.get("run", "")
    if not text.isdecimal() or len(text) > 18:
        raise NotAllowed("请填写对账编号", "name the reconciliation by its number")
    return int(text)


def _of_run(
    wanted: Wanted, thing: type[Any], column: InstrumentedAttribute[int]
) -> Select[*tuple[Any, ...]]:
    return select(thing, thing.id.label("id")).where(column == _run(wanted))


def _cells(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    return _of_run(wanted, ReconciliationCell, ReconciliationCell.reconciliation_id)


def _findings(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    return _of_run(wanted, ReconciliationFinding, ReconciliationFinding.reconciliation_id)


def _things(pages: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    return ([row[0] for row in rows] for rows in pages)


def _cell_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return _things(keyed(session, _cells(wanted), ReconciliationCell.id, "id"))


def _finding_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return _things(keyed(session, _findings(wanted), ReconciliationFinding.id, "id"))


def _part(part: Part) -> Column:
    zh, en = LABELS[part]

    def documents(cell: ReconciliationCell) -> Value:
        return int(cell.parts[part]["documents"]) if part in cell.parts else 0

    return Column(f"documents_{part.value}", zh, en, documents)


CELLS = Kind(
    "reconciliation",
    "对账",
    "Reconciliation",
    [
        plain("month", "月份", "month"),
        plain("org_code", "组织代码", "organisation code"),
        plain("org_name", "组织", "organisation"),
        plain("bill_type_code", "单据类型代码", "type code"),
        plain("bill_type_name", "单据类型", "type"),
        *(
            plain(f"{side}_{name}", f"{side_zh} {zh}", f"{side_en} {en}")
            for side, side_zh, side_en in _SIDES
            for name, zh, en in _MEASURES
        ),
        *(_part(part) for part in Part if part not in DEFECTS),
        plain("skipped", "已跳过", "skipped"),
        plain("defects", "问题", "defects"),
        word("balance", "结论", "balance", label),
    ],
    _cell_pages,
    lambda session, wanted: count_rows(session, _cells(wanted)),
    filters=("run",),
)

FINDINGS = Kind(
    "reconciliation-findings",
    "对账明细",
    "Reconciliation findings",
    [
        plain("month", "月份", "month"),
        plain("org_code", "组织代码", "organisation code"),
        plain("bill_type_code", "单据类型代码", "type code"),
        word("part", "分类", "class", label),
        plain("resource", "来源系统", "resource"),
        plain("image_no", "影像编号", "image number"),
        plain("file_id", "文件编号", "file id"),
        plain("place", "位置", "place"),
        plain("sha256", "SHA-256", "SHA-256"),
        plain("files", "文件", "files"),
        plain("bytes", "字节", "bytes"),
        plain("amount", "金额", "amount"),
        Column("what", "说明", "what", lambda row: describe(row, "zh"), describe),
    ],
    _finding_pages,
    lambda session, wanted: count_rows(session, _findings(wanted)),
    filters=("run",),
)
