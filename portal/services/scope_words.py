"""A batch's scope as plain values, as chores keep it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from portal.models import Overlap
from portal.services.batches import BatchScope


def words_of(scope: BatchScope) -> dict[str, Any]:
    """Plain values, equal for scopes of which the source is asked the same.

    The overlap policy is left out: the source has nothing to do with it.
    """
    return {
        "source_id": scope.source_id,
        "from": scope.date_from.isoformat(),
        "to": scope.date_to.isoformat(),
        "orgs": sorted(set(scope.org_codes)),
        "types": sorted(set(scope.bill_type_codes)),
    }


def scope_of(words: Mapping[str, Any], overlap: Overlap = Overlap.MISSING) -> BatchScope:
    """Back from :func:`words_of`."""
    return BatchScope(
        source_id=int(words["source_id"]),
        date_from=date.fromisoformat(words["from"]),
        date_to=date.fromisoformat(words["to"]),
        org_codes=tuple(words["orgs"]),
        bill_type_codes=tuple(words["types"]),
        overlap=overlap,
    )
