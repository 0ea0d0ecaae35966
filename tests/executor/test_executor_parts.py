"""Settings, handlers, the heartbeat: the small parts with rules of their own."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from executor import ExecutorSettings, JobContext, job_handler
from executor.current import current_executor
from executor.errors import NoExecutor
from executor.handlers import find_handler
from executor.heartbeat import Heartbeat
from executor.models import ExecutorRun
from executor.protocol.texts import MESSAGE_LIMIT, message
from tests.executor.executor_rig import ADDRESS, Database, Rig, echo


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"app_name": "abc"}, "app_name"),
        ({"access_tokens": ()}, "access_tokens"),
        ({"access_tokens": ("x", "")}, "access_tokens"),
        ({"address": "10.0.0.5:8000"}, "address"),
        ({"address": "", "admin_addresses": ("http://a",)}, "address"),
        ({"admin_addresses": ("a:8080",)}, "admin_addresses"),
        ({"address": "http://" + "x" * 250}, "address"),
    ],
)
def test_senseless_settings_are_refused_by_name(changed: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {
        "app_name": "imaging-migration",
        "address": ADDRESS,
        "access_tokens": ("x",),
    }
    ExecutorSettings(**good)
    with pytest.raises(ValueError, match=named):
        ExecutorSettings(**{**good, **changed})


def test_two_handlers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two handlers are called echo"):
        job_handler("echo")(lambda _context: None)
    job_handler("echo")(echo)  # a module imported again registers the same function


def test_isolated_handler_that_no_child_could_import_is_refused() -> None:
    with pytest.raises(ValueError, match="top of a module"):
        job_handler("alone", isolated=True)(lambda _context: None)


def test_handler_modules_are_imported_at_start(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from executor import job_handler\n@job_handler('site')\ndef site(context): ...\n"
    (tmp_path / "handlers_of_a_site.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    rig = Rig(database, handler_modules=("handlers_of_a_site",))
    assert find_handler("site") is not None
    assert rig.run(1, executorHandler="site")["code"] == 200
    del sys.modules["handlers_of_a_site"]


def test_module_that_is_missing_stops_the_start(database: Database) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Rig(database, handler_modules=("no_such_module",))


def test_no_executor_before_init_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executor.current._current", None)
    with pytest.raises(NoExecutor):
        current_executor()


def test_context_shows_the_trigger(rig: Rig) -> None:
    seen: list[tuple[object, ...]] = []

    @job_handler("shows")
    def shows(context: JobContext) -> None:
        seen.append((context.job_id, context.log_id, context.params, context.cancelled()))

    rig.run(5, executorHandler="shows", executorParams=None)
    rig.work()
    assert seen == [(7, 5, "", False)]


def test_heartbeat_survives_an_error_and_stops_when_the_lease_is_lost() -> None:
    answers: list[bool | Exception] = [True, OSError("away"), True, False]
    beats: list[int] = []
    lost = threading.Event()

    def renew() -> bool:
        answer = answers[len(beats)]
        beats.append(1)
        if len(beats) == len(answers):
            lost.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Heartbeat(renew, seconds=0.001):
        assert lost.wait(10)
    assert len(beats) == len(answers)


def test_naive_times_are_refused(rig: Rig) -> None:
    rig.run(1)
    naive = datetime.now(UTC).replace(tzinfo=None)
    with rig.database.read() as session, pytest.raises(StatementError, match="offset-naive"):
        session.scalars(select(ExecutorRun).where(ExecutorRun.queued_at < naive)).all()


@pytest.mark.parametrize("length", [MESSAGE_LIMIT - 1, MESSAGE_LIMIT, MESSAGE_LIMIT + 1])
def test_message_is_cut_only_above_the_limit(length: int) -> None:
    assert len(message("x" * length)) == min(length, MESSAGE_LIMIT)
