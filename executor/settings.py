"""What an executor must be told; nonsense is refused before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from .protocol.dialects import AdminProtocol
from .protocol.texts import LogMarkup

Network = IPv4Network | IPv6Network

_ADDRESS_LIMIT: Final = 255  # column registry_value of every admin


@dataclass(frozen=True)
class ExecutorSettings:
    """The settings of one executor.

    :raises ValueError: if a value makes no sense; the text names it and what is allowed
    """

    app_name: str
    """The executor group's AppName in the admin, 4 to 64 characters."""
    address: str
    """Exactly the address registered, such as ``http://10.0.0.5:8000/xxl-job/``."""
    access_tokens: tuple[str, ...] = ()
    """Tokens accepted from admins; the first is the one sent to them."""
    admin_addresses: tuple[str, ...] = ()
    """Base addresses of admins that share one database; none: nothing registers or reports."""
    allow_no_token: bool = False
    """Whether calls without a token are served (admins up to 2.3.0 have none by default)."""
    handler_modules: tuple[str, ...] = ()
    """Modules imported at start, for the handlers they register."""
    timezone: tzinfo | None = None
    """Zone of the times in job logs; None is the machine's own."""
    queue_limit: int = 100
    """Runs of one job that may wait; the next trigger is refused."""
    stop_grace_seconds: float = 10.0
    """How long a handler may go on after its run was stopped, before its process is ended."""
    drain_seconds: float = 30.0
    """How long the executor answers on after it was taken back: admins call it for as long."""
    log_markup: LogMarkup = LogMarkup.LOOKALIKE
    """What becomes of ``<`` in job logs."""
    admin_protocol: AdminProtocol = AdminProtocol.AUTO
    """What the admins take; it is found out unless they are known."""
    log_retention: timedelta | None = None
    """How long ended runs and their logs are kept; None: for ever."""
    allowed_networks: tuple[Network, ...] = ()
    """Networks admins call from; none given: all."""
    trusted_proxies: int = 0
    """How many proxies in front append the caller's address to X-Forwarded-For."""

    def __post_init__(self) -> None:
        if not 4 <= len(self.app_name) <= 64:  # the admin's own rule for AppName
            raise ValueError("app_name must have 4 to 64 characters")
        if not self.access_tokens and not self.allow_no_token:
            raise ValueError("access_tokens is empty: give a token, or set allow_no_token")
        if not all(self.access_tokens):
            raise ValueError("access_tokens must not contain an empty token")
        if self.queue_limit < 1:
            raise ValueError("queue_limit must be at least 1")
        if self.admin_addresses or self.address:
            _check_address("address", self.address)
        for admin in self.admin_addresses:
            _check_address("admin_addresses", admin)

    @property
    def outgoing_token(self) -> str:
        """The token sent to admins, empty when there is none."""
        return self.access_tokens[0] if self.access_tokens else ""


def _check_address(name: str, address: str) -> None:
    if not address.startswith(("http://", "https://")) or len(address) > _ADDRESS_LIMIT:
        raise ValueError(
            f"{name} must start with http:// or https:// and have at most "
            f"{_ADDRESS_LIMIT} characters, not {address!r}"
        )
