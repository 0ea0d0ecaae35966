"""From where something is done: the address of who asks over HTTP, or this host."""

from __future__ import annotations

from flask import has_request_context, request

from portal.ledger import this_host

_LONGEST = 80


def origin() -> str:
    """The address of the request that is being answered, or ``cli`` and the host's name."""
    if has_request_context():
        return (request.remote_addr or "")[:_LONGEST]
    return f"cli {this_host()}"
