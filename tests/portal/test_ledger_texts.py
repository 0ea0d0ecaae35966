"""What goes into the ledger comes out unchanged and is told apart exactly, on each database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from portal.ledger import Ledger
from portal.models import AuditEvent, DataSource, Document, table_of
from portal.services.paging import Place, read
from tests.portal.ledger_scene import START

ONCE_EMPTIED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Of every plane, with what databases like to take for the same; PostgreSQL refuses NUL.
ALIKE = ["a", "A", "á", "à", "ä", "ß", "ss", "ﬁ", " ", "\t", "　", "i", "I", "İ", "ı", "é", "é"]
HARD = ["😀", "👨‍👩‍👧", "🇨🇳", "𠮷", "㐂", "吉", "%", "_", "\\", "'", '"', "/", "\x7f", "\ufeff"]
CHARACTERS = st.sampled_from(ALIKE + HARD) | st.characters(
    exclude_characters="\x00", exclude_categories=["Cs"]
)
WORDS = st.lists(CHARACTERS, max_size=12).map("".join).filter(lambda text: len(text) <= 64)
INSTANTS = st.datetimes(
    *(datetime(year, 6, 1) for year in (1970, 2199)),  # noqa: DTZ001 - the zone is drawn
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda all_: timezone(timedelta(minutes=all_))),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def source_of(ledger: Ledger) -> int:
    def find(session: Any) -> int:
        found = session.scalar(select(DataSource.id).limit(1))
        if found is not None:
            return int(found)
        source = DataSource(
            name="影像系统", base_url="", client_id="", secret_box="", created_at=START
        )
        session.add(source)
        session.flush()
        return source.id

    return ledger.transact(find)


def row(source_id: int, image_no: str, **changes: Any) -> dict[str, Any]:
    names = ("bill_no", "bill_type_code", "bill_type_name", "org_code", "org_name", "applicant")
    words = dict.fromkeys((*names, "listing_digest"), "")
    values = {
        "data_source_id": source_id,
        "resource": "EAS",
        "image_no": image_no,
        "source_metadata": {},
        "fence": 0,
        "stored_files": 0,
        "stored_bytes": 0,
    }
    return words | values | changes


def refill(ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    documents = table_of(Document)

    def write(session: Any) -> None:
        session.execute(documents.delete())
        for values in rows:
            session.execute(insert(documents).values(values))

    ledger.transact(write)


@ONCE_EMPTIED
@given(texts=st.lists(WORDS, min_size=1, max_size=12, unique=True))
def test_texts_are_kept_told_apart_and_ordered_by_their_characters(
    ledger: Ledger, texts: list[str]
) -> None:
    """A unique key takes what differs in a capital, an accent or a space at the end."""
    source_id = source_of(ledger)
    refill(ledger, [row(source_id, one, bill_no=one, applicant=one) for one in texts])
    with ledger.read() as session:
        kept = session.scalars(select(Document.image_no).order_by(Document.image_no)).all()
        assert kept == sorted(texts)
        for one in texts:
            exactly = select(Document.image_no).where(Document.applicant == one)
            assert session.scalars(exactly).all() == [one]
            if one:
                begins = Document.image_no.startswith(one, autoescape=True)
                found = set(session.scalars(select(Document.image_no).where(begins)))
                if session.get_bind().dialect.name != "sqlite":  # LIKE knows no case there
                    assert found == {text for text in texts if text.startswith(one)}
                assert found >= {text for text in texts if text.startswith(one)}


@ONCE_EMPTIED
@given(
    texts=st.lists(WORDS, min_size=1, max_size=12, unique=True),
    size=st.integers(1, 3),
    descending=st.booleans(),
)
def test_pages_go_through_all_of_it_in_order(
    ledger: Ledger, texts: list[str], size: int, descending: bool
) -> None:
    source_id = source_of(ledger)
    refill(ledger, [row(source_id, one) for one in texts])
    seen: list[str] = []
    place = Place(sort="image_no", descending=descending, size=size)
    with ledger.read() as session:
        while True:
            leaf = read(
                session,
                select(Document),
                place,
                columns={"image_no": Document.image_no},
                row_id=Document.id,
            )
            seen += [one.image_no for one in leaf.rows]
            if leaf.last is None:
                break
            place = Place(sort="image_no", descending=descending, size=size, after=leaf.last)
    assert seen == sorted(texts, reverse=descending)


@ONCE_EMPTIED
@given(
    at=INSTANTS,
    word=WORDS,
    detail=st.dictionaries(WORDS, JSON, max_size=4),
    # SQLite keeps amounts as floating point: to the cent up to ninety million million.
    numbers=st.tuples(st.integers(-(10**15), 10**15), st.integers(-(2**62), 2**62)),
)
def test_instants_json_amounts_and_large_numbers_come_back(
    ledger: Ledger, at: datetime, word: str, detail: dict[str, Any], numbers: tuple[int, int]
) -> None:
    source_id = source_of(ledger)
    amount, number = Decimal(numbers[0]).scaleb(-2), numbers[1]
    values = row(
        source_id,
        "one",
        collected_at=at,
        amount=amount,
        source_metadata=detail,
        stored_bytes=number,
        org_name=word,
        folder=word * 20_000,
    )
    refill(ledger, [values])
    with ledger.read() as session:
        kept = session.scalars(select(Document)).one()
        before = select(Document.id).where(Document.collected_at < at)
        upto = select(Document.id).where(Document.collected_at <= at)
        assert session.scalar(before) is None
        assert session.scalar(upto) == kept.id
    assert kept.collected_at == at
    assert kept.collected_at.tzinfo is UTC
    assert (kept.amount, kept.source_metadata, kept.stored_bytes) == (amount, detail, number)
    assert (kept.org_name, kept.folder) == (word, word * 20_000)


def test_an_event_says_its_moment_to_the_microsecond(ledger: Ledger) -> None:
    at = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=8)))
    ledger.transact(lambda s: s.add(AuditEvent(at=at, actor="周敏🙂", action="user.login")))
    with ledger.read() as session:
        event = session.scalars(select(AuditEvent)).one()
    assert (event.at, event.actor) == (at, "周敏🙂")
