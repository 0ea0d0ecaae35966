"""The gate before a new batch: what the last 确保前提 of its source found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.models import PreflightTick
from portal.services import audit, preflights, sources
from portal.services.chores import alive_hosts
from portal.services.preflight_ticks import LONGEST_REMARK, ticked
from portal.services.preflights import EVERYWHERE, Seen
from portal.services.source_check import Finding

#: What was found longer ago is no reason to refuse anything, nor to trust in.
GOOD_FOR = timedelta(hours=24)


class PreflightFailed(NotAllowed):
    """The last preflight of the source has failing items, and no admin has overridden them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands: the last report of each host that counts, and the items by hand.

    ``missing`` when there was no check yet; ``old`` when it is a day old or the source was changed
    since. Only ``failed`` blocks.

    :param hosts: of those alive now and those asked last, the installation's own first
    :param stale: the hosts among them whose report is old
    :param unchecked: hosts that are alive, and have no report nor are asked for one
    :param pending: reports that are being made
    :param blocking: host and finding of each failing item
    """

    source_id: int
    state: Literal["failed", "warning", "ok", "missing", "old"]
    hosts: Sequence[Seen]
    stale: Sequence[str]
    unchecked: Sequence[str]
    pending: Sequence[Seen]
    by_hand: Mapping[str, PreflightTick | None]
    blocking: Sequence[tuple[str, Finding]]

    @property
    def at(self) -> datetime | None:
        """When the last of it was found."""
        return max((one.at for one in self.hosts), default=None)

    @property
    def is_blocked(self) -> bool:
        """Whether an admin's reason is needed."""
        return bool(self.blocking)


def standing(session: Session, source_id: int, now: datetime) -> Standing:
    """How the source stands now.

    :raises NotFound: when there is no such source
    """
    source = sources.get(session, source_id)
    rounds = preflights.rounds(session, source_id, now=now)
    alive = alive_hosts(session, now=now)
    newest = rounds[0].hosts if rounds else ()
    counting = {*alive, EVERYWHERE, *(one.host for one in newest)}
    last: dict[str, Seen] = {}
    for one in (seen for each in rounds for seen in each.hosts):
        if one.host in counting and not one.is_pending:
            last.setdefault(one.host, one)
    hosts = [last[host] for host in sorted(last)]
    changed = source.changed_at
    stale = [
        one.host
        for one in hosts
        if one.at <= now - GOOD_FOR or (changed is not None and one.asked_at < changed)
    ]
    blocking = [
        (one.host, finding)
        for one in hosts
        if one.host not in stale
        for finding in one.findings
        if finding.state == "failed"
    ]
    by_hand = ticked(session, source_id)
    pending = [one for one in newest if one.is_pending]
    coming = {one.host for one in pending}
    unchecked = [host for host in alive if host not in last and host not in coming]
    is_fine = not (unchecked or coming) and all(by_hand.values())
    is_fine = is_fine and all(one.state == "ok" for one in hosts)
    state: Literal["failed", "warning", "ok", "missing", "old"]
    if blocking:
        state = "failed"
    elif not hosts:
        state = "missing"
    elif stale:
        state = "old"
    else:
        state = "ok" if is_fine else "warning"
    return Standing(
        source_id=source_id,
        state=state,
        hosts=hosts,
        stale=stale,
        unchecked=unchecked,
        pending=pending,
        by_hand=by_hand,
        blocking=blocking,
    )


def require(
    session: Session,
    source_id: int,
    *,
    by: str,
    now: datetime,
    batch_id: int | None = None,
    override_reason: str | None = None,
    may_override: bool = False,
) -> Standing:
    """Let a new batch pass, or not; an override is written to the trail.

    :param batch_id: of the batch made in this transaction, which a refusal undoes
    :param may_override: whether ``by`` is an admin
    :raises PreflightFailed: when an item fails and no admin gives a reason to go on all the same
    """
    found = standing(session, source_id, now)
    if not found.is_blocked:
        return found
    why = (override_reason or "").strip()
    if not why:
        raise PreflightFailed(
            f"确保前提有未通过的项：{_told(found, 'zh')}。"
            "排除后重新检查，或由管理员写明理由后仍然新建",
            f"the preflight has failing items: {_told(found, 'en')}. Mend them and check again, "
            "or have an admin give a reason to go on all the same",
        )
    if not may_override:
        raise PreflightFailed(
            "只有管理员可以在前提未满足时新建批次", "only an admin may override a failing preflight"
        )
    if len(why) > LONGEST_REMARK:
        raise PreflightFailed(
            f"理由不能超过 {LONGEST_REMARK} 字", f"a reason has {LONGEST_REMARK} characters at most"
        )
    detail = {
        "source": sources.get(session, source_id).name,
        "codes": sorted({finding.code or finding.check for _, finding in found.blocking}),
    }
    audit.record(
        session, "preflight.override", by=by, at=now, batch_id=batch_id, reason=why, detail=detail
    )
    return found


def _told(found: Standing, language: str) -> str:
    """The failing items in a line; where several hosts say the same, once."""
    texts = [one.zh if language == "zh" else one.en for _, one in found.blocking]
    return ("；" if language == "zh" else "; ").join(dict.fromkeys(texts))
