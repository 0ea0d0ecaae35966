"""The outbound proxy of a data source: its address, its password, and when it is to blame."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote

from portal.errors import InvalidSetting
from portal.sync.sources.targets import host_name

_FORM = re.compile(r"(https?)://(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:]+):(\d{1,5})/?", re.S)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HOST_LENGTH = 253
#: A header by which proxies say that they, and not the server behind them, made an answer.
_MARKS = {"x-squid-error": re.compile("."), "proxy-status": re.compile(r";\s*error\s*=")}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http or https proxy; user and password, both empty when it asks for none, never show."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``http[s]://[user:password@]host:port``.

        A password may stand there as it is; what would be misread is percent-encoded.

        :raises ValueError: with nothing of what was given, since it may hold the password
        """
        form = _FORM.fullmatch(text.strip())
        if form is None or not 0 < int(form[4]) < 65536:
            raise InvalidSetting(
                "代理：须写成 http(s)://[用户:密码@]主机:端口",
                "proxy: must be http(s)://[user:password@]host:port",
            )
        user, _, password = (unquote(part) for part in (form[2] or "").partition(":"))
        if _UNPRINTABLE.search(user + password) or ":" in user:
            raise InvalidSetting(
                "代理：用户名或密码中有不能发送的字符",
                "proxy: a character in user or password that cannot be sent",
            )
        try:
            host = host_name(form[3].strip("[]"))
        except ValueError:
            host = ""
        if not 0 < len(host) <= _HOST_LENGTH:
            raise InvalidSetting("代理：没有有效的主机名", "proxy: no valid host")
        return cls(form[1], host, int(form[4]), user, password)

    @property
    def address(self) -> str:
        """What may be shown: scheme, host and port."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it, secret and percent-encoded."""
        if not self.user:
            return self.address
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{self.scheme}://{credentials}@{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What is sent to the proxy alone."""
        if not self.user:
            return {}
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {credentials}"}


def refusal(status: int, headers: Mapping[str, str]) -> str | None:
    """Why an answer to a forwarded request is the proxy's own; None when it is the source's.

    :param headers: names in any case
    """
    if status == 407:
        return "407, it asks for another user or password"
    marked = (
        mark.search(value)
        for name, value in headers.items()
        if (mark := _MARKS.get(name.lower())) is not None
    )
    return f"HTTP {status}" if status >= 400 and any(marked) else None
