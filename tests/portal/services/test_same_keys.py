"""A host whose keys are not those of the ledger is told so."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.errors import SyncError
from portal.key_derivation import fingerprint
from portal.models import AuditEvent
from portal.services import same_keys
from portal.services.same_keys import Keys
from tests.portal.ledger_scene import BY, Scene

FIRST, SECOND = "the first host's key " * 2, "the second host's key " * 2
OURS = Keys.of(fingerprint(FIRST), "token-1")


def check(scene: Scene, keys: Keys) -> None:
    same_keys.check(scene.ledger, keys, now=scene.now)


def test_the_first_hosts_keys_are_the_ledgers(scene: Scene) -> None:
    for _ in range(2):
        check(scene, OURS)
        check(scene, Keys.of(fingerprint(FIRST), None))  # where the token is a setting
    with pytest.raises(SyncError, match="SECRET_KEY_DIFFERS") as refused:
        check(scene, Keys.of(fingerprint(SECOND), "token-1"))
    assert refused.value.params["here"] != refused.value.params["ledger"] == OURS.key
    with pytest.raises(SyncError, match="EXECUTOR_TOKEN_DIFFERS"):
        check(scene, Keys.of(fingerprint(FIRST), "token-2"))


def test_the_first_token_that_a_host_made_is_the_ledgers_too(scene: Scene) -> None:
    check(scene, Keys.of(fingerprint(FIRST), None))
    with pytest.raises(SyncError, match="SECRET_KEY_DIFFERS"):
        check(scene, Keys.of(fingerprint(SECOND), "token-2"))
    check(scene, OURS)
    with pytest.raises(SyncError, match="EXECUTOR_TOKEN_DIFFERS"):
        check(scene, Keys.of(fingerprint(FIRST), "token-2"))


def test_keys_that_were_changed_on_purpose_are_accepted_once_and_recorded(scene: Scene) -> None:
    check(scene, OURS)
    changed = Keys.of(fingerprint(SECOND), None)
    with scene.ledger.write() as session:
        assert same_keys.accept(session, changed, by=BY, now=scene.now)
        assert not same_keys.accept(session, changed, by=BY, now=scene.now)
    check(scene, Keys.of(fingerprint(SECOND), "token-1"))
    with pytest.raises(SyncError, match="SECRET_KEY_DIFFERS"):
        check(scene, OURS)
    with scene.ledger.read() as session:
        query = select(AuditEvent).where(AuditEvent.action == "key.accept")
        (event,) = session.scalars(query)
        assert (event.old, event.new, event.actor) == (OURS.key, changed.key, BY)


def test_a_fingerprint_gives_nothing_of_the_key_away() -> None:
    assert FIRST not in repr(OURS)
    assert "token-1" not in repr(OURS)
    assert OURS.key != OURS.token != Keys.of(fingerprint(FIRST), FIRST).token
