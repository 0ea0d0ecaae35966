"""Why a batch does not move faster just now: its holds, its source's level, its time window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from portal.errors import reason
from portal.models import Batch, Hold
from portal.services import gates, levels
from portal.statuses import RunStatus
from portal.sync.throttle.level import Level, Reason

_WHY = {
    Reason.THROTTLED: ("源端限流", "the source limits the rate"),
    Reason.ERRORS: ("源端出错较多", "the source fails often"),
    Reason.SLOW: ("源端响应变慢", "the source answers slowly"),
}


_FULL = Level()


@dataclass(frozen=True, slots=True)
class Standing:
    """What keeps a running batch back; nothing of it when the batch does not run.

    :param opens_at: the next opening of the source's time windows, when they are closed
    :param level: the source's level, with a person's caps applied
    :param capped: whether a person's cap on the rate is what limits it
    """

    holds: Sequence[Hold] = ()
    opens_at: datetime | None = None
    level: Level = _FULL
    capped: bool = False

    @property
    def limited_since(self) -> datetime | None:
        """Since when the source is worked less than it could be, for its own sake."""
        since = self.level.since
        return None if since is None else datetime.fromtimestamp(since, UTC)

    def level_text(self, language: str, zone: ZoneInfo) -> str:
        """Level and reason on one line, such as ``源端限流，12:04 起，当前 5 次/秒``."""
        place = 0 if language.startswith("zh") else 1
        rate = self.level.rate
        amount = (
            (f"并发 {self.level.window}", f"{self.level.window} at once")
            if rate is None
            else (f"{rate:.3g} 次/秒", f"{rate:.3g} a second")
        )[place]
        if self.level.reason is None or self.limited_since is None:
            cap = ("（按设置上限）", " (the configured cap)")[place] if self.capped else ""
            return ("当前 ", "now ")[place] + amount + cap
        since = f"{self.limited_since.astimezone(zone):%H:%M}"
        why = _WHY[self.level.reason][place]
        return (f"{why}，{since} 起，当前 {amount}", f"{why} since {since}, now {amount}")[place]

    def lines(self, language: str, zone: ZoneInfo) -> list[str]:
        """Everything that keeps the batch back, in words, for logs and terminals."""
        place = 0 if language.startswith("zh") else 1
        lines = [
            ("暂缓：", "held: ")[place]
            + (f"{hold.org_code} " if hold.org_code else "")
            + reason(hold.code, hold.params, language)
            for hold in self.holds
        ]
        if self.opens_at is not None:
            opens = f"{self.opens_at.astimezone(zone):%m-%d %H:%M}"
            lines.append((f"时间窗口外，{opens} 开放", f"closed until {opens}")[place])
        if self.level.reason is not None:
            lines.append(self.level_text(language, zone))
        return lines


def standing(batch: Batch, *, now: datetime, zone: ZoneInfo) -> Standing:
    """What keeps a batch back just now; its session is open, or its holds and level are loaded."""
    if batch.run_status is not RunStatus.RUNNING:
        return Standing()
    source = batch.data_source
    level = levels.level_of(source)
    return Standing(
        holds=batch.holds,
        opens_at=gates.windows_of(source, zone).opens_at(now),
        level=level,
        capped=source.rate_cap is not None and level.rate == source.rate_cap,
    )
