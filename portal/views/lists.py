"""How a list is asked for in an address: filters, sort, page size, place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from flask import request, url_for

from portal.services.batches import EARLIEST_DAY, LATEST_DAY
from portal.services.paging import SIZES, USUAL_SIZE, Place

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; it makes the addresses of the list's other pages.

    ``filters`` holds what is filled in, by name; :meth:`word` and :meth:`words` read it.
    """

    filters: Mapping[str, list[str]]
    place: Place
    default: str
    sorts: Collection[str]

    def word(self, name: str) -> str:
        """The first value of a filter, or nothing."""
        return next(iter(self.filters.get(name, ())), "")

    def words(self, name: str) -> list[str]:
        """All values of a filter that may be given more than once."""
        return self.filters.get(name, [])

    def day(self, name: str) -> date | None:
        """A filter's day; none when it is no day that documents can have."""
        try:
            day = date.fromisoformat(self.word(name))
        except ValueError:
            return None
        return day if EARLIEST_DAY <= day <= LATEST_DAY else None

    @property
    def sort(self) -> str:
        """As in the address: ``name``, or ``-name`` for descending."""
        return f"-{self.place.sort}" if self.place.descending else self.place.sort

    def url(self, **changes: str | int | None) -> str:
        """The same list with changes; unless they say otherwise, from its beginning."""
        standing = {
            "sort": None if self.sort == self.default else self.sort,
            "size": None if self.place.size == USUAL_SIZE else self.place.size,
        }
        values = {**(request.view_args or {}), **self.filters, **standing, **changes}
        return url_for(request.endpoint or "", **values)

    def cleared(self) -> str:
        """The same list without its filters."""
        return self.url(**dict.fromkeys(self.filters))

    def sorted_by(self, name: str) -> str:
        """The list sorted by a column; by the same one again, the other way round."""
        turned = self.place.sort == name and not self.place.descending
        return self.url(sort=f"-{name}" if turned else name)

    def direction(self, name: str) -> str | None:
        """What a column's head says of the order, in the words of ``aria-sort``."""
        if self.place.sort != name:
            return None
        return "descending" if self.place.descending else "ascending"

    @property
    def sizes(self) -> Collection[int]:
        """The page sizes there are."""
        return SIZES


def asked(*filters: str, sorts: Collection[str], default: str) -> Asked:
    """Read the address; what makes no sense in it is passed over.

    :param filters: the names of the filters the list has
    :param sorts: the names of the columns it may be sorted by
    :param default: its usual order, ``name`` or ``-name``
    """
    args = request.args
    sort = args.get("sort", default)
    if sort.removeprefix("-") not in sorts:
        sort = default
    size = args.get("size", USUAL_SIZE, type=int)
    given = {
        name: [text for value in args.getlist(name) if (text := value.strip()[:_LONGEST])]
        for name in filters
    }
    return Asked(
        filters={name: values for name, values in given.items() if values},
        place=Place(
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            size=size if size in SIZES else USUAL_SIZE,
            after=args.get("after"),
            before=args.get("before"),
        ),
        default=default,
        sorts=sorts,
    )
