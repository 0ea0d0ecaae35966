"""Which hosts files may be fetched from: those of the settings, as far as the rule goes."""

from __future__ import annotations

from portal.errors import SyncError
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.sources.connection import Connection
from portal.sync.sources.targets import Address


class Gate:
    """Judges addresses for one source; remembers the hosts it let through, which are few."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._judged: set[str] = set()

    def check(self, address: Address) -> None:
        """See that files may be fetched from there.

        :raises SyncError: ``SRC_HOST_NOT_ALLOWED`` or ``ADDRESS_FORBIDDEN``
        """
        if not self._connection.allows(address):
            raise SyncError("SRC_HOST_NOT_ALLOWED", host=address.host)
        if address.host in self._judged:
            return
        try:
            rule.check_host(address.host)
        except AddressForbidden as error:
            raise SyncError("ADDRESS_FORBIDDEN", host=error.host, address=error.address) from None
        self._judged.add(address.host)
