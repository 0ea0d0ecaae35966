"""Telling the admins every 30 s that this executor is there."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .addresses import shown_address
from .admins import AdminClient, AdminError
from .ledger import Ledger
from .models import ExecutorAgent, ExecutorRegistration
from .settings import ExecutorSettings

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=30)
"""Java's own interval; an admin forgets an executor after 90 s."""
AGAIN: Final = timedelta(seconds=10)
"""After a failure: the admin may be back long before the next turn."""
FORGOTTEN: Final = timedelta(seconds=90)
"""After so long without a sign another agent counts as dead."""
GONE: Final = timedelta(days=1)
"""What an address that nobody registers any more was told is forgotten after this."""
TAKEN_BACK: Final = "taken back: the executor was stopped"


class Registrar:
    """Keeps the executor registered; what each admin answered goes to the ledger.

    Every host registers an address of its own. Processes that register the same one (behind a
    load balancer) an admin takes as one; so only the last of them takes it back.
    """

    def __init__(
        self, settings: ExecutorSettings, ledger: Ledger, clients: Sequence[AdminClient]
    ) -> None:
        self._settings = settings
        self._address = shown_address(settings.address)
        self._ledger = ledger
        self._clients = clients
        self._next_at: dict[str, datetime] = {}
        self._name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._has_left = False

    def register_due(self, client: AdminClient, now: datetime) -> None:
        """Register with the admin if its time has come, and at the first call."""
        next_at = self._next_at.get(client.address)
        # One further ahead than that is of a clock that was put back since.
        if self._has_left or (next_at is not None and now < next_at <= now + EVERY):
            return
        problem = None
        try:
            client.registry(self._settings.app_name, self._settings.address)
        except AdminError as error:
            problem = str(error)
        self._next_at[client.address] = now + (EVERY if problem is None else AGAIN)
        self._record(client.address, problem, now)

    def leave(self, now: datetime) -> bool:
        """Register no more; returns whether the registration was taken back.

        It stays while another agent is alive. All admins are told at once; one that does not
        answer forgets the executor by itself.
        """
        self._has_left = True
        if not self._clients:
            return False
        if self._ledger.transact(lambda session: self._is_survived(session, now)):
            logger.info("another agent keeps the executor registered")
            return False
        with ThreadPoolExecutor(len(self._clients)) as threads:
            for client in self._clients:
                threads.submit(self._remove, client, now)
        return True

    def _is_survived(self, session: Session, now: datetime) -> bool:
        """Whether another agent lives when this one has signed off."""
        session.execute(delete(ExecutorAgent).where(ExecutorAgent.name == self._name))
        others = exists().where(
            ExecutorAgent.address == self._address,
            ExecutorAgent.seen_at > now - FORGOTTEN,
        )
        return bool(session.scalar(select(others)))

    def _remove(self, client: AdminClient, now: datetime) -> None:
        try:
            client.registry_remove(self._settings.app_name, self._settings.address)
        except AdminError as error:
            logger.warning("registration not removed: %s", error)
        else:
            self._record(client.address, TAKEN_BACK, now, is_sign_of_life=False)

    def _record(
        self, admin: str, problem: str | None, now: datetime, *, is_sign_of_life: bool = True
    ) -> None:
        def record(session: Session) -> None:
            self._write(session, admin, problem, now)
            if is_sign_of_life and not self._has_left:
                self._show_life(session, now)

        for last_try in (False, True):
            try:
                self._ledger.transact(record)
            except IntegrityError:
                # Another agent made the row in this very moment: now it is there to be changed.
                if last_try:
                    raise
            else:
                return

    def _write(self, session: Session, admin: str, problem: str | None, now: datetime) -> None:
        address = self._address
        row = session.get(ExecutorRegistration, (admin, address), with_for_update=True)
        if row is None:
            row = ExecutorRegistration(
                admin_address=admin, executor_address=address, problem=None, succeeded_at=None
            )
            session.add(row)
        if problem is None and (row.succeeded_at is None or row.problem is not None):
            logger.info("registered at %s", admin)
        elif problem is not None and problem != row.problem:
            logger.warning("not registered: %s", problem)
        row.attempted_at = now
        row.problem = problem
        if problem is None:
            row.succeeded_at = now

    def _show_life(self, session: Session, now: datetime) -> None:
        session.merge(ExecutorAgent(name=self._name, address=self._address, seen_at=now))
        session.execute(delete(ExecutorAgent).where(ExecutorAgent.seen_at <= now - FORGOTTEN))
        # Of a host that is gone for good, or that has another address now.
        gone = ExecutorRegistration.attempted_at <= now - GONE
        session.execute(delete(ExecutorRegistration).where(gone))
