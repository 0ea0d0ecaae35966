"""The text format 0.0.4 as Prometheus reads it, and no more lenient than it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_PAIR = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_PAIR}(?:,{_PAIR})*)\}})? (\S+)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "counter": ("",)}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Parsed:
    """A page: the type of each family, and each sample's value by name and labels."""

    types: dict[str, str] = field(default_factory=dict)
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]

    def sum(self, name: str, **labels: str) -> float:
        """Over all samples of the name that have the labels."""
        wanted = set(labels.items())
        return sum(
            value for (one, has), value in self.samples.items() if one == name and wanted <= {*has}
        )


def parse(text: str) -> Parsed:
    """Read a page.

    :raises AssertionError: naming what Prometheus would not take
    """
    assert text.endswith("\n")
    parsed = Parsed()
    helped: set[str] = set()
    family = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, words = line.removeprefix("# HELP ").partition(" ")
            assert re.fullmatch(_NAME, name), line
            assert words, line
            assert name not in helped, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert name in helped, line
            assert name not in parsed.types, line
            assert kind in _SUFFIXES, line
            parsed.types[name], family = kind, name
        else:
            _read_sample(parsed, family, line)
    for name, kind in parsed.types.items():
        if kind == "counter":
            assert name.endswith("_total"), name
        if kind == "histogram":
            _check_histogram(parsed, name)
    return parsed


def _read_sample(parsed: Parsed, family: str, line: str) -> None:
    match = _SAMPLE.fullmatch(line)
    assert match is not None, line
    name, number = match[1], match[match.re.groups]
    assert name in {family + suffix for suffix in _SUFFIXES[parsed.types[family]]}, line
    assert _NUMBER.fullmatch(number), line
    pairs = [(pair[1], _plain(pair[2])) for pair in re.finditer(_PAIR, match[2] or "")]
    assert len({key for key, _ in pairs}) == len(pairs), line
    place = (name, tuple(sorted(pairs)))
    assert place not in parsed.samples, line
    value = float(number)
    assert parsed.types[family] == "gauge" or value >= 0, line
    parsed.samples[place] = value


def _plain(escaped: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), escaped)


def _check_histogram(parsed: Parsed, name: str) -> None:
    """Buckets ascend up to +Inf, never fall, and the last one is the count."""
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), value in parsed.samples.items():
        if sample == f"{name}_bucket":
            bounds = dict(labels)
            rest: Mapping[str, str] = {key: one for key, one in labels if key != "le"}
            key = tuple(sorted(rest.items()))
            series.setdefault(key, []).append((float(bounds["le"]), value))
    for key, buckets in series.items():
        ends = [bound for bound, _ in buckets]
        assert ends == sorted(set(ends)), (name, key)
        assert ends[-1] == math.inf, (name, key)
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), (name, key)
        assert parsed.samples[f"{name}_count", key] == counts[-1]
        assert (f"{name}_sum", key) in parsed.samples
