"""All parsers of the product, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import (
    files,
    http_answers,
    job_calls,
    kept,
    lists,
    manifests,
    old_settings,
    program_settings,
    source_rows,
    source_settings,
)
from tests.fuzz.parser import Parser

_FAMILIES = (
    source_rows, http_answers, source_settings, old_settings, job_calls, lists, program_settings,
    kept, files, manifests,
)  # fmt: skip
PARSERS: Mapping[str, Parser] = {
    parser.name: parser for family in _FAMILIES for parser in family.PARSERS
}
