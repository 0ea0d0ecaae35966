from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from portal.errors import InvalidSetting, SyncError
from portal.services.source_form import SourceForm
from portal.sync.sources.files.paths import BadPath
from portal.sync.sources.rows import Scope, SourceDocument
from portal.sync.sources.sql.database import SourceDatabase, check_address, shown_address
from portal.sync.sources.sql.query import check_query, is_bound, statement
from portal.sync.sources.sql.template import check_template, filled
from tests.portal.conftest import SERVERS
from tests.portal.ledger_scene import engine_of
from tests.portal.sync.sources.source_rigs import opened

EVER = Scope(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
JANUARY = Scope(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 1, 31, 16, tzinfo=UTC))
COLUMNS = (
    "no AS scanBillNo, 'F' AS fbillTypeCode, org AS orgCode, at AS collectTime,"
    " amount AS totalAmount, 'invoice' AS fileType"
)
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgresql),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three files of two documents, one in January and one in February."""
    path = tmp_path / "old 影像#?.db"
    with closing(sqlite3.connect(path)) as known:
        known.execute("CREATE TABLE f (no, org, at, amount, folder, name)")
        rows = [
            ("A-1", 1001, "2024-01-05 08:00:00", 1.5, "2024", "1 ü.pdf"),
            ("A-1", 1001, "2024-01-05 08:00:00", 1.5, "2024", "2.pdf"),
            ("B-1", 1001, "2024-02-05", None, "../x", "3.pdf"),
        ]
        known.executemany("INSERT INTO f VALUES (?, ?, ?, ?, ?, ?)", rows)
        known.commit()
    return path


def listed(
    database: Path, query: str, scope: Scope = EVER, *, place: str = "", file: str = "{path}"
) -> list[SourceDocument]:
    home = database.parent / "home"
    home.mkdir(exist_ok=True)
    form = SourceForm(
        "源",
        kind="sql",
        settings={"query": query, "place": place or str(database.parent / "x"), "file": file},
        secrets={"database": f"sqlite:///{quote(str(database))}"},
    )
    return list(opened(form, home).source.page(scope, 1).documents)


def test_rows_become_documents_with_files_by_a_template(database: Path) -> None:
    query = f"SELECT {COLUMNS}, folder, name AS fileName FROM f"
    first, second = listed(database, query, file="{folder}/{fileName}")
    assert [file.download_url for file in first.files] == ["2024/1 ü.pdf", "2024/2.pdf"]
    assert (first.org_code, str(first.amount), first.problem) == ("1001", "1.5", None)
    assert second.problem is not None
    assert (second.problem.code, second.problem.params["line"]) == ("META_BAD_PATH", 3)
    assert second.collected_at == datetime(2024, 2, 4, 16, tzinfo=UTC)


def test_for_the_web_values_are_percent_encoded(database: Path) -> None:
    query = f"SELECT {COLUMNS}, folder, name AS fileName FROM f WHERE no = 'A-1'"
    (document,) = listed(
        database, query, place="http://127.0.0.1:9/a", file="get?id={fileName}&in={folder}"
    )
    assert document.files[0].download_url == "get?id=1%20%C3%BC.pdf&in=2024"


def test_the_range_that_is_asked_for_is_bound(database: Path) -> None:
    query = f"SELECT {COLUMNS}, name AS path FROM f WHERE at >= :from_date AND at < :to_date"
    assert [one.image_no for one in listed(database, query, JANUARY)] == ["A-1"]
    # Without it the same scope is cut out of all the rows.
    whole = f"SELECT {COLUMNS}, name AS path FROM f"
    assert [one.image_no for one in listed(database, whole, JANUARY)] == ["A-1"]
    assert len(listed(database, whole)) == 2


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        (COLUMNS, "path"),
        (f"{COLUMNS}, name AS path, folder", "folder"),
        (f"{COLUMNS.replace('scanBillNo', 'nr')}, name AS path", "nr"),
        (f"{COLUMNS.replace('org AS orgCode,', '')}, name AS path", "fapplyOrganizationCode"),
    ],
)
def test_columns_that_make_no_sense_are_named(database: Path, columns: str, word: str) -> None:
    with pytest.raises(SyncError) as caught:
        listed(database, f"SELECT {columns} FROM f")
    assert caught.value.code == "SQL_COLUMNS"
    assert word in caught.value.params["detail"]


def test_what_the_database_refuses_is_said_in_its_words(database: Path) -> None:
    with pytest.raises(SyncError) as caught:
        listed(database, "SELECT a FROM nowhere")
    assert caught.value.code == "SQL_QUERY"
    assert "nowhere" in caught.value.params["detail"]


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with a table of one row."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'one.db'}"
        make(url)
        yield url
        return
    with SERVERS[request.param]() as url:
        make(url)
        yield url


def make(url: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (word VARCHAR(20))")
        connection.exec_driver_sql("INSERT INTO kept VALUES ('here')")
    engine.dispose()


def rows(address: str, query: str) -> list[tuple[object, ...]]:
    with SourceDatabase(address).rows(query, {}) as (_names, found):
        return [tuple(row) for row in found]


@pytest.mark.parametrize(
    "attempt",
    ["DELETE FROM kept", "INSERT INTO kept VALUES ('more')", "DROP TABLE kept"],
)
def test_nothing_can_be_changed_whatever_is_asked(address: str, attempt: str) -> None:
    """Not even by what no setting lets through."""
    with pytest.raises(SyncError) as caught:
        rows(address, attempt)
    assert caught.value.code == "SQL_QUERY"
    assert rows(address, "SELECT word FROM kept") == [("here",)]


def test_a_query_may_hold_what_looks_like_a_parameter(address: str) -> None:
    query = statement("SELECT 'at 12:30, :x and 100%' AS a -- :y\n;")
    assert rows(address, query) == [("at 12:30, :x and 100%",)]


def test_an_address_is_shown_without_its_password(tmp_path: Path) -> None:
    assert shown_address("mysql://me:secret@db:3306/img?x=1") == "mysql://db:3306/img"
    with pytest.raises(SyncError) as caught:
        rows("postgresql://me:verysecret@127.0.0.1:9/img", "SELECT 1")
    assert caught.value.code == "SQL_UNREACHABLE"
    assert "verysecret" not in str(caught.value)
    with pytest.raises(SyncError) as caught:
        rows(f"sqlite:///{tmp_path / 'none.db'}", "SELECT 1")
    assert caught.value.code == "SQL_UNREACHABLE"
    assert not (tmp_path / "none.db").exists()


def test_a_driver_that_is_missing_is_named() -> None:
    for address in ("oracle://me:x@host/db", "nonsense://host/db"):
        with pytest.raises(SyncError) as caught:
            rows(address, "SELECT 1")
        assert caught.value.code == "SQL_DRIVER"


@pytest.mark.parametrize(
    ("check", "text", "fits"),
    [
        (check_query, "SELECT 1", True),
        (check_query, " with a as (select ';') select * from a ; ", True),
        (check_query, "SELECT 1; DELETE FROM a", False),
        (check_query, "DELETE FROM a", False),
        (check_query, "/* SELECT */ UPDATE a SET b = 1", False),
        (check_query, "SELECT :whatever", False),
        (check_query, "SELECT a::text FROM b WHERE c < :to_date", True),
        (check_template, "{path}", True),
        (check_template, "a/{fileId}.{fileSuffix}", True),
        (check_template, "get?id={fileId}", True),
        (check_template, "path", False),
        (check_template, "../{path}", False),
        (check_template, "/{path}", False),
        (check_template, "{path", False),
        (check_template, "{}", False),
        (check_address, "sqlite:////data/a.db", True),
        (check_address, "sqlite://", False),
        (check_address, "mysql://169.254.169.254/db", False),
        (check_address, "some words", False),
    ],
)
def test_settings_are_judged_before_they_are_used(
    check: Callable[[str], object], text: str, fits: bool
) -> None:
    if fits:
        check(text)
        return
    with pytest.raises(InvalidSetting):
        check(text)


def test_what_is_bound_is_seen_outside_of_texts_only() -> None:
    assert is_bound("SELECT 1 WHERE a > :from_date")
    assert not is_bound("SELECT ':from_date' -- :to_date")


def test_a_value_never_leads_out_of_the_place() -> None:
    for value in ("..", ".", "a/b", "", None, "../.."):
        with pytest.raises(BadPath):
            filled("{name}", {"name": value}, for_web=False)
    assert filled("x/{name}", {"name": "a/../b"}, for_web=True) == "x/a%2F..%2Fb"
    with pytest.raises(BadPath):
        filled("x/{path}", {"path": "../b"}, for_web=True)
