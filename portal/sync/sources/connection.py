"""How one data source is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.errors import InvalidSetting
from portal.sync.proxy import Proxy
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address, allowed_host

#: What :meth:`Address.parse` says, in Chinese.
_ADDRESS_ZH = {
    "control character or backslash in the address": "含有控制字符或反斜杠",
    "not an address": "不是网址",
    "only http and https addresses are fetched": "须以 http:// 或 https:// 开头",
    "user name in the address": "不能带用户名",
    "no valid host in the address": "没有有效的主机名",
}


@dataclass(frozen=True)
class Connection:
    """Address, credentials and interface of one data source.

    The base URL keeps its path and loses trailing slashes. ``download_hosts`` may be downloaded
    from besides the base host, each ``host`` or ``host:port``. Only ``proxy`` is used, whatever
    the environment says. ``ca_pem`` are the certificates to trust instead of the public ones.
    Timeouts are seconds; the read timeout is for every wait for bytes. The secret never shows in
    the representation.

    The token call has less time: a download may wait for it, and must not wait so long that the
    lease of its document (30 s, renewed every 8 s) runs out.

    :raises ValueError: naming what makes no sense
    """

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    profile: ConnectorProfile = field(default_factory=ConnectorProfile)
    download_hosts: tuple[str, ...] = ()
    proxy: Proxy | None = None
    ca_pem: str = field(default="", repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    token_connect_timeout: float = 5.0
    token_read_timeout: float = 10.0

    base: Address = field(init=False, repr=False, compare=False)
    _allowed: frozenset[tuple[str, int | None]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            base = Address.parse(self.base_url)
        except ValueError as error:
            raise _invalid("源系统地址", "base URL", error) from None
        if base.query:
            raise InvalidSetting("源系统地址：不能带查询参数（?…）", "base URL: must have no query")
        for name, path in vars(self.profile.paths).items():
            try:
                Address.parse(base.url.rstrip("/") + path)
            except ValueError as error:
                raise _invalid(f"paths.{name}", f"profile paths.{name}", error) from None
        allowed = frozenset(allowed_host(entry.strip()) for entry in self.download_hosts)
        object.__setattr__(self, "base_url", base.url.rstrip("/"))
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "_allowed", allowed)

    def address(self, path: str) -> Address:
        """A path of the profile below the base, of which a query may be a part."""
        base = self.base
        path, _, query = path.partition("#")[0].partition("?")
        return Address(base.scheme, base.host, base.port, base.path.rstrip("/") + path, query)

    def url(self, path: str) -> str:
        """Its URL, percent-encoded where it must be."""
        return self.address(path).url

    def allows(self, address: Address) -> bool:
        """Whether files may be fetched from there."""
        if address.host == self.base.host:
            return True
        return not self._allowed.isdisjoint({(address.host, None), (address.host, address.port)})


def _invalid(zh: str, en: str, error: ValueError) -> InvalidSetting:
    return InvalidSetting(f"{zh}：{_ADDRESS_ZH.get(str(error), str(error))}", f"{en}: {error}")
