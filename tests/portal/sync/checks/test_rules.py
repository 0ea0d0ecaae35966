from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from portal.sync.checks.rules import CompatibilityRules


def test_defaults() -> None:
    rules = CompatibilityRules()
    assert "pdf" in rules.kinds_for("cover")
    assert "xml" in rules.kinds_for("invoice") - rules.kinds_for("cover")
    assert {"ole", "ooxml", "txt"} <= rules.kinds_for("attachment") - rules.kinds_for("invoice")
    assert (rules.max_bytes, rules.min_short_side) == (209_715_200, 300)
    assert (rules.max_pixels, rules.max_pages, rules.deep) == (100_000_000, 2_000, False)


def test_round_trip_through_json() -> None:
    rules = replace(CompatibilityRules(), cover=frozenset({"pdf"}), max_pages=7, deep=True)
    stored = json.loads(json.dumps(rules.to_mapping()))
    assert CompatibilityRules.from_mapping(stored) == rules


def test_what_is_left_out_keeps_its_default() -> None:
    assert CompatibilityRules.from_mapping({}) == CompatibilityRules()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"max_page": 3}, "max_page"),
        ({"max_pages": 0}, "max_pages"),
        ({"max_bytes": "5"}, "max_bytes"),
        ({"max_pixels": True}, "max_pixels"),
        ({"min_short_side": 1.5}, "min_short_side"),
        ({"deep": 1}, "deep"),
        ({"cover": ["exe"]}, "exe"),
        ({"cover": "pdf"}, "cover"),
        ({"invoice": [1]}, "invoice"),
    ],
)
def test_nonsense_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        CompatibilityRules.from_mapping(values)


def test_unknown_category_is_named() -> None:
    with pytest.raises(ValueError, match="attach:"):
        CompatibilityRules().kinds_for("attach")
