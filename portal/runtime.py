"""What a running portal is made of; views, jobs and commands reach it through the application."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from executor import Executor
from portal.ledger import Ledger
from portal.models import utc_now
from portal.seal_key import SealKey
from portal.secret_box import SecretBox
from portal.services.readiness.watching import Readiness
from portal.services.same_keys import Keys
from portal.settings import Settings
from portal.sync.archive.base import Archive
from portal.tasks.offering import offer
from portal.tasks.queue import WorkQueue


@dataclass(frozen=True)
class Portal:
    """The parts of one process."""

    settings: Settings
    ledger: Ledger
    archive: Archive
    box: SecretBox
    seal_key: SealKey
    queue: WorkQueue
    executor: Executor
    readiness: Readiness

    def keys(self) -> Keys:
        """By what the other hosts' keys are compared with this one's."""
        made = self.settings.access_tokens()[0] if self.settings.makes_token else None
        return Keys.of(self.box.fingerprint, made)

    def offer(self) -> None:
        """Tell the queue what is due now."""
        offer(self.ledger, self.queue, now=utc_now(), zone=self.settings.timezone)


def current_portal() -> Portal:
    """The portal of the current application context."""
    portal: Portal = current_app.extensions["portal"]
    return portal
