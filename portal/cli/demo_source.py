"""``imgmig demo-source``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from portal.cli.opening import say
from portal.cli.running import AddressInUse, parent_option
from portal.demo.faults import Faults
from portal.demo.options import DemoOptions
from portal.demo.serve import serve
from portal.errors import SettingsError

DEFAULT_BIND = "127.0.0.1:8100"

_TENANT = (
    click.option("--documents", default=240, show_default=True),
    click.option("--months", default=6, show_default=True),
    click.option("--first-month", default="2024-01", show_default=True),
    click.option("--mean-size", default=170_000, show_default=True, help="Mean bytes of a file."),
    click.option("--seed", default=20240101, show_default=True),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME=VALUE",
        help="故障，可多次 A fault, repeatable: latency=0.04, expire_after=100, rate=20, "
        "retry_after=1, error_share=0.1, short_share=, stall_share=, html_share=, missing_share=, "
        "redirect_share=, down=1.",
    ),
)


def tenant_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe the demo tenant and its faults."""
    for option in reversed(_TENANT):
        command = option(command)
    return command


def tenant_arguments(tenant: dict[str, Any]) -> list[str]:
    """The same options again, for a child process."""
    arguments = [f"--fault={fault}" for fault in tenant["faults"]]
    for name in ("documents", "months", "first_month", "mean_size", "seed"):
        arguments.append(f"--{name.replace('_', '-')}={tenant[name]}")
    return arguments


def demo_options(tenant: dict[str, Any]) -> DemoOptions:
    """The tenant as the demo source wants it.

    :raises SettingsError: when an option makes no sense, naming it
    """
    try:
        faults = Faults.from_mapping(dict(_fault(text) for text in tenant["faults"]))
        return DemoOptions(**{**tenant, "faults": faults})
    except ValueError as error:
        raise SettingsError(f"参数无效 invalid option: {error}") from error


def bind_address(bind: str) -> tuple[str, int]:
    """The host and port of an address to listen on.

    :raises SettingsError: when it is not ``host:port``
    """
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"地址应为 an address is host:port, not {bind!r}")
    return host.strip("[]"), int(port)


def _fault(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        raise ValueError(f"--fault 应为 is NAME=NUMBER, not {text!r}") from None


@click.command("demo-source")
@click.option("--bind", default=DEFAULT_BIND, show_default=True)
@tenant_options
@parent_option
def command(bind: str, **tenant: Any) -> None:
    """启动演示源 Serve the source contract with a made-up tenant."""
    options = demo_options(tenant)
    bind_address(bind)
    try:
        serve(options, bind, announce=lambda url: say(f"演示源 demo source: {url}"))
    except OSError as error:
        raise AddressInUse(f"端口 {bind} 无法使用 cannot be used: {error.strerror}") from error
