"""Adding up documents, files, bytes and amounts exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from portal.models import Part
from portal.sync.sources.rows import SourceDocument

ZERO = Decimal(0)


@dataclass(slots=True)
class Tally:
    """A sum that grows; ``unsized`` files of it have no size that is known."""

    documents: int = 0
    files: int = 0
    bytes: int = 0
    amount: Decimal = ZERO
    unsized: int = 0
    amounts: int = 0
    """Documents that told an amount."""

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add another sum, or take it away."""
        self.documents += sign * other.documents
        self.files += sign * other.files
        self.bytes += sign * other.bytes
        self.amount += sign * other.amount
        self.unsized += other.unsized
        self.amounts += other.amounts

    def as_json(self) -> dict[str, Any]:
        """As the ledger keeps it: the amount as text."""
        return {
            "documents": self.documents,
            "files": self.files,
            "bytes": self.bytes,
            "amount": f"{self.amount:.2f}",
        }


def tally_of(document: SourceDocument) -> Tally:
    """A listed document, as it declares itself; a file named twice is one."""
    sizes = [file.size for file in {file.file_id: file for file in document.files}.values()]
    known = [size for size in sizes if size is not None]
    return Tally(
        documents=1,
        files=len(sizes),
        bytes=sum(known),
        amount=document.amount or ZERO,
        unsized=len(sizes) - len(known),
        amounts=document.amount is not None,
    )


@dataclass(slots=True)
class CellTally:
    """One organisation and document type of a month while it is added up.

    ``vague`` says that single documents do not tell what the whole counts.
    """

    org_name: str = ""
    bill_type_name: str = ""
    listed: Tally = field(default_factory=Tally)
    parts: dict[Part, Tally] = field(default_factory=dict)
    vague: bool = False

    def explain(self, part: Part, tally: Tally, sign: int = 1) -> None:
        """Let a part explain so much of the difference."""
        self.parts.setdefault(part, Tally()).add(tally, sign)
        self.vague = self.vague or bool(tally.unsized)


def added(parts: Mapping[str, Mapping[str, Any]]) -> Tally:
    """What parts, as the ledger keeps them, explain together."""
    whole = Tally()
    for each in parts.values():
        whole.add(Tally(each["documents"], each["files"], each["bytes"], Decimal(each["amount"])))
    return whole
