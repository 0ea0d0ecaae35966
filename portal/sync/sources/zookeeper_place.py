"""Where in which ZooKeeper: the addresses of an ensemble and a path, as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from portal.errors import InvalidSetting
from portal.sync.sources.old_settings import USUAL_PATH

USUAL_PORT = 2181
LONGEST = 500
_MOST_SERVERS = 20
_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:@/]+)(?::(?P<port>[0-9]{1,5}))?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufff0-\uffff]")


@dataclass(frozen=True, slots=True)
class ZooKeeperPlace:
    """A node of an ensemble; ``login`` is ``user:password`` for digest ACLs, empty for none."""

    servers: Sequence[tuple[str, int]]
    path: str
    login: str = field(default="", repr=False)

    def __str__(self) -> str:
        return ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.servers
        )

    @classmethod
    def parse(cls, address: str, path: str = "", login: str = "") -> ZooKeeperPlace:
        """Read ``h1:2181,h2:2181/chroot`` and a path below the chroot, by default the usual one.

        :raises InvalidSetting: saying what cannot be meant
        """
        address, path = address.strip(), path.strip() or USUAL_PATH
        if "://" in address or "@" in address:
            raise InvalidSetting(
                "地址写作 主机:端口，多台用逗号分隔，如 zk1:2181,zk2:2181；不是 zkui 的网址",
                "the address is host:port, several parted by commas, such as zk1:2181,zk2:2181;"
                " it is not that of zkui",
            )
        if len(address) > LONGEST or len(path) > LONGEST:
            raise InvalidSetting(f"最多 {LONGEST} 个字符", f"{LONGEST} characters at most")
        named, _slash, chroot = address.replace("，", ",").partition("/")
        servers = [_server(one.strip()) for one in named.split(",") if one.strip()]
        if not 1 <= len(servers) <= _MOST_SERVERS:
            raise InvalidSetting(
                f"请给出 1 到 {_MOST_SERVERS} 个地址，如 zk1:2181",
                f"name 1 to {_MOST_SERVERS} addresses, such as zk1:2181",
            )
        if login and not all(login.partition(":")[::2]):
            raise InvalidSetting("登录写作 用户名:密码", "the login is user:password")
        return cls(tuple(servers), _path(f"{chroot}/{path}"), login)


def _server(text: str) -> tuple[str, int]:
    match = _SERVER.fullmatch(text)
    port = int(match["port"] or USUAL_PORT) if match else 0
    if match is None or _UNPRINTABLE.search(text) or not 0 < port < 65536:
        raise InvalidSetting(
            f"地址“{text}”不是 主机:端口", f"the address “{text}” is not host:port"
        )
    return match["host"].strip("[]"), port


def _path(text: str) -> str:
    parts = [part.strip() for part in text.split("/") if part.strip()]
    if _UNPRINTABLE.search(text) or any(part in (".", "..") for part in parts):
        raise InvalidSetting("路径中有不允许的字符", "the path has characters it cannot have")
    return "/" + "/".join(parts)
