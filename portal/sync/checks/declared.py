"""What a listing alone tells of compatibility: fields a site demands, and files as declared.

A file is judged by its content when it comes; what is said of it here only predicts that.
"""

from __future__ import annotations

from dataclasses import replace

from portal.errors import SyncError
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.sniff import expected_kinds
from portal.sync.sources.rows import SourceDocument, SourceFile


def with_rules(document: SourceDocument, rules: CompatibilityRules) -> SourceDocument:
    """The document, with a problem if it lacks a field that the rules demand."""
    if document.problem is not None:
        return document
    for field in sorted(rules.required):
        if getattr(document, field) in (None, ""):
            return replace(document, problem=SyncError("META_MISSING_FIELD", field=field))
    return document


def declared_problem(file: SourceFile, rules: CompatibilityRules) -> SyncError | None:
    """What the rules will refuse, if the file is what the source says of it."""
    kinds = expected_kinds(file.suffix)
    if kinds and not kinds & rules.kinds_for(file.category):
        return SyncError("FILE_TYPE_NOT_ALLOWED", category=file.category, actual=file.suffix)
    if file.size is not None and file.size > rules.max_bytes:
        return SyncError("FILE_TOO_LARGE", actual=file.size, limit=rules.max_bytes)
    if file.page_count is not None and file.page_count > rules.max_pages:
        return SyncError("FILE_PAGES_HIGH", actual=file.page_count, limit=rules.max_pages)
    return None
