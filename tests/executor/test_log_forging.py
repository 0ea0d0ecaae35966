"""A handler's text cannot look like another line, another direction, or markup in any admin."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest

from executor import LogMarkup
from tests.executor.executor_rig import Rig

FORGED = "2026-11-22 08:00:00 handler ended: success"
HOSTILE = (
    f"a\r\n{FORGED}\x1b[2J\x1b[31m\x08\u202egnp.exe\u2066\u061c\x85b\u2028c<img src=x onerror=z()>"
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


@pytest.mark.parametrize("markup", [LogMarkup.LOOKALIKE, LogMarkup.ESCAPE])
def test_what_a_source_wrote_is_harmless_where_a_log_is_shown_as_html(
    rig: Rig, markup: LogMarkup
) -> None:
    rig.executor = rig.new_process(log_markup=markup)
    rig.executor.init_app(rig.app)
    assert rig.run(1, executorParams=HOSTILE)["code"] == 200
    rig.work()
    text = rig.log(1)["logContent"]
    reader = _Tags()
    reader.feed(text)
    assert reader.tags == []
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines), lines
    # Each line begins with its own time: what was forged stands behind one.
    assert all(line[:2] == "20" and line[19] == " " for line in lines)
    assert [line for line in lines if FORGED in line[20:]]
    assert "\\u001b[31m" in html.unescape(text)
    assert "\\u202egnp.exe" in html.unescape(text)
