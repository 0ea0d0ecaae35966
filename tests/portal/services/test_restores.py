"""A trail that lost its tail in a restore is told apart from one that somebody cut."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portal.ledger import Ledger
from portal.seal_key import SealKey
from portal.services import audit
from portal.services.audit_verification import verify_trail
from portal.services.restores import ACTION, signed_detail
from portal.services.seal_form import Anchor, anchors_in
from portal.services.sealing import newest_anchor
from tests.portal.trail_scene import KEY, NOW, Trail

LATER = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OTHER_KEY = SealKey("another secret key, which an attacker might think up")


@pytest.fixture
def trail(ledger: Ledger) -> Trail:
    trail = Trail(ledger)
    trail.write(5)
    trail.seal()
    return trail


def restored(trail: Trail, key: SealKey = KEY, **changed: Any) -> None:
    """What a restore writes."""
    with trail.ledger.write() as session:
        detail = signed_detail(session, key, backup="b1", as_of=NOW) | changed
        audit.record(session, ACTION, by="cli:zhang", at=LATER, new="b1", detail=detail)


def faults(trail: Trail, *anchors: Anchor) -> list[str]:
    return [fault.code for fault in verify_trail(trail.ledger, KEY, anchors=anchors).faults]


def newest(trail: Trail) -> Anchor:
    with trail.ledger.read() as session:
        anchor = newest_anchor(session)
    assert anchor is not None
    return anchor


(LOST,) = anchors_in("2-0123456789abcdef0123")


def test_an_anchor_of_the_lost_tail_is_told_as_such_before_and_after_the_trail_has_grown(
    trail: Trail,
) -> None:
    kept = newest(trail)
    assert faults(trail, kept, LOST) == ["AUDIT_TAIL_CUT"]
    restored(trail)
    assert faults(trail, kept, LOST) == ["AUDIT_TAIL_RESTORED"]
    trail.write(3)
    trail.seal()
    assert newest(trail).no == LOST.no
    assert faults(trail, kept, LOST) == ["AUDIT_TAIL_RESTORED"]
    assert faults(trail, kept, newest(trail)) == []
    (fault,) = verify_trail(trail.ledger, KEY, anchors=[LOST]).faults
    assert fault.params["seal"] == kept.no
    assert (fault.params["by"], fault.params["backup"]) == ("cli:zhang", "b1")


def test_what_the_backup_had_brought_is_not_excused_by_a_restore(trail: Trail) -> None:
    restored(trail)
    (forged,) = anchors_in("1-0123456789abcdef0123")
    assert faults(trail, forged) == ["AUDIT_ANCHOR_MISMATCH"]


@pytest.mark.parametrize("changed", [{"seal": 0}, {"backup": "b2"}, {"mac": "0" * 64}])
def test_a_restore_that_was_not_signed_explains_nothing(
    trail: Trail, changed: dict[str, Any]
) -> None:
    restored(trail, **changed)
    assert faults(trail, LOST) == ["AUDIT_TAIL_CUT"]


def test_a_restore_signed_with_another_key_explains_nothing(trail: Trail) -> None:
    restored(trail, OTHER_KEY)
    assert faults(trail, LOST) == ["AUDIT_TAIL_CUT"]
