"""Figures as Prometheus reads them: text format 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True)
class Family:
    """Figures of one name.

    :param samples: labels and value; of a ``counter`` the value never falls
    """

    name: str
    help: str
    samples: Sequence[Sample]
    type: Literal["gauge", "counter"] = "gauge"

    def text(self) -> str:
        """Its lines."""
        return _lines(self.name, self.help, self.type, ((self.name, *one) for one in self.samples))


@dataclass(frozen=True)
class Observed:
    """One histogram: how many observations fell into each bucket, and what they sum up to.

    :param buckets: one more than there are bounds, the last without a bound; not cumulative
    """

    labels: Mapping[str, str]
    buckets: Sequence[int]
    total: float


@dataclass(frozen=True)
class Histogram:
    """Histograms of one name; ``bounds`` are the upper ends of the buckets, ascending."""

    name: str
    help: str
    bounds: Sequence[float]
    observed: Sequence[Observed]

    def text(self) -> str:
        """Its lines."""
        return _lines(self.name, self.help, "histogram", self._samples())

    def _samples(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        for one in self.observed:
            count = 0
            for bound, number in zip((*self.bounds, math.inf), one.buckets, strict=True):
                count += number
                yield f"{self.name}_bucket", {**one.labels, "le": _number(bound)}, count
            yield f"{self.name}_sum", one.labels, one.total
            yield f"{self.name}_count", one.labels, count


def page(families: Iterable[Family | Histogram]) -> str:
    """The page a monitor fetches."""
    return "".join(family.text() for family in families)


def _lines(
    name: str, text: str, kind: str, samples: Iterable[tuple[str, Mapping[str, str], float]]
) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{sample}{_labels(labels)} {_number(value)}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    if isinstance(value, int):
        return str(int(value))  # a bool is a figure, too
    return f"{value:.6f}".rstrip("0").rstrip(".")
