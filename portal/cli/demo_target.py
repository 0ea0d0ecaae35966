"""``imgmig demo-target``."""

from __future__ import annotations

import click

from portal.cli.demo_source import bind_address
from portal.cli.opening import say
from portal.cli.running import AddressInUse, parent_option
from portal.demo.flagship import CREDENTIALS, create_demo_target
from portal.demo.serve import serve_app

DEFAULT_BIND = "127.0.0.1:8200"


@click.command("demo-target")
@click.option("--bind", default=DEFAULT_BIND, show_default=True)
@parent_option
def command(bind: str) -> None:
    """启动演示目标：严格的旗舰版影像替身 Serve a strict double of the flagship's imaging API."""
    bind_address(bind)

    def tell(url: str) -> None:
        say(f"演示目标 demo target: {url}")
        for name, value in CREDENTIALS.items():
            say(f"  {name}: {value}")

    try:
        serve_app(create_demo_target, bind, tell, name="imgmig demo-target")
    except OSError as error:
        raise AddressInUse(f"端口 {bind} 无法使用 cannot be used: {error.strerror}") from error
