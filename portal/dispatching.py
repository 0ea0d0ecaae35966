"""Requests that are begun anew when the database undid what they wrote."""

from __future__ import annotations

import copy

from flask import Flask, request, session
from flask.typing import ResponseReturnValue

from portal.runtime import current_portal


class PortalFlask(Flask):
    """A view is called again when its transaction was in another's way, or lost its connection.

    Only if it committed nothing before: so it is as if it had been called once.
    """

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view of the request, see :meth:`portal.ledger.Ledger.again`."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return current_portal().ledger.again(super().dispatch_request)
        kept = copy.deepcopy(dict(session))
        is_again = False

        def call() -> ResponseReturnValue:
            nonlocal is_again
            if is_again:
                _as_it_came(kept)
            is_again = True
            return super(PortalFlask, self).dispatch_request()

        return current_portal().ledger.again(call)


def _as_it_came(kept: dict[str, object]) -> None:
    """Nothing is flashed yet, and no file that was sent is read yet."""
    session.clear()
    session.update(copy.deepcopy(kept))
    for file in request.files.values():
        file.stream.seek(0)
