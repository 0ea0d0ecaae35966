"""How one flagship system (旗舰版影像) is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from portal.errors import InvalidSetting
from portal.sync.sources.targets import Address

UserType = Literal["UserName", "Mobile"]
USER_TYPES: tuple[str, ...] = get_args(UserType)
#: Ours: how large a body the target takes is not published.
DEFAULT_MAX_FILE_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True)
class FlagshipConnection:
    """Address, credentials and limits; secrets never show in the representation.

    The base URL keeps its path and loses trailing slashes. ``ca_pem`` are the certificates to trust
    instead of the public ones. Timeouts are seconds; the read timeout is for every wait for bytes.

    :raises InvalidSetting: naming what makes no sense
    """

    base_url: str
    app_id: str
    app_secret: str = field(repr=False)
    account_id: str
    user: str
    user_type: str = "UserName"
    tenant_id: str = ""
    language: str = "zh_CN"
    ca_pem: str = field(default="", repr=False)
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    connect_timeout: float = 10.0
    read_timeout: float = 60.0

    host: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            base = Address.parse(self.base_url)
        except ValueError as error:
            raise InvalidSetting(
                "目标地址：须为 http:// 或 https:// 开头的网址", f"target address: {error}"
            ) from None
        if base.query:
            raise InvalidSetting("目标地址：不能带查询参数（?…）", "target address: has a query")
        if self.user_type not in USER_TYPES:
            words = ", ".join(USER_TYPES)
            raise InvalidSetting(f"用户类型须为 {words}", f"the user type is one of {words}")
        object.__setattr__(self, "base_url", base.url.rstrip("/"))
        object.__setattr__(self, "host", base.host)
