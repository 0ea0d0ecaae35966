"""What a verification of the trail found: each fault with its code and the row it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.services.seal_form import UNREADABLE, Anchor

# Who destroys a whole trail is not told every row of it.
MOST_KEPT = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was sealed; ``params`` fill the code's texts."""

    code: str
    event_id: int
    """The event itself, or the first one that the fault puts in doubt."""
    params: Mapping[str, Any]


@dataclass(slots=True)
class TrailReport:
    """What a verification saw."""

    seals: int = 0
    events: int = 0
    """Sealed events that were looked at."""
    unsealed: int = 0
    oldest_unsealed_at: datetime | None = None
    anchors: int = 0
    """Anchors that were compared."""
    newest: Anchor | None = None
    faults: list[Fault] = field(default_factory=list)
    """The first ones, in the order of events."""
    count: int = 0
    """How many faults there are, kept or not."""

    @property
    def is_sound(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.count

    def as_json(self) -> dict[str, Any]:
        """For scripts and for the ledger."""
        oldest = self.oldest_unsealed_at
        return {
            "sound": self.is_sound,
            "seals": self.seals,
            "events": self.events,
            "unsealed": self.unsealed,
            "oldest_unsealed_at": oldest.isoformat() if oldest else None,
            "anchors": self.anchors,
            "newest_anchor": str(self.newest) if self.newest else None,
            "fault_count": self.count,
            "faults": [
                {"code": fault.code, "event_id": fault.event_id, "params": dict(fault.params)}
                for fault in self.faults
            ],
        }


class Faults:
    """Collects faults, and tells events that changed places from changed ones at the end."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self._digests: dict[int, tuple[bytes, bytes]] = {}
        self._count = 0

    def add(self, code: str, event_id: int, **params: Any) -> None:
        """Note a fault; ``event`` is filled in by itself."""
        self._count += 1
        if len(self._kept) < MOST_KEPT:
            self._kept.append(Fault(code, event_id, {"event": event_id, **params}))

    def add_changed(self, event_id: int, *, sealed: bytes, found: bytes) -> None:
        """Note an event that is not what was sealed under its id."""
        if len(self._kept) < MOST_KEPT:
            self._digests[event_id] = (sealed, found)
        self.add("AUDIT_ROW_CHANGED", event_id)

    def tell(self, report: TrailReport) -> None:
        """Put all of it into a report."""
        sealed_as = {sealed: event_id for event_id, (sealed, _) in self._digests.items()}
        sealed_as.pop(UNREADABLE, None)
        report.count = self._count
        report.faults = sorted(
            (self._with_place(fault, sealed_as) for fault in self._kept),
            key=lambda fault: fault.event_id,
        )

    def _with_place(self, fault: Fault, sealed_as: Mapping[bytes, int]) -> Fault:
        if fault.code != "AUDIT_ROW_CHANGED":
            return fault
        _, found = self._digests[fault.event_id]
        other = sealed_as.get(found)
        if other is None:
            return fault
        return Fault("AUDIT_ROW_MOVED", fault.event_id, {"event": fault.event_id, "of": other})
