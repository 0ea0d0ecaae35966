"""What documents look like: a few hundred plans which repeat with the index.

Because everything that a filter or a sum can ask for repeats with :data:`PERIOD`, a tenant of a
million documents is filtered, paged and summed by arithmetic.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from portal.demo.media import BaseFile
from portal.demo.names import (
    BILL_TYPE_WEIGHTS,
    BILL_TYPES,
    ORGANISATION_WEIGHTS,
    ORGANISATIONS,
    TITLES,
    BillType,
    Organisation,
)
from portal.demo.pool import Shelf

PERIOD = 720

_FILE_COUNTS = (1, 2, 3, 4, 5)
_FILE_COUNT_WEIGHTS = (15, 25, 28, 20, 12)
# The categories in the order a document shows them, and how often each suffix has a file.
_SUFFIXES = {
    "cover": {"jpg": 85, "png": 15},
    "invoice": {"pdf": 38, "jpg": 32, "ofd": 18, "xml": 12},
    "attach": {"jpg": 45, "pdf": 25, "tif": 20, "png": 10},
}


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file of a document.

    :param category: ``cover``, ``invoice`` or ``attach``
    :param suffix: as declared, which is the content's own unless the file is a planted lie
    :param with_md5: whether the listing carries an MD5 too
    """

    category: str
    title: str
    suffix: str
    base: BaseFile
    with_md5: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.title}.{self.suffix}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a document has in common with every document :data:`PERIOD` further on."""

    organisation: Organisation
    bill_type: BillType
    cents: int
    resource: str | None
    files: tuple[FilePlan, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.base.size for file in self.files)


def make_plans(shelves: dict[str, Shelf], seed: int) -> tuple[Plan, ...]:
    """:data:`PERIOD` plans, the same ones for the same seed and shelves."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return tuple(_plan(chance, shelves) for _ in range(PERIOD))


def _plan(chance: random.Random, shelves: dict[str, Shelf]) -> Plan:
    count = chance.choices(_FILE_COUNTS, _FILE_COUNT_WEIGHTS)[0]
    # The cover is optional in the contract, and a cover alone would be an odd document.
    with_cover = count > 1 and chance.random() < 0.85
    categories = ["cover"] * with_cover + ["invoice"]
    categories += chance.choices(("invoice", "attach"), k=count - len(categories))
    return Plan(
        organisation=chance.choices(ORGANISATIONS, ORGANISATION_WEIGHTS)[0],
        bill_type=chance.choices(BILL_TYPES, BILL_TYPE_WEIGHTS)[0],
        cents=chance.randint(2_000, 100_000) * chance.choice((1, 1, 5, 10)),
        resource="EAS" if chance.random() < 0.9 else None,
        files=tuple(
            _file(chance, shelves, category, seq)
            for seq, category in enumerate(sorted(categories, key=list(_SUFFIXES).index), start=1)
        ),
    )


def _file(chance: random.Random, shelves: dict[str, Shelf], category: str, seq: int) -> FilePlan:
    suffixes = _SUFFIXES[category]
    suffix = chance.choices(list(suffixes), list(suffixes.values()))[0]
    shelf = shelves[suffix]
    title = chance.choice(TITLES[category, suffix])
    return FilePlan(
        category=category,
        title=title if category == "cover" else f"{title}-{seq}",
        suffix=suffix,
        base=chance.choices(shelf.files, shelf.weights)[0],
        with_md5=chance.random() < 0.25,
    )
