"""How one data source is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address, allowed_host


@dataclass(frozen=True)
class Connection:
    """Address, credentials and interface of one data source.

    The base URL keeps its path and loses a trailing slash. ``download_hosts`` may be downloaded
    from besides the base host, each ``host`` or ``host:port``. Timeouts are seconds; the read
    timeout is for every wait for bytes. The secret never shows in the representation.

    :raises ValueError: naming what makes no sense
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    profile: ConnectorProfile = field(default_factory=ConnectorProfile)
    download_hosts: tuple[str, ...] = ()
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    base: Address = field(init=False, repr=False, compare=False)
    _allowed: frozenset[tuple[str, int | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            base = Address.parse(self.base_url)
        except ValueError as error:
            raise ValueError(f"base URL: {error}") from None
        if base.query:
            raise ValueError("base URL: must have no query")
        allowed = frozenset(allowed_host(entry.strip()) for entry in self.download_hosts)
        object.__setattr__(self, "base_url", base.url.rstrip("/"))
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "_allowed", allowed)

    def url(self, path: str) -> str:
        """The URL of a path below the base."""
        return self.base_url + path

    def allows(self, address: Address) -> bool:
        """Whether files may be fetched from there."""
        hosts = {(address.host, None), (address.host, address.port)}
        return address.host == self.base.host or not hosts.isdisjoint(self._allowed)
