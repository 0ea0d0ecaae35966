"""What is told, before it gets the form of a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One piece of news.

    :ivar notice_id: the same for every try, so that who gets it twice can tell
    :ivar event: a word of :class:`portal.notify.kinds.NoticeEvent`
    :ivar facts: pairs of a name and a value, in the order they are shown
    :ivar action: what to do about it; empty when nothing is
    :ivar url: the page to look at; empty when the portal's address is not known
    :ivar data: the same for machines
    """

    notice_id: int
    event: str
    title: str
    at: datetime
    facts: tuple[tuple[str, str], ...] = ()
    action: str = ""
    url: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The facts and what to do, one line each."""
        lines = [f"{name}：{value}" for name, value in self.facts]
        return [*lines, self.action] if self.action else lines

    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join([self.title, "", *self.lines(), *([self.url] if self.url else [])])

    def markdown(self) -> str:
        """All of it as the little Markdown that chat robots understand."""
        head = f"**{_plain(self.title)}**"
        link = [f"[{_plain(self.url)}]({self.url})"] if self.url else []
        return "\n\n".join([head, *(_plain(line) for line in self.lines()), *link])


def _plain(text: str) -> str:
    """Names come from elsewhere: none of them becomes a link, a picture or a mention."""
    marks = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]()<>#!|"} | {"@": "＠"})
    return text.translate(marks)
