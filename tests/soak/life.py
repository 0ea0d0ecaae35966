"""The life of an installation, round by round: every round does the same kinds of things."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.executor.fake_admin import TOKEN, FakeAdmin
from tests.functional.backends import Backends, Kinds, opened_backends
from tests.functional.installation import SOURCE, DemoSource, Installation, trigger_body
from tests.soak.audience import VIEWERS
from tests.soak.person import Person

MONTHS, DOCUMENTS_A_MONTH = 240, 40
_FIRST_YEAR = 2005
_NAME, _PASSWORD = "soak-admin", "nothing-grows-in-hours"
_PATIENCE_SECONDS = 300.0
_ENDED = "SELECT 1 FROM batches WHERE batch_no = :no AND run_status = 'ended'"
# Pages behind the links of the menu; an export and a package are made of the round's batch.
_PAGES = (
    *("/", "/batches/", "/months/", "/packages/", "/archive/", "/reconcile/", "/samples/"),
    *("/exports/", "/audit/", "/sources/", "/preflight/", "/jobs/", "/notices/", "/status/"),
    *("/users/", "/account/", "/readyz", "/healthz"),
)
_EXPORTS = (("documents", "xlsx"), ("failures", "csv"), ("audit", "jsonl"), ("months", "xlsx"))
_FAULTS = {"error_share": 0.1, "missing_share": 0.2, "fault_tries": 9}


@dataclass
class Life:
    """An installation with a source that sometimes fails, an admin, and people.

    :param between: called all the time while something is waited for
    """

    site: Installation
    source: DemoSource
    backends: Backends
    folder: Path
    between: Callable[[], None] = lambda: None
    rounds: int = 0
    failed: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    audience: subprocess.Popen[bytes] | None = None

    def live_a_round(self) -> None:
        """Everything once; what does not work is noted, and the rest is done all the same."""
        number = self.rounds
        batch = self._batch(number)
        person = Person(self.site.address)
        self._try(lambda: person.log_in(_NAME, _PASSWORD))
        for step in (
            lambda: self._migrate(batch, number),
            lambda: self._look_around(person, batch),
            lambda: self._preview(person, batch),
            lambda: self._export(person, batch, number),
            lambda: person.post("/batches/", "/packages/batches", batch_no=batch),
            lambda: self._run("verify", "--batch", batch),
            lambda: self._check(person, batch),
            lambda: self._run("batch", "scan", batch, "--sample", "10"),
            lambda: self._reconcile(batch),
            lambda: self._run("preflight", "--source", SOURCE),
            lambda: self._run("audit", "verify"),
            lambda: self._delete(batch, number),
            person.log_out,
        ):
            self._try(step)
            self.between()
        self.rounds += 1

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            where = " < ".join(one.name for one in traceback.extract_tb(error.__traceback__)[::-1])
            self.failed.append(f"round {self.rounds}, {where}: {error!r}"[:500])

    def _batch(self, number: int) -> str:
        """A month nobody has moved yet or, when there is none left, one to be verified again."""
        year, month = _FIRST_YEAR + number % MONTHS // 12, number % 12 + 1
        overlap = "missing" if number < MONTHS else "all"
        first, last = f"{year}-{month:02}-01", f"{year}-{month:02}-28"
        made = self.site.json(
            *("batch", "create", "--source", SOURCE, "--from", first, "--to", last),
            *("--overlap", overlap),
        )
        self._show(made["batch_no"])
        return str(made["batch_no"])

    def _migrate(self, batch: str, number: int) -> None:
        """Triggered by the admin; every other time with failures, which are tried again."""
        if number % 2:
            self.source.switch(**_FAULTS)
        self._trigger(batch)
        if number % 4 == 2:
            self._pause(batch)
        if number % 2:
            time.sleep(2)
            self.source.switch()
        self._until_ended(batch)
        ((failed,),) = self._ask("SELECT failed FROM batches WHERE batch_no = :no", no=batch)
        if failed:
            self._run("batch", "retry", batch)
            self._until_ended(batch)
        if number % 2:
            self._show("")  # it will be deleted

    def _pause(self, batch: str) -> None:
        """For a moment, unless it has ended before."""
        paused = self.site.run("batch", "pause", batch)
        if paused.code == 0:
            self._run("batch", "resume", batch)
        else:
            assert self._ask(_ENDED, no=batch), paused

    def _show(self, batch: str) -> None:
        """What the viewers look at whose page is that of a batch; the list if none."""
        draft = self.folder / "next"
        draft.write_text(batch)
        draft.replace(self.folder / "current")

    def _trigger(self, batch: str) -> None:
        answer = requests.post(
            f"{self.site.address}/xxl-job/run",
            json=trigger_body(1, {"batch": batch}),
            headers={"XXL-JOB-ACCESS-TOKEN": TOKEN},
            timeout=10,
        ).json()
        assert answer["code"] == 200, answer

    def _until_ended(self, batch: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._ask(_ENDED, no=batch):
            assert time.monotonic() < deadline, f"{batch} does not end"
            self.between()
            time.sleep(0.2)

    def _look_around(self, person: Person, batch: str) -> None:
        for page in (*_PAGES, f"/batches/{batch}/log", f"/batches/{batch}/runs"):
            person.get(page)

    def _preview(self, person: Person, batch: str) -> None:
        """Documents with their pictures."""
        for path in person.looked_at(
            f"/batches/{batch}/documents", r'href="(/documents/\d+[^"]*)"', most=0
        )[:3]:
            person.looked_at(path, r'src="(/documents/[^"]+)"', most=4)

    def _export(self, person: Person, batch: str, number: int) -> None:
        kind, form = _EXPORTS[number % len(_EXPORTS)]
        filters = {} if kind in ("audit", "months") else {"batch_no": batch}
        made = person.post(
            f"/exports/new?kind={kind}", "/exports/new", kind=kind, format=form, **filters
        )
        place = re.search(r"/exports/\d+", made.url)
        assert place, made.url
        person.wait_for_chore(place[0])
        person.fetch(f"{place[0]}/download")
        person.post(place[0], f"{place[0]}/remove")

    def _delete(self, batch: str, number: int) -> None:
        if number % 2:
            self._run("batch", "delete", batch)

    def _check(self, person: Person, batch: str) -> None:
        """Have the connection tested, and watch it."""
        person.post("/sources/1", "/sources/1/check", month=self._month(batch))
        person.wait_for_chore("/sources/1")

    def _reconcile(self, batch: str) -> None:
        month = self._month(batch)
        self._run("reconcile", *("--source", SOURCE, "--from", month, "--to", month))

    def _month(self, batch: str) -> str:
        ((day,),) = self._ask("SELECT date_from FROM batches WHERE batch_no = :no", no=batch)
        return str(day)[:7]

    def _run(self, *words: str, **more: str) -> None:
        """A command; 1 is an answer too: that something was found."""
        ended = self.site.run(*words, **more)
        assert ended.code in (0, 1), ended

    def _ask(self, sql: str, **words: str) -> list[tuple[object, ...]]:
        return self.backends.ledger.query(sql, **words)

    # Who looks meanwhile.

    def gather(self) -> None:
        """Make the accounts, and have viewers and an admin look from now on."""
        names = [(_NAME, "admin")]
        names += [(f"viewer-{n}", ("operator", "auditor")[n % 2]) for n in range(VIEWERS)]
        for name, role in names:
            self._run("user", "add", name, "--role", role, USER_PASSWORD=_PASSWORD)
        self._show("")
        self.audience = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.soak.audience", self.site.address, TOKEN),
                *(_PASSWORD, str(self.folder)),
            ]
        )

    def dismiss(self) -> None:
        """Let them go; what failed for them failed."""
        assert self.audience is not None
        self.audience.send_signal(signal.SIGTERM)
        assert self.audience.wait(60) == 0
        told = json.loads((self.folder / "audience.json").read_text())
        self.failed += [f"a viewer: {one}" for one in told["failures"]]
        ((documents, runs),) = self._ask(
            "SELECT (SELECT sum(synced + skipped + failed) FROM batches),"
            " (SELECT count(*) FROM batch_runs)"
        )
        self.figures = {"documents": int(str(documents)), "runs": int(str(runs)), **told["asked"]}


@contextmanager
def opened_life(folder: Path, kinds: Kinds) -> Iterator[Life]:
    """Everything started in an empty folder, ended whatever happens."""
    temporary = folder / "temporary"
    temporary.mkdir(parents=True)
    with opened_backends(kinds, folder / "home") as backends, FakeAdmin() as admin:
        outside = Installation(folder / "source")
        site = Installation(
            folder / "home",
            {
                **backends.settings,
                "TMPDIR": str(temporary),
                "XXL_JOB_ADMIN_ADDRESSES": admin.address,
                "XXL_JOB_ACCESS_TOKEN": TOKEN,
            },
        )
        life: Life | None = None
        try:
            source = DemoSource(
                outside,
                *(f"--documents={MONTHS * DOCUMENTS_A_MONTH}", f"--months={MONTHS}"),
                *(f"--first-month={_FIRST_YEAR}-01", "--mean-size=40000"),
            )
            life = Life(site, source, backends, folder)
            site.add_source(source)
            site.start_up()
            life.gather()
            yield life
        finally:
            if life is not None and life.audience is not None:
                life.audience.kill()
                life.audience.wait()
            site.kill_all()
            outside.kill_all()
