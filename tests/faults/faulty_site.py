"""A real installation with the fault server as its source, and what its ledger says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.errors import PROBLEMS, action, reason
from tests.faults.fault_server import CLIENT_ID, CLIENT_SECRET, FaultServer
from tests.faults.tenant import Tenant
from tests.faults.wire import ForeignHost
from tests.functional.installation import SOURCE, Installation, wait_for

_ERRORS_PAGE = Path(__file__).parents[2] / "docs" / "zh" / "错误码.md"


@dataclass(frozen=True)
class Outcome:
    """How a document came out, as the ledger has it."""

    image_no: str
    status: str
    attempts: int
    code: str | None
    params: dict[str, Any]


class FaultySite:
    """The installation, its source, and two foreign hosts of which one is on the list."""

    def __init__(self, installation: Installation) -> None:
        self.site = installation
        self.tenant = Tenant()
        self.server = FaultServer(self.tenant)
        self.listed = ForeignHost()
        self.unlisted = ForeignHost()

    def start(self) -> None:
        """Bring everything up, with the source known."""
        self.site.run("db", "upgrade")
        ended = self.site.run(
            *("source", "add", SOURCE, "--url", self.server.url, "--client-id", CLIENT_ID),
            *("--download-host", self.listed.host),
            CLIENT_SECRET=CLIENT_SECRET,
        )
        assert ended.code == 0, ended
        self.site.start_up()

    def run_batch(self, first: str, last: str) -> str:
        """Create a batch of whole months (``2024-01``) and set it running."""
        batch_no = self.site.create_batch(f"{first}-01", f"{last}-28")
        assert self.site.run("batch", "run", batch_no).code == 0
        return batch_no

    def wait_until_ended(self, batch_no: str, seconds: float = 110.0) -> dict[str, Any]:
        """The report of the batch once it has ended."""

        def ended() -> bool:
            query = "SELECT run_status FROM batches WHERE batch_no = ?"
            return self.query(query, batch_no) == [("ended",)]

        wait_for(f"the end of {batch_no}", ended, seconds)
        return self.site.show(batch_no)

    def outcomes(self, batch_no: str) -> dict[str, Outcome]:
        """Every document of the batch by its image number."""
        rows = self.query(
            "SELECT d.image_no, i.status, i.attempts, i.error_code, i.error_params"
            " FROM batch_items i JOIN documents d ON d.id = i.document_id"
            " JOIN batches b ON b.id = i.batch_id WHERE b.batch_no = ?",
            batch_no,
        )
        return {
            image_no: Outcome(image_no, status, attempts, code, json.loads(params or "{}"))
            for image_no, status, attempts, code, params in rows
        }

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.site.home / "ledger.db", timeout=10)) as ledger:
            return ledger.execute(statement, values).fetchall()

    def close(self) -> None:
        self.site.kill_all()
        for listener in (self.server, self.listed, self.unlisted):
            listener.close()

    # What holds whatever the faults were.

    def check_archive(self, synced: int) -> None:
        """The archive holds the synced documents, all of them whole, and nothing else."""
        verified = self.site.json("verify")
        assert verified["findings"] == []
        assert verified["documents"] == synced == len(self.site.archived_folders())
        assert self.site.incoming_files() == []

    def check_tokens(self) -> None:
        """The token went to the source with every call, and nowhere else, in no form."""
        tokens = {one.token for one in self.server.seen if one.token}
        assert tokens <= set(self.server.tokens), "a token that the source never gave out"
        for one in (*self.listed.seen, *self.unlisted.seen):
            said = f"{one.target} {one.headers} {one.body!r}"
            assert "authorization" not in one.headers
            assert not [token for token in self.server.tokens if token in said], one
        assert self.unlisted.seen == []


@contextmanager
def faulty_site(home: Path) -> Iterator[FaultySite]:
    """A site that is ended and closed whatever happens."""
    site = FaultySite(Installation(home))
    try:
        yield site
    finally:
        site.close()


def check_texts(code: str, params: dict[str, Any]) -> None:
    """A failure says what happened and what to do, in both languages, without a gap."""
    assert code in PROBLEMS
    assert f"`{code}`" in _ERRORS_PAGE.read_text("utf-8")
    for language in ("zh", "en"):
        for text in (reason(code, params, language), action(code, params, language)):
            assert text, (code, language)
            assert not set("?{}") & set(text), text
