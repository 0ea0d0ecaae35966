"""A process whose key was replaced ends, and says why."""

from __future__ import annotations

import logging

import pytest

from portal.cli.key_watch import EVERY_SECONDS, KeyWatch
from portal.key_derivation import fingerprint
from portal.services import key_rotation, same_keys
from portal.services.same_keys import Keys
from tests.portal.ledger_scene import BY, Scene

OLD, NEW = "first key " * 4, "second key " * 4


def test_it_ends_once_the_key_is_another(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[bool] = []
    seconds = [0.0]
    watch = KeyWatch(
        scene.ledger,
        fingerprint(OLD),
        end=lambda: ended.append(True),
        clock=lambda: seconds[0],
    )
    seconds[0] += EVERY_SECONDS
    watch.look()  # nobody's yet
    same_keys.check(scene.ledger, Keys.of(fingerprint(OLD), None), now=scene.now)
    seconds[0] += EVERY_SECONDS
    watch.look()
    with scene.ledger.write() as session:
        key_rotation.rotate(session, OLD, NEW, by=BY, now=scene.now)
    watch.look()
    assert ended == []  # it is not time yet
    seconds[0] += EVERY_SECONDS
    with caplog.at_level(logging.ERROR):
        watch.look()
    assert ended == [True]
    assert "SECRET_KEY_CHANGED" in caplog.text
