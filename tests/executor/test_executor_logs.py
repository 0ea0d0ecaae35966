"""Job logs as an admin's page reads them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from executor import LogMarkup, log_pages, logs
from executor.errors import UnknownRun
from tests.executor.executor_rig import Database, Rig


def poll_to_the_end(rig: Rig, log_id: int) -> list[str]:
    """Do what the page does, from its first question until it stops."""
    shown: list[str] = []
    from_line = 1
    while True:
        page = rig.log(log_id, from_line)
        assert page["fromLineNum"] == from_line
        if from_line > page["toLineNum"]:
            assert page["isEnd"]
            return shown
        shown += page["logContent"].split("\n")
        from_line = page["toLineNum"] + 1


def numbered(rig: Rig, count: int) -> None:
    rig.executor.append_log(1, "\n".join(f"line {number}" for number in range(count)))


def test_finished_run_is_whole_in_the_first_answer(rig: Rig) -> None:
    rig.run(1, executorParams="x")
    rig.work()
    page = rig.log(1)
    assert page["logContent"].split("\n") == [
        "2026-11-22 08:00:00 job execute start: echo, shard 0 of 1",
        "2026-11-22 08:00:00 param: x",
        page["logContent"].split("\n")[2],
        "2026-11-22 08:00:00 job execute end: code 200, message x",
    ]
    assert page["logContent"].split("\n")[2].endswith(" got x")
    assert (page["fromLineNum"], page["toLineNum"], page["isEnd"]) == (1, 4, True)


def test_polls_against_a_growing_log_skip_and_double_nothing(rig: Rig) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    shown: list[str] = []
    from_line = 1
    for round_number in range(20):
        numbered(rig, round_number % 4)
        page = rig.log(1, from_line)
        assert not page["isEnd"]
        if page["toLineNum"] >= from_line:
            shown += page["logContent"].split("\n")
            from_line = page["toLineNum"] + 1
    rig.executor.finish(1, 200, "")
    assert shown == poll_to_the_end(rig, 1)[: len(shown)]


def test_question_beyond_the_end_of_a_living_run(rig: Rig) -> None:
    rig.run(1)
    page = rig.log(1, 500)
    assert page == {"fromLineNum": 500, "toLineNum": 0, "logContent": "", "isEnd": False}


def test_line_zero_is_echoed_and_means_the_first(rig: Rig) -> None:
    rig.run(1)
    rig.work()
    page = rig.log(1, 0)
    assert page["fromLineNum"] == 0
    assert "job execute start" in page["logContent"]


def test_unknown_log_id_has_a_line_the_page_shows(rig: Rig) -> None:
    assert poll_to_the_end(rig, 404) == ["readLog fail, logFile not exists"]


def test_log_is_found_whatever_date_is_asked(rig: Rig) -> None:
    rig.run(1)
    rig.work()
    for body in ({"logDateTim": 0}, {"logDateTime": 2**60}, {}):
        answer = rig.call("log", {"logId": 1, "fromLineNum": 1, **body})
        assert "job execute start" in answer["data"]["logContent"]


@pytest.mark.parametrize("ended", [True, False])
def test_very_long_log(rig: Rig, monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    monkeypatch.setattr(logs, "PAGE_LINES", 10)
    monkeypatch.setattr(log_pages, "WHOLE_LINES", 10)
    rig.run(1, executorHandler="deferring")
    rig.work()
    numbered(rig, 95)
    if not ended:
        first = rig.log(1)
        assert (first["toLineNum"], len(first["logContent"].split("\n"))) == (10, 10)
        return
    rig.executor.finish(1, 200, "")
    shown = poll_to_the_end(rig, 1)
    assert len(shown) == 11
    assert shown[5] == "... 89 lines left out here: the log is too long to show whole ..."
    assert "job execute end" in shown[-1]


def test_log_that_is_long_by_its_characters(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pages, "PAGE_CHARS", 2000)
    rig.run(1, executorHandler="deferring")
    rig.work()
    rig.executor.append_log(1, "\n".join(f"{number:03d} {'x' * 96}" for number in range(50)))
    shown: list[str] = []
    from_line = 1
    while (page := rig.log(1, from_line))["toLineNum"] >= from_line:
        assert len(page["logContent"]) < 3000
        shown += page["logContent"].split("\n")
        from_line = page["toLineNum"] + 1
    assert [line[20:23] for line in shown[-50:]] == [f"{number:03d}" for number in range(50)]
    rig.executor.finish(1, 200, "")
    whole = poll_to_the_end(rig, 1)
    gaps = [line for line in whole if "lines left out here" in line]
    assert len(gaps) == 1
    assert len("\n".join(whole)) < 3000
    assert len(whole) - 1 + int(gaps[0].split()[1]) == rig.row(1).log_lines
    assert "job execute start" in whole[0]
    assert "job execute end" in whole[-1]


def test_two_long_lines_are_shown_whole(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pages, "PAGE_CHARS", 100)
    rig.run(1, executorHandler="echo", executorParams="x" * 200)
    rig.work()
    assert "lines left out" in rig.log(1)["logContent"]
    assert poll_to_the_end(rig, 1)[0].endswith("shard 0 of 1")


@pytest.mark.parametrize("state", ["queued", "deferred"])
def test_watcher_of_a_quiet_run_gets_a_sign_of_life_before_the_page_gives_up(
    rig: Rig, state: str
) -> None:
    rig.run(1, executorHandler="deferring")
    if state == "deferred":
        rig.work()
    shown, from_line, silent = 0, 1, 0
    for _poll in range(100):
        page = rig.log(1, from_line)
        if page["toLineNum"] >= from_line:
            assert len(page["logContent"].split("\n")) == page["toLineNum"] - from_line + 1
            shown, from_line, silent = shown + 1, page["toLineNum"] + 1, 0
        else:
            silent += 1
            assert silent < 20  # the page stops for good after 21
        rig.advance(3)
    assert shown > 5
    sign = "still going on" if state == "deferred" else "waiting for its turn"
    assert sign in rig.log(1)["logContent"]


def test_log_nobody_watches_gets_no_signs_of_life(rig: Rig) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    lines = rig.row(1).log_lines
    rig.advance(3600)
    rig.tick()
    assert rig.row(1).log_lines == lines


def test_polls_by_the_hundred_against_a_run_that_writes(rig: Rig) -> None:
    rig.run(1, executorHandler="deferring")
    rig.work()
    before = rig.row(1).log_lines

    def write() -> None:
        for number in range(300):
            rig.executor.append_log(1, f"a {number}" if number % 3 else f"a {number}\nb {number}")
        rig.executor.finish(1, 200, "")

    writer = threading.Thread(target=write)
    writer.start()
    shown: list[str] = []
    from_line, is_over = 1, False
    while not is_over:
        page = rig.log(1, from_line)
        is_over = page["isEnd"]
        if page["toLineNum"] >= from_line:
            shown += page["logContent"].split("\n")
            from_line = page["toLineNum"] + 1
    writer.join()
    numbers = [int(line.rpartition(" ")[2]) for line in shown[before:-1] if " a " in line]
    assert numbers == list(range(300))
    assert len(shown) == rig.row(1).log_lines == before + 400 + 1


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        (LogMarkup.LOOKALIKE, "‹b>1 < 2 &amp; ‹/b>"),
        (LogMarkup.ESCAPE, "&lt;b&gt;1 &lt; 2 &amp;amp; &lt;/b&gt;"),
        (LogMarkup.PLAIN, "<b>1 < 2 &amp; </b>"),
    ],
)
def test_markup_as_the_admin_needs_it(database: Database, markup: LogMarkup, shown: str) -> None:
    rig = Rig(database, log_markup=markup)
    rig.run(1)
    rig.executor.append_log(1, "<b>1 < 2 &amp; </b>")
    assert rig.log(1)["logContent"] == f"2026-11-22 08:00:00 {shown}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b && c > d", "a < b && c > d"),
        ("<script>alert(1)</script>", "‹script>alert(1)‹/script>"),
        ("nul \x00 and \udcff", "nul \N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}"),
        ("影像 🧾", "影像 🧾"),
        ("", ""),
        ("x" * 5000, "x" * 4000 + "... (1000 more cut)"),
    ],
)
def test_text_that_could_do_harm(rig: Rig, text: str, shown: str) -> None:
    rig.run(1)
    rig.executor.append_log(1, text)
    assert rig.log(1)["logContent"] == f"2026-11-22 08:00:00 {shown}"


def test_lines_of_an_unknown_run_are_an_error(rig: Rig) -> None:
    with pytest.raises(UnknownRun):
        rig.executor.append_log(404, "x")


def test_reused_log_id_shows_the_newest_run(rig: Rig) -> None:
    fields: dict[str, Any]
    for fields in ({"executorParams": "old"}, {"executorParams": "new", "logDateTime": 5}):
        rig.run(1, **fields)
        rig.work()
    assert "param: new" in rig.log(1)["logContent"]
    assert "param: old" not in rig.log(1)["logContent"]
