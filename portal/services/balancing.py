"""Whether both sides of a month balance: source = archive + what the parts explain; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from portal.models import Balance, Part, ReconciliationCell, ReconciliationMonth, Sums
from portal.services.source_side import CellKey, MonthListed
from portal.services.sums import CellTally, Tally, added

_MEASURES = ("documents", "files", "bytes", "amount")
Sides = ReconciliationCell | ReconciliationMonth


def add_up(row: ReconciliationMonth, heard: MonthListed) -> Iterator[ReconciliationCell]:
    """Fill a month with what the source said, and make its cells."""
    groups: dict[CellKey, list[Any]] = {}
    for group in heard.count.groups:
        groups.setdefault((group.org_code, group.bill_type_code), []).append(group)
    # A source without groups tells the whole only.
    told = bool(groups) or not heard.count.documents
    for key in {**heard.cells, **groups}:
        tally = heard.cells.get(key) or CellTally()
        cell = ReconciliationCell(
            reconciliation_id=row.reconciliation_id,
            month=row.month,
            org_code=key[0],
            org_name=tally.org_name,
            bill_type_code=key[1],
            bill_type_name=tally.bill_type_name,
            parts={part: each.as_json() for part, each in tally.parts.items()},
            vague=tally.vague,
        )
        _say_source(cell, _sum_groups(groups.get(key, [])) if told else Sums())
        _say_listed(cell, tally.listed)
        yield cell
    whole = CellTally()
    for tally in heard.cells.values():
        whole.listed.add(tally.listed)
    amount = _sum_groups(list(heard.count.groups)).amount if told else None
    count = heard.count
    _say_source(row, Sums(count.documents, count.files, count.bytes, amount))
    _say_listed(row, whole.listed)
    row.settled = heard.settled


def _sum_groups(groups: list[Any]) -> Sums:
    amounts = [group.amount for group in groups]
    return Sums(
        sum(group.documents for group in groups),
        _sum_of([group.files for group in groups]),
        _sum_of([group.bytes for group in groups]),
        None if None in amounts else sum(amounts, Decimal(0)),
    )


def _sum_of(told: list[int | None]) -> int | None:
    """Of what the source tells of all groups; none where it does not tell it of one."""
    known = [number for number in told if number is not None]
    return sum(known) if len(known) == len(told) else None


def judge(
    row: ReconciliationMonth,
    cells: Mapping[CellKey, ReconciliationCell],
    archived: Mapping[CellKey, Tally],
    explained: Mapping[CellKey, Mapping[Part, Tally]],
    skipped: Mapping[CellKey, int],
) -> None:
    """Put the archive's side in, and say of every cell and of the month whether it balances."""
    whole = Tally()
    parts: dict[str, Tally] = {}
    for key, cell in cells.items():
        here = archived.get(key, Tally())
        _say_archived(cell, here)
        whole.add(here)
        more = {part: tally.as_json() for part, tally in explained.get(key, {}).items()}
        cell.parts = _joined(cell.parts or {}, more)
        cell.skipped = skipped.get(key, 0)
        _balance(cell)
        for part, values in cell.parts.items():
            parts.setdefault(part, Tally()).add(added({part: values}))
    _say_archived(row, whole)
    row.parts = {part: tally.as_json() for part, tally in parts.items()}
    row.skipped = sum(skipped.values())
    _add_lefts(row, cells)
    _say_balance(row)
    if not row.settled or any(cell.balance is Balance.UNBALANCED for cell in cells.values()):
        row.balance = Balance.UNBALANCED


def _joined(
    parts: Mapping[str, Mapping[str, Any]], more: Mapping[Part, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    tallies: dict[str, Tally] = {}
    for each in (parts, more):
        for part, values in each.items():
            tallies.setdefault(str(part), Tally()).add(added({part: values}))
    return {part: tally.as_json() for part, tally in tallies.items()}


def _balance(cell: ReconciliationCell) -> None:
    whole = added(cell.parts)
    for name in _MEASURES:
        base, left = _base(cell, name), None
        if base is not None:
            left = base - getattr(cell.archived, name) - getattr(whole, name)
            if cell.vague and name != "documents" and left:
                left = None
        setattr(cell, f"left_{name}", left)
    _say_balance(cell)


def _add_lefts(row: ReconciliationMonth, cells: Mapping[CellKey, ReconciliationCell]) -> None:
    """Of the month, what is left of its cells, and what it counts beyond them."""
    for name in _MEASURES:
        base = _base(row, name)
        bases = [_base(cell, name) for cell in cells.values()]
        left = None
        if base is not None and None not in bases:
            left = base - sum(bases)
            left += sum(getattr(cell.left, name) or 0 for cell in cells.values())
        setattr(row, f"left_{name}", left)


def _base(row: Sides, name: str) -> Any:
    said = getattr(row.source, name)
    return getattr(row.listed, name) if said is None else said


def _say_balance(row: Sides) -> None:
    # What is filed elsewhere explains the sums, but is wrong in either place.
    if Part.MISPLACED in row.parts or any(getattr(row.left, name) for name in _MEASURES):
        row.balance = Balance.UNBALANCED
    elif any(_counts(each) for each in row.parts.values()):
        row.balance = Balance.EXPLAINED
    else:
        row.balance = Balance.EQUAL


def _counts(values: Mapping[str, Any]) -> bool:
    return bool(added({"": values}).documents)


def _say_source(row: Sides, sums: Sums) -> None:
    row.source_documents, row.source_files = sums.documents, sums.files
    row.source_bytes, row.source_amount = sums.bytes, sums.amount


def _say_listed(row: Sides, tally: Tally) -> None:
    row.listed_documents, row.listed_files = tally.documents, tally.files
    row.listed_bytes = None if tally.unsized else tally.bytes
    has_amounts = tally.amounts or not tally.documents
    row.listed_amount = tally.amount if has_amounts else None


def _say_archived(row: Sides, tally: Tally) -> None:
    row.archived_documents, row.archived_files = tally.documents, tally.files
    row.archived_bytes, row.archived_amount = tally.bytes, tally.amount
