"""What the long-running commands share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import click

from portal.errors import PortalError
from portal.processes import die_with_parent


class AddressInUse(PortalError):
    """Something else listens there."""


def parent_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--parent PID``: end when that process ends; set by our own supervisor."""

    def act(_context: click.Context, _parameter: click.Parameter, value: int | None) -> None:
        if value is not None:
            die_with_parent(value)

    return click.option(
        "--parent", type=int, hidden=True, expose_value=False, callback=act, is_eager=True
    )(command)


def require_free(host: str, port: int, setting: str) -> None:
    """Say plainly that a port is taken, before a server fails on it in its own words.

    :raises AddressInUse: then
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressInUse(
                f"端口 {host}:{port} 无法使用 cannot be used ({error.strerror})；"
                f"停掉占用它的程序，或改用 stop what uses it or set {setting}"
            ) from error
