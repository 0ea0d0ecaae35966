"""What a listing alone tells of compatibility."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from portal.errors import SyncError
from portal.sync.checks.declared import declared_problem, with_rules
from portal.sync.checks.rules import CompatibilityRules
from tests.portal.fake_source import make_document, make_file

RULES = CompatibilityRules(max_bytes=1000, max_pages=5)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"suffix": "pdf", "category": "cover", "size": 1000, "page_count": 5}, None),
        ({"suffix": "DOCX", "category": "cover"}, "FILE_TYPE_NOT_ALLOWED"),
        ({"suffix": "docx", "category": "attachment"}, None),
        ({"suffix": "", "category": "cover"}, None),
        ({"suffix": "what", "category": "cover"}, None),
        ({"size": 1001}, "FILE_TOO_LARGE"),
        ({"page_count": 6}, "FILE_PAGES_HIGH"),
    ],
)
def test_a_file_is_judged_by_what_is_declared(changes: dict[str, Any], code: str | None) -> None:
    problem = declared_problem(make_file(1, 1, **changes), RULES)
    assert (problem.code if problem else None) == code


@pytest.mark.parametrize(
    ("field", "empty"), [("bill_no", ""), ("applicant", ""), ("amount", None), ("org_name", "")]
)
def test_a_field_that_a_site_demands_must_be_there(field: str, empty: object) -> None:
    rules = CompatibilityRules(required=frozenset({field}))
    lacking = replace(make_document(1), **{field: empty})  # type: ignore[arg-type]
    assert with_rules(lacking, CompatibilityRules()).problem is None
    problem = with_rules(lacking, rules).problem
    assert problem is not None
    assert (problem.code, problem.params) == ("META_MISSING_FIELD", {"field": field})
    value = Decimal(0) if field == "amount" else "x"
    there = replace(make_document(1), **{field: value})  # type: ignore[arg-type]
    assert with_rules(there, rules).problem is None


def test_what_is_wrong_already_stays_wrong_for_its_own_reason() -> None:
    wrong = make_document(1, bill_no="", problem=SyncError("META_NO_FILES"))
    found = with_rules(wrong, CompatibilityRules(required=frozenset({"bill_no"})))
    assert found.problem is not None
    assert found.problem.code == "META_NO_FILES"


@pytest.mark.parametrize("rules", [{"required": ["secret"]}, {"min_dpi": -1}, {"min_dpi": "x"}])
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"required|min_dpi"):
        CompatibilityRules.from_mapping(rules)
