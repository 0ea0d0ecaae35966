"""One record, one line: nothing that is logged can pass for another record."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.logs import context
from portal.logs.lines import JsonLines, TextLines
from portal.logs.redaction import Redactor
from portal.logs.starting import LineHandler, _opened

HOSTILE = 'a\nb\r\nc\x00d\x1b[31me\u2028f\u0085g\u202eh\ud800i\t{"level": "info"}'


class Log:
    """A logger of its own that writes to a file."""

    def __init__(self, path: Path, kind: type[JsonLines | TextLines]) -> None:
        self._path = path
        self.logger = logging.Logger("portal.test")
        handler = LineHandler(_opened(path))
        handler.setFormatter(kind(Redactor(), process="worker", host="host-a"))
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._path.read_text("utf-8")

    def records(self) -> list[dict[str, Any]]:
        """As a collector reads them: each line is a record, whatever else ends a line for some."""
        lines = self._path.read_bytes().split(b"\n")
        assert lines.pop() == b""
        for line in lines:
            assert line.decode("utf-8").splitlines() == [line.decode("utf-8")]
        return [json.loads(line) for line in lines]


@pytest.fixture
def log(tmp_path: Path) -> Callable[[type[JsonLines | TextLines]], Log]:
    return lambda kind: Log(tmp_path / "log", kind)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    context.begin()
    yield
    context.begin()


Make = Callable[[type[JsonLines | TextLines]], Log]


def test_a_record_says_what_it_should(log: Make) -> None:
    json_log = log(JsonLines)
    with context.working_on(batch_no="B1", document=7):
        json_log.logger.warning("%d freed", 3, extra={"fields": {"seconds": 0.5}})
    (record,) = json_log.records()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert isinstance(record.pop("pid"), int)
    assert record == {
        "level": "warning",
        "logger": "portal.test",
        "message": "3 freed",
        "process": "worker",
        "host": "host-a",
        "thread": "MainThread",
        "batch_no": "B1",
        "document": 7,
        "seconds": 0.5,
    }


def test_nothing_forges_a_second_json_record(log: Make) -> None:
    json_log = log(JsonLines)
    context.begin(user=HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        json_log.logger.exception("failed: %s", HOSTILE)
    (record,) = json_log.records()
    assert record["message"] == f"failed: {HOSTILE}"
    assert record["user"] == HOSTILE
    assert "Traceback" in record["exception"]
    assert record["level"] == "error"


def test_nothing_forges_a_second_text_record(log: Make) -> None:
    text_log = log(TextLines)
    try:
        raise ValueError("x\n2026-01-01 00:00:00,000 INFO portal: all is well")
    except ValueError:
        text_log.logger.exception("failed: %s", "y\n2026-01-01 00:00:00,000 INFO portal: fine")
    first, *rest = text_log.text.splitlines()
    assert r"failed: y\n2026-01-01" in first
    assert all(line.startswith("  | ") for line in rest)
    assert any("all is well" in line for line in rest)


def test_arguments_that_do_not_fit_lose_nothing(log: Make) -> None:
    json_log = log(JsonLines)
    arguments = ("text", "and more")
    json_log.logger.error("only %d", *arguments)
    (record,) = json_log.records()
    assert "and more" in record["message"]


def test_secrets_are_hidden_in_message_fields_and_trace(log: Make) -> None:
    json_log = log(JsonLines)
    try:
        raise ValueError("password=hunter22")
    except ValueError:
        json_log.logger.exception(
            "to %s", "redis://:hunter22@q", extra={"fields": {"path": "/x?token=hunter22"}}
        )
    assert json_log.text.count("***") >= 3
    assert "hunter22" not in json_log.text


def test_threads_know_only_their_own_work(log: Make) -> None:
    json_log = log(JsonLines)
    context.begin(batch_no="B1")
    thread = threading.Thread(target=lambda: json_log.logger.info("elsewhere"))
    thread.start()
    thread.join()
    json_log.logger.info("here")
    elsewhere, here = json_log.records()
    assert "batch_no" not in elsewhere
    assert here["batch_no"] == "B1"


def test_a_name_that_is_no_field_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="batchno"):
        context.note(batchno="B1")
