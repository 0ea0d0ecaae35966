"""The catalogue of errors: complete in both languages, and its texts fit what the code gives."""

from __future__ import annotations

import ast
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from portal import errors
from portal.errors import PROBLEMS, Problem, SyncError, action, markdown_table, reason

ROOT = Path(errors.__file__).parents[1]
EVERY_PROBLEM = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())


def _braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _places_that_raise() -> Iterator[tuple[str, str, set[str]]]:
    """Where the code makes a SyncError with a literal code: place, code, parameters."""
    for file in sorted((ROOT / "portal").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name("SyncError"), args=[ast.Constant(str(code))], keywords=keywords
                ):
                    given = {keyword.arg or "**" for keyword in keywords} - {"retry_after"}
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", code, given


def test_no_code_is_used_twice() -> None:
    twice = [code for code, n in Counter(p.code for p in errors._CATALOGUE).items() if n > 1]
    assert twice == []


@EVERY_PROBLEM
def test_problem_is_worded_in_both_languages(problem: Problem) -> None:
    for text in (problem.zh, problem.en, problem.action_zh, problem.action_en):
        assert text.strip()
    assert not problem.zh.isascii()
    assert not problem.action_zh.isascii()
    assert not any("一" <= char <= "鿿" for char in problem.en + problem.action_en)


@EVERY_PROBLEM
def test_both_languages_tell_the_same_parameters(problem: Problem) -> None:
    assert _braces(problem.zh) == _braces(problem.en)
    assert _braces(problem.action_zh) | _braces(problem.action_en) <= _braces(problem.zh)
    for name in _braces(problem.zh):
        assert name.isidentifier()


@EVERY_PROBLEM
def test_texts_are_filled_with_their_parameters(problem: Problem) -> None:
    params = {name: f"<{name}>" for name in _braces(problem.zh)}
    for language in ("zh", "en"):
        text = reason(problem.code, params, language)
        assert all(value in text for value in params.values())
        assert "{" not in text + action(problem.code, params, language)


def test_code_raises_known_problems_with_their_parameters() -> None:
    found = list(_places_that_raise())
    wrong = [
        (place, code, given)
        for place, code, given in found
        if code not in PROBLEMS or ("**" not in given and given != _braces(PROBLEMS[code].zh))
    ]
    assert len(found) > 50
    assert wrong == []


def test_parameter_that_an_old_row_lacks_leaves_a_gap() -> None:
    assert reason("FILE_TOO_LARGE", {"actual": 7}, "en") == "the file has 7 bytes, the limit is ?"
    assert reason("FILE_TOO_LARGE", None, "zh") == "文件 ? 字节，超过上限 ? 字节"


def test_code_of_a_newer_version_is_shown_as_it_is() -> None:
    assert reason("FROM_THE_FUTURE", {}, "zh") == "FROM_THE_FUTURE"
    assert action("FROM_THE_FUTURE", {}, "zh") == ""


def test_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        SyncError("NO_SUCH_CODE")


def test_error_crosses_processes_whole() -> None:
    error = SyncError("SRC_SERVER_ERROR", retry_after=2.5, status=503)
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.params, again.retry_after) == (
        "SRC_SERVER_ERROR",
        {"status": 503},
        2.5,
    )
    assert str(again) == str(error) == "SRC_SERVER_ERROR: the source failed (HTTP 503)"
    assert not again.permanent


@EVERY_PROBLEM
def test_table_has_one_row_for_each_problem(problem: Problem) -> None:
    rows = [row for row in markdown_table().splitlines() if f"| `{problem.code}` |" in row]
    assert len(rows) == 1
    assert rows[0].count("|") == 5


def test_page_of_codes_is_current() -> None:
    page = (ROOT / "docs" / "zh" / "错误码.md").read_text("utf-8")
    assert page == markdown_table(), "run: python -m portal.errors > docs/zh/错误码.md"
