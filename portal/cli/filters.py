"""How days and months are given to a command."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import click

DAY = click.DateTime(formats=["%Y-%m-%d"])


class _Month(click.ParamType[str]):
    name = "yyyy-mm"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", str(value)):
            self.fail(
                f"{value!r}：应为月份，如 2024-03 must be a month such as 2024-03", param, ctx
            )
        return str(value)


MONTH = _Month()


def day_of(value: datetime | None) -> date | None:
    """The day that was given, if any was."""
    return None if value is None else value.date()
