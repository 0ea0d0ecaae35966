"""A reconciliation as rows with headings, for exports and scripts; amounts stay exact text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from portal.ledger import Ledger
from portal.models import Part, ReconciliationCell, ReconciliationFinding, Sums
from portal.models.reconciliation import DEFECTS
from portal.services.reconciliation_words import LABELS, describe, label
from portal.services.reconciliations import every

Row = Sequence[str | int | Decimal | None]
_SIDES = (
    ("source", ("源端计数", "source count")),
    ("listed", ("源端清点", "source listing")),
    ("archived", ("归档", "archive")),
    ("left", ("无法说明", "unexplained")),
)
_MEASURES = (
    ("documents", ("单据", "documents")),
    ("files", ("文件", "files")),
    ("bytes", ("字节", "bytes")),
    ("amount", ("金额", "amount")),
)
_PARTS = [part for part in Part if part not in DEFECTS]


def cell_headings(language: str) -> list[str]:
    """The columns of :func:`cell_rows`, in ``zh`` or ``en``."""
    place = 0 if language.startswith("zh") else 1
    first = (
        ("月份", "month"),
        ("组织代码", "organisation code"),
        ("组织", "organisation"),
        ("单据类型代码", "type code"),
        ("单据类型", "type"),
    )
    sides = [f"{side[place]} {name[place]}" for _, side in _SIDES for _, name in _MEASURES]
    parts = [LABELS[part][place] for part in _PARTS]
    last = (("已跳过", "skipped"), ("问题", "defects"), ("结论", "balance"))
    return [words[place] for words in first] + sides + parts + [words[place] for words in last]


def cell_rows(ledger: Ledger, run_id: int, language: str) -> Iterator[Row]:
    """Every cell of a reconciliation; constant memory."""
    query = select(ReconciliationCell).where(ReconciliationCell.reconciliation_id == run_id)
    for cell in every(ledger, query, ReconciliationCell.id):
        sides: list[Sums] = [getattr(cell, side) for side, _ in _SIDES]
        yield [
            cell.month,
            cell.org_code,
            cell.org_name,
            cell.bill_type_code,
            cell.bill_type_name,
            *(getattr(sums, name) for sums in sides for name, _ in _MEASURES),
            *(_documents(cell.parts, part) for part in _PARTS),
            cell.skipped,
            cell.defects,
            label(cell.balance, language),
        ]


def _documents(parts: dict[str, dict[str, Any]], part: Part) -> int:
    return int(parts[part]["documents"]) if part in parts else 0


def finding_headings(language: str) -> list[str]:
    """The columns of :func:`finding_rows`, in ``zh`` or ``en``."""
    words = (
        ("月份", "month"),
        ("组织代码", "organisation code"),
        ("单据类型代码", "type code"),
        ("分类", "class"),
        ("来源系统", "resource"),
        ("影像编号", "image number"),
        ("文件编号", "file id"),
        ("位置", "place"),
        ("文件", "files"),
        ("字节", "bytes"),
        ("金额", "amount"),
        ("说明", "what"),
    )
    return [pair[0 if language.startswith("zh") else 1] for pair in words]


def finding_rows(ledger: Ledger, run_id: int, language: str) -> Iterator[Row]:
    """Every document and file that a part or a defect is made of; constant memory."""
    query = select(ReconciliationFinding).where(ReconciliationFinding.reconciliation_id == run_id)
    for finding in every(ledger, query, ReconciliationFinding.id):
        yield [
            finding.month,
            finding.org_code,
            finding.bill_type_code,
            label(finding.part, language),
            finding.resource,
            finding.image_no,
            finding.file_id,
            finding.place,
            finding.files,
            finding.bytes,
            finding.amount,
            describe(finding, language),
        ]
