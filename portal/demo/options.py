"""What a run of the demo source can be told."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property

from portal.demo.faults import Faults

MIN_MEAN_SIZE = 40_000
MAX_MEAN_SIZE = 1_000_000
MAX_MONTHS = 600


@dataclass(frozen=True)
class DemoOptions:
    """A tenant and how its server behaves; equal options make an equal tenant, byte for byte.

    :param documents: how many documents the tenant has, the six defective ones included
    :param months: over how many calendar months they spread
    :param first_month: the first of these, ``yyyy-MM`` in Asia/Shanghai
    :param mean_size: mean size of a file in bytes, reached within about a quarter
    :param seed: everything that looks random comes from it
    :param client_id: generated from the seed when not given
    :param client_secret: generated from the seed when not given
    :param download_urls: every third file carries an absolute ``downloadUrl``
    :param faults: how the server misbehaves from the start
    :raises ValueError: when a value makes no sense; the text names it and what is allowed
    """

    documents: int = 240
    months: int = 6
    first_month: str = "2024-01"
    mean_size: int = 170_000
    seed: int = 20240101
    client_id: str | None = None
    client_secret: str | None = None
    download_urls: bool = False
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        _within("documents", self.documents, 12, 10_000_000)
        _within("months", self.months, 1, MAX_MONTHS)
        _within("mean_size", self.mean_size, MIN_MEAN_SIZE, MAX_MEAN_SIZE)
        # Before 1992 the clocks in Shanghai knew a summer time, which this calendar does not.
        if not re.fullmatch(r"(199[2-9]|2\d{3})-(0[1-9]|1[0-2])", self.first_month):
            raise ValueError(f"first_month is yyyy-MM from 1992-01 on, not {self.first_month!r}")

    @cached_property
    def credentials(self) -> tuple[str, str]:
        """Client id and client secret."""
        return (
            self.client_id or f"demo{self._derived('client id')[:16]}",
            self.client_secret or self._derived("client secret")[:32],
        )

    def _derived(self, purpose: str) -> str:
        return hashlib.sha256(f"{purpose} {self.seed}".encode()).hexdigest()


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is between {least} and {most}, not {value}")
