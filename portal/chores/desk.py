"""What a chore's performer is given: the portal, its parameters, and a way to say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from portal.runtime import Portal
from portal.services import chores
from portal.services.chores import Held

_SAY_EVERY_SECONDS = 1.0


class Stopping(Exception):
    """The clerk is to stop; another one does the chore anew."""


class Later(Exception):
    """The chore waits for something else to happen; it is looked at again after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(seconds)


class Desk:
    """One chore being performed.

    :ivar portal: the parts of this process
    :ivar host: the worker host this is
    :ivar clerk: the clerk's name
    """

    def __init__(
        self,
        portal: Portal,
        held: Held,
        *,
        host: str,
        clerk: str,
        stopping: Callable[[], bool],
    ) -> None:
        self.portal = portal
        self.host = host
        self.clerk = clerk
        self._held = held
        self._stopping = stopping
        self._said_at = 0.0

    @property
    def chore_id(self) -> int:
        """Its row's id."""
        return self._held.chore_id

    @property
    def attempt(self) -> int:
        """How often it has been begun; names made of id and attempt are nobody else's."""
        return self._held.attempt

    @property
    def params(self) -> Mapping[str, Any]:
        """What was asked for."""
        return self._held.params

    @property
    def asked_by(self) -> str:
        """Who asked."""
        return self._held.asked_by

    def progress(
        self, done: int, total: int | None = None, so_far: Mapping[str, Any] | None = None
    ) -> None:
        """Say how far it is, as often as one likes; written once a second.

        Call it between any two pieces of work: it is also how a chore is stopped.

        :param so_far: the part of the result there is; it stays when the rest fails
        :raises Stopping: when the clerk is to stop
        :raises ChoreLost: when a person cancelled it, or another clerk has it
        """
        if self._stopping():
            raise Stopping
        if time.monotonic() - self._said_at < _SAY_EVERY_SECONDS:
            return
        self._said_at = time.monotonic()
        self.portal.ledger.transact(
            lambda session: chores.note_progress(
                session, self._held, done=done, total=total, so_far=so_far
            )
        )

    def expect_held(self, session: Session) -> None:
        """See, in the transaction that writes what came of it, that the chore is still this
        clerk's: one that was frozen writes nothing once another has done it.

        :raises ChoreLost: when it is not
        """
        chores.expect_held(session, self._held)


Perform = Callable[[Desk], Mapping[str, Any] | None]
