"""What every kind of source offers, documented once; ``tests/…/test_contract.py`` tries it on all.

Every method may raise :class:`portal.errors.SyncError` with a ``SRC_`` code; no other exception
comes from the network. Instances are used by one process; nothing is opened before the first call,
so that one may be built before a fork.
"""

from __future__ import annotations

from typing import Protocol

from portal.sync.sources.rows import Count, Named, Page, Scope
from portal.sync.sources.targets import Target


class Source(Protocol):
    """A system that documents are read from."""

    def count(self, scope: Scope) -> Count:
        """The source's own count of a scope, to be compared with what its listing gives."""

    def page(self, scope: Scope, page_no: int) -> Page:
        """Page ``page_no`` (from 1) of the documents in a scope, in the source's stable order.

        A page beyond the last has no documents. Pages that were read from different versions of
        the listing say so by their ``version``. A row that breaks the contract comes as a document
        with a ``problem``, never as an error.
        """

    def organisations(self) -> tuple[Named, ...] | None:
        """The organisations the source lists; none when it has no such call."""

    def bill_types(self) -> tuple[Named, ...] | None:
        """As for organisations, the document types."""

    def check(self) -> None:
        """Ask for a new token and a small count.

        :raises SyncError: what keeps the source from being worked at all
        """

    def token(self) -> str:
        """The token in use; fetched when there is none yet. Empty where none is needed.

        :raises SyncError: ``SRC_CREDENTIALS`` when the source refuses the credentials
        """

    def renew_token(self, stale: str) -> str:
        """A token other than ``stale``, which got a 401.

        Idempotent: however many downloads report the same stale token, one new one is fetched.
        """

    def download_target(self, file_id: str, download_url: str | None) -> Target:
        """Where a file is fetched from, and what to send along.

        :raises SyncError: ``SRC_HOST_NOT_ALLOWED``, or ``META_BAD_VALUE`` for no usable address
        """

    def redirect_target(self, target: Target, location: str) -> Target:
        """Where a redirect that ``target`` got leads to, under the same rules.

        :raises SyncError: ``SRC_HOST_NOT_ALLOWED``, ``SRC_REDIRECT_LOOP`` after too many of them,
            or ``SRC_BAD_ANSWER`` for an address that is not to be followed
        """

    def close(self) -> None:
        """Let go of the connections; the source may be used again afterwards."""
