"""Telling the admins every 30 s that this executor is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError

from .admins import AdminClient, AdminError
from .ledger import Ledger
from .models import ExecutorRegistration
from .settings import ExecutorSettings

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=30)
"""Java's own interval; an admin forgets an executor after 90 s."""


class Registrar:
    """Keeps this process's executor registered; what each admin answered goes to the ledger.

    Every process that runs one registers the same address, which an admin takes as one.
    """

    def __init__(
        self, settings: ExecutorSettings, ledger: Ledger, clients: Sequence[AdminClient]
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clients = clients
        self._last_at: datetime | None = None

    def register_due(self, now: datetime) -> None:
        """Register with all admins if 30 s have passed, and at the first call."""
        if not self._clients:
            return
        # A clock that was put back must not make the admins forget us.
        if self._last_at is not None and self._last_at <= now < self._last_at + EVERY:
            return
        self._last_at = now
        for client in self._clients:
            problem = None
            try:
                client.registry(self._settings.app_name, self._settings.address)
            except AdminError as error:
                problem = str(error)
            self._record(client.address, problem, now)

    def remove(self) -> None:
        """Take the registration back; an admin that does not answer forgets it by itself."""
        for client in self._clients:
            try:
                client.registry_remove(self._settings.app_name, self._settings.address)
            except AdminError as error:
                logger.warning("registration not removed: %s", error)

    def _record(self, admin: str, problem: str | None, now: datetime) -> None:
        try:
            self._record_once(admin, problem, now)
        except IntegrityError:
            # Another agent made the row in this very moment: now it is there to be changed.
            self._record_once(admin, problem, now)

    def _record_once(self, admin: str, problem: str | None, now: datetime) -> None:
        with self._ledger.begin() as session:
            row = session.get(ExecutorRegistration, admin)
            if row is None:
                row = ExecutorRegistration(admin_address=admin, problem=None, succeeded_at=None)
                session.add(row)
            if problem is None and (row.succeeded_at is None or row.problem is not None):
                logger.info("registered at %s", admin)
            elif problem is not None and problem != row.problem:
                logger.warning("not registered: %s", problem)
            row.executor_address = self._settings.address
            row.attempted_at = now
            row.problem = problem
            if problem is None:
                row.succeeded_at = now
