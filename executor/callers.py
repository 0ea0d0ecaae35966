"""Who may call: by token, and by network when the settings name some."""

from __future__ import annotations

import hmac
import logging
from ipaddress import IPv4Address, IPv6Address, ip_address

from werkzeug.wrappers import Request

from .protocol import texts
from .protocol.dialects import Dialect
from .settings import ExecutorSettings

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address


class Callers:
    """The checks a call must pass before anything of it is looked at."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        self._tokens = [token.encode() for token in settings.access_tokens]

    def is_allowed(self, request: Request) -> bool:
        """Whether the caller's network may call."""
        networks = self._settings.allowed_networks
        if not networks:
            return True
        caller = _caller(request, self._settings.trusted_proxies)
        allowed = caller is not None and any(caller in network for network in networks)
        if not allowed:
            logger.warning("a call from %s is refused: not an allowed network", caller)
        return allowed

    def refusal(self, request: Request, dialect: Dialect) -> str | None:
        """Why the credentials will not do, in the dialect's words; None when they do."""
        given = _header(request, texts.TOKEN_HEADER)
        known = self.knows(given)
        if dialect is not Dialect.TRIGGER:
            return None if known else texts.WRONG_TOKEN
        app_name = _header(request, texts.APP_NAME_HEADER)
        if not app_name or not (given or known):
            return texts.EMPTY_CREDENTIALS
        if not known or app_name != self._settings.app_name.encode():
            return texts.WRONG_CREDENTIALS
        return None

    def knows(self, given: bytes) -> bool:
        """Whether a call with this token (empty: none) is served."""
        # Compared with every token, in a time that tells nothing about them.
        matches = [hmac.compare_digest(given, token) for token in self._tokens]
        known = any(matches)
        return known or (self._settings.allow_no_token and (not self._tokens or not given))


def _header(request: Request, name: str) -> bytes:
    # A header's characters are its bytes; admins write them in UTF-8.
    return request.headers.get(name, "").encode("latin-1", "replace")


def _caller(request: Request, proxies: int) -> Address | None:
    """The address the outermost trusted proxy saw; without proxies the peer's own.

    An application that runs behind ProxyFix has rewritten the peer; its first word counts.
    """
    original = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    if proxies:
        # Each proxy appends who called it: the one we are to believe is so many from the right.
        text = hops[-proxies] if len(hops) >= proxies else ""
    else:
        text = original.get("REMOTE_ADDR") or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
