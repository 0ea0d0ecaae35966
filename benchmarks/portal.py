"""What pages cost at a million documents: ``python benchmarks/portal.py``.

Fills two ledgers directly, with ``--small`` and with ``--documents`` documents in one batch (see
``filled_ledger.py``), then asks for every page in turns through the application, ``--rounds``
times each, and prints median and 95th percentile in milliseconds and the ratio of the medians.
On SQLite the ratio is that of the CPU time, which other work on the machine does not stretch.
A page of a list should cost 1.5 times at most; totals that have to be counted come after their
page and are listed apart, without a limit but the rows they pass, about 10 µs of CPU each.

On SQLite, in a temporary folder; ``--postgresql URL`` measures in two schemas of that server.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

# This file is called like the package it measures, so its folder must not be searched first.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from flask.testing import FlaskClient  # noqa: E402
from sqlalchemy import create_engine  # noqa: E402

from benchmarks.filled_ledger import fill  # noqa: E402
from portal import schema  # noqa: E402
from portal.app import create_app  # noqa: E402
from portal.models import Role, utc_now  # noqa: E402
from portal.runtime import current_portal  # noqa: E402
from portal.services import logins, users  # noqa: E402
from portal.settings import read_settings  # noqa: E402

OTHER_BATCHES = 200
WANTED = 1.5
_FEW = 5
LISTS = (
    *("", "?sort=-id&size=20", "?run=running", "?sync=partial", "?source=1", "?org=1001"),
    *("?type=T1", "?first=2024-01-01&last=2024-12-31", "?number=MB2026", "?creator=bench"),
)
TABS = (
    *("", "/failures", "/log", "/runs"),
    *("/progress?tab=months", "/progress?tab=failures"),
)
FILTERS = (
    *("status=failed", "status=synced", "status=pending", "month=2024-07"),
    *("month=2024-12&status=failed", "code=SRC_NOT_FOUND", "code=SRC_NOT_FOUND&month=2024-12"),
    *("org=1007", "type=T3", "org=1007&status=failed", "org=1007&type=T3&month=2024-12"),
    *("image_no=FYBX00000", "image_no=FYBX00000777", "bill_no=BILL-00000", "applicant=提单人007"),
    *("applicant=提单人007&status=failed", "first=2024-07-10&last=2024-07-10"),
    *("first=2024-12-01&status=failed", "sort=collected", "sort=-collected&org=1007"),
)
COUNTED = ("org=1007", "applicant=提单人", "first=2024-07-10&last=2024-07-10", "code=SRC_NOT_FOUND")


@dataclass
class Site:
    """One filled installation and what its pages took, in milliseconds."""

    client: FlaskClient
    batch_no: str
    documents: int
    taken: dict[str, list[float]] = field(default_factory=dict)
    worked: dict[str, list[float]] = field(default_factory=dict)

    def ask(self, name: str, path: str) -> None:
        """One request, timed."""
        began, worked = time.perf_counter(), time.process_time()
        response = self.client.get(path)
        spent, worked = time.perf_counter() - began, time.process_time() - worked
        assert response.status_code == 200, (path, response.status_code)
        self.taken.setdefault(name, []).append(spent * 1000)
        self.worked.setdefault(name, []).append(worked * 1000)

    def pages(self) -> dict[str, str]:
        """The pages of lists, by what they are called in the report."""
        batch = f"/batches/{self.batch_no}"
        places = {"first": 0, "middle": self.documents // 2, "last": self.documents - 40}
        marks = {name: f"{number}~{number}" for name, number in places.items()}
        return (
            {f"batches {query or '(all)'}": f"/batches/{query}" for query in LISTS}
            | {f"batch {tab or '(months)'}": f"{batch}{tab}" for tab in TABS}
            | {
                f"documents, {name} page": f"{batch}/documents?after={quote(mark)}"
                for name, mark in marks.items()
            }
            | {f"documents {query}": f"{batch}/documents?{query}" for query in FILTERS}
        )

    def totals(self) -> dict[str, str]:
        """What is counted after its page."""
        address = f"/batches/{self.batch_no}/documents/total"
        return {f"total {query}": f"{address}?{query}" for query in COUNTED}


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--postgresql", default="", help="the URL of a server to measure on")
    options = parser.parse_args()
    with ExitStack() as stack:
        small, large = (
            stack.enter_context(_site(documents, options.postgresql))
            for documents in (options.small, options.documents)
        )
        for pages, rounds in ((Site.pages, options.rounds), (Site.totals, _FEW)):
            for _ in range(rounds + 1):
                for name in pages(small):  # in turns, as the machine is not always as fast
                    for site in (small, large):
                        site.ask(name, pages(site)[name])
        cpu = not options.postgresql
        _report(small, large, small.pages(), cpu=cpu)
        sys.stdout.write("\ntotals, apart:\n")
        _report(small, large, small.totals(), cpu=cpu)


def _report(small: Site, large: Site, names: dict[str, str], *, cpu: bool) -> None:
    """Print a table; what costs more than wanted is marked."""
    heads = f"{small.documents:,}", f"{large.documents:,}"
    sys.stdout.write(f"{'ms, median / p95':44}{heads[0]:>16}{heads[1]:>18}   ratio\n")
    for name in names:
        before, after = small.taken[name][1:], large.taken[name][1:]  # the first one warms up
        measures = (small.worked, large.worked) if cpu else (small.taken, large.taken)
        medians = [statistics.median(measure[name][1:]) for measure in measures]
        ratio = medians[1] / medians[0]
        sys.stdout.write(
            f"{name:44}{_figures(before):>16}{_figures(after):>18}   {ratio:5.2f}"
            f"{f'  CPU {medians[0]:.1f} {medians[1]:.1f}' if cpu else ''}"
            f"{' !' if ratio > WANTED else ''}\n"
        )


def _figures(taken: list[float]) -> str:
    return f"{statistics.median(taken):.1f} / {statistics.quantiles(taken, n=20)[-1]:.1f}"


@contextmanager
def _site(documents: int, server: str) -> Iterator[Site]:
    """A filled installation with somebody logged in."""
    with tempfile.TemporaryDirectory() as home, _database(server) as database:
        settings = read_settings({"IMGMIG_HOME": home, **database})
        app = create_app(settings)
        with app.app_context():
            schema.upgrade()
            portal = current_portal()
            began = time.perf_counter()
            number = fill(portal.ledger, documents, others=OTHER_BATCHES, zone=settings.timezone)
            with portal.ledger.write() as session:
                user = users.add(
                    session, "bench", role=Role.ADMIN, password=uuid.uuid4().hex, by="bench",
                    now=utc_now(),
                )  # fmt: skip
                session.flush()
                ticket = logins.begin(session, user, origin="bench", now=utc_now())
            sys.stdout.write(f"{documents:,} filled in {time.perf_counter() - began:.0f} s\n")
        client = app.test_client()
        with client.session_transaction() as session:
            session.update(_user_id=ticket, _fresh=True, seen=int(time.time()))
        yield Site(client, number, documents)
        portal.ledger.close()
        portal.queue.close()


@contextmanager
def _database(server: str) -> Iterator[dict[str, str]]:
    """The settings of a database: none for SQLite, else a schema that is dropped at the end."""
    if not server:
        yield {}
        return
    name = f"bench_{uuid.uuid4().hex}"
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    yield {"PORTAL_DATABASE_URL": f"{server}?options={quote(f'-csearch_path={name}')}"}
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
    engine.dispose()


if __name__ == "__main__":
    main()
