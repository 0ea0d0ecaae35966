"""Progress on a terminal, from the ledger's counts; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from portal.models import utc_now
from portal.runtime import Portal
from portal.services import batches, reports
from portal.services.standing import Standing, standing
from portal.services.throughput import pace_of

_LOOK_SECONDS = 0.25
_LINE_SECONDS = 5.0


class ProgressBar:
    """One bar that may be told a total late: until then it shows counts and no percentage."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._title = title
        self._quiet = quiet
        self._said_at = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(title, total=None, note="")

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, done: int, total: int | None, note: str = "") -> None:
        """Where things are now; ``total`` is None while it is still being counted."""
        self._bar.update(self._task, completed=done, total=total, note=note)
        now = time.monotonic()
        if (
            not self._quiet
            and not self._console.is_terminal
            and now - self._said_at > _LINE_SECONDS
        ):
            self._said_at = now
            click.echo(f"{self._title} {done}/{'?' if total is None else total} {note}", err=True)

    def say(self, line: str) -> None:
        """A line on standard output: above the bar where both are on the terminal."""
        if self._quiet or not (self._console.is_terminal and sys.stdout.isatty()):
            click.echo(line)
            return
        self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def watch_batch(
    portal: Portal,
    batch_no: str,
    *,
    quiet: bool = False,
    meanwhile: Callable[[], Iterable[str]] = tuple,
) -> dict[str, Any]:
    """Show a batch's progress until it has ended; its last report.

    :param meanwhile: called at every look, a few times a second; gives lines to be shown
    """
    zone = portal.settings.timezone

    def look() -> tuple[Standing, dict[str, Any]]:
        with portal.ledger.read() as session:
            batch = batches.find(session, batch_no)
            now = standing(batch, now=utc_now(), zone=zone)
            return now, reports.batch_report(batch, now, pace_of(batch, now=utc_now()))

    said: list[str] = []
    with ProgressBar(batch_no, quiet=quiet) as bar:
        while True:
            now, report = portal.ledger.again(look)
            decided = report["done"] + report["failed"]
            note = f"失败 {report['failed']}  {report['bytes'] / 1e6:.0f} MB  {pace_line(report)}"
            bar.show(decided, report["total"] if report["counted"] else None, note)
            if report["run_status"] == "ended":
                return report
            lines = now.lines("zh", zone)
            for line in [*meanwhile(), *(line for line in lines if line not in said)]:
                bar.say(line)
            said = lines
            time.sleep(_LOOK_SECONDS)


def pace_line(report: dict[str, Any]) -> str:
    """How fast a batch moves and how long the rest will take; nothing where that is not known."""
    pace = report["pace"]
    if pace["documents_per_second"] is None:
        return ""
    line = f"{pace['documents_per_second']:.3g} 份/秒 docs/s"
    line += f"  {pace['bytes_per_second'] / 1e6:.3g} MB/s"
    if pace["seconds_left"] is not None:
        line += f"  预计剩余 left {timedelta(seconds=round(pace['seconds_left']))}"
    return line
