"""源端目录: which organisations and document types a data source has, to choose a batch's from.

The source contract has no call that lists them. A site that has one names its path in the
connector profile; of any other source they are read off its own counts, year by year, and their
names off documents: those in the ledger, else the first pages of a few listings. So a source of
that kind offers only what has documents; any other code is typed by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Chore, Document, SourceCatalogue
from portal.services import chores
from portal.services.months import months_between
from portal.services.patience import Wait, patiently
from portal.sync.sources.base import Source
from portal.sync.sources.rows import Count, Named, Page, Scope

KIND = "catalogue"
#: A catalogue older than this is read anew when somebody looks at it.
STALE = timedelta(days=1)
# A source that failed is not asked again by everybody who opens the page.
_PAUSE = timedelta(minutes=10)
# Imaging systems are younger.
FIRST_YEAR = 2000
# Pages asked for names only; what is still without one shows its code.
_MOST_PAGES = 12

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """An organisation or document type; ``documents`` as the source counted them, if it did."""

    code: str
    name: str
    documents: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The organisations, or the document types, of a source, by code.

    :param listed: the source lists them itself; they are else those it has documents of
    """

    entries: tuple[Entry, ...] = ()
    listed: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """The codes there are."""
        return frozenset(entry.code for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a source offers; ``read_at`` is when it was asked, none when it never was."""

    orgs: Offer = field(default_factory=Offer)
    types: Offer = field(default_factory=Offer)
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """Names by code."""

    orgs: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def of(session: Session, source_id: int) -> Catalogue:
    """The catalogue in the ledger; an empty one when the source was never asked."""
    row = session.get(SourceCatalogue, source_id)
    if row is None:
        return Catalogue()
    orgs, types = (
        Offer(tuple(Entry(*entry) for entry in kept["entries"]), kept["listed"])
        for kept in (row.orgs, row.types)
    )
    return Catalogue(orgs, types, row.read_at)


def keep(session: Session, source_id: int, found: Catalogue, *, now: datetime) -> None:
    """Put it in the place of the one there was."""
    orgs, types = (
        {
            "listed": offer.listed,
            "entries": [[entry.code, entry.name, entry.documents] for entry in offer.entries],
        }
        for offer in (found.orgs, found.types)
    )
    session.merge(SourceCatalogue(data_source_id=source_id, read_at=now, orgs=orgs, types=types))


def subject(source_id: int) -> str:
    """What the chore that reads it is about."""
    return f"source:{source_id}"


def ask(session: Session, source_id: int, *, by: str, now: datetime) -> Chore:
    """Have it read anew."""
    params = {"source_id": source_id}
    return chores.ask(session, KIND, by=by, now=now, subject=subject(source_id), params=params)


def newest_chore(session: Session, source_id: int) -> Chore | None:
    """The last reading that was asked for, whatever came of it."""
    return next(iter(chores.newest(session, KIND, subject(source_id))), None)


def is_due(known: Catalogue, last: Chore | None, *, now: datetime) -> bool:
    """Whether it is to be read without being asked for: it is old, and was not just tried."""
    if known.read_at is not None and now - known.read_at < STALE:
        return False
    return last is None or (last.is_finished and now - last.asked_at >= _PAUSE)


def known_names(session: Session, source_id: int) -> Names:
    """The names in the ledger's documents; a look through all those of the source."""
    of_source = Document.data_source_id == source_id
    orgs = select(Document.org_code, Document.org_name).where(of_source).distinct()
    types = select(Document.bill_type_code, Document.bill_type_name).where(of_source).distinct()
    return Names(
        orgs={code: name for code, name in session.execute(orgs) if code and name},
        types={code: name for code, name in session.execute(types) if code and name},
    )


def read(
    source: Source, names: Names, *, now: datetime, zone: ZoneInfo, told: Told, wait: Wait
) -> Catalogue:
    """Ask the source.

    :param names: those that are known already
    :param told: called between any two calls with how many years were counted, and of how many
    :param wait: waits so many seconds, when the source limits the rate
    :raises SyncError: when it cannot be asked
    """
    told(0, 1)
    orgs, types = patiently(source.organisations, wait), patiently(source.bill_types, wait)
    if orgs is not None and types is not None:
        return Catalogue(_listed(orgs), _listed(types), now)
    seen = _Seen()
    ask = _Asked(source, zone, wait)
    _count_years(ask, seen, now.astimezone(zone).date().year, told)
    _ask_names(ask, seen, names, lambda: told(1, 1))
    return Catalogue(
        orgs=_listed(orgs) if orgs is not None else seen.orgs.offer(names.orgs),
        types=_listed(types) if types is not None else seen.types.offer(names.types),
        read_at=now,
    )


@dataclass(slots=True)
class _Codes:
    """Codes seen in counts and pages: how many documents, in which month, under which name."""

    documents: Counter[str] = field(default_factory=Counter)
    month: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def count(self, code: str, month: str, documents: int) -> None:
        if code:
            self.documents[code] += documents
            self.month[code] = max(month, self.month.get(code, ""))

    def nameless(self, known: Collection[str], tried: Collection[str]) -> str | None:
        """A code whose name is to be asked for, the first one that was seen."""
        named = {*self.names, *known, *tried}
        return next((code for code in self.month if code not in named), None)

    def offer(self, known: Mapping[str, str]) -> Offer:
        return Offer(
            tuple(
                Entry(code, self.names.get(code) or known.get(code, ""), self.documents[code])
                for code in sorted(self.documents)
            )
        )


@dataclass(slots=True)
class _Seen:
    orgs: _Codes = field(default_factory=_Codes)
    types: _Codes = field(default_factory=_Codes)

    def note(self, page: Page) -> None:
        for document in page.documents:
            if document.org_name:
                self.orgs.names.setdefault(document.org_code, document.org_name)
            if document.bill_type_name:
                self.types.names.setdefault(document.bill_type_code, document.bill_type_name)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The source, asked by inclusive days."""

    source: Source
    zone: ZoneInfo
    wait: Wait

    def count(self, first: date, last: date) -> Count:
        scope = self._scope(first, last)
        return patiently(lambda: self.source.count(scope), self.wait)

    def first_page(
        self, first: date, last: date, orgs: tuple[str, ...], types: tuple[str, ...]
    ) -> Page:
        scope = replace(self._scope(first, last), org_codes=orgs, bill_type_codes=types)
        return patiently(lambda: self.source.page(scope, 1), self.wait)

    def _scope(self, first: date, last: date) -> Scope:
        months = list(months_between(first, last, self.zone))
        return Scope(months[0].starts_at, months[-1].ends_at)


def _count_years(ask: _Asked, seen: _Seen, this_year: int, told: Told) -> None:
    years = range(this_year, FIRST_YEAR - 1, -1)
    for number, year in enumerate(years):
        told(number, len(years))
        for group in ask.count(date(year, 1, 1), date(year, 12, 31)).groups:
            seen.orgs.count(group.org_code, group.month, group.documents)
            seen.types.count(group.bill_type_code, group.month, group.documents)


def _ask_names(ask: _Asked, seen: _Seen, known: Names, told: Callable[[], None]) -> None:
    """One page names many codes; each page is asked for one that is still without a name."""
    tried: set[str] = set()
    for _ in range(_MOST_PAGES):
        told()
        org = seen.orgs.nameless(known.orgs, tried)
        bill_type = None if org else seen.types.nameless(known.types, tried)
        code = org or bill_type
        if code is None:
            return
        tried.add(code)
        month = date.fromisoformat((seen.orgs if org else seen.types).month[code] + "-01")
        last = (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        orgs, types = ((code,), ()) if org else ((), (code,))
        seen.note(ask.first_page(month, last, orgs, types))


def _listed(found: Iterable[Named]) -> Offer:
    entries = (Entry(one.code, one.name) for one in found)
    return Offer(tuple(sorted(entries, key=lambda entry: entry.code)), listed=True)
