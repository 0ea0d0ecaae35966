"""``imgmig source``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed
from portal.models import DataSource, utc_now
from portal.services import sources
from portal.services.months import months_between
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.rows import Scope


@click.group("source")
def command() -> None:
    """数据源 Data sources."""


@command.command()
@click.argument("name")
@click.option("--url", required=True, help="源系统地址 Base URL, such as https://api.piaozone.com")
@click.option("--client-id", required=True)
@click.option(
    "--client-secret",
    prompt="clientSecret",
    hide_input=True,
    envvar="CLIENT_SECRET",
    help="不写在命令行上：提示输入，或取自环境变量 CLIENT_SECRET Asked for, or from CLIENT_SECRET.",
)
@click.option("--download-host", "hosts", multiple=True, help="允许的下载主机 An allowed host.")
@click.option("--profile", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rules", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--concurrency-cap", type=int)
def add(
    *,
    name: str,
    url: str,
    client_id: str,
    client_secret: str,
    hosts: tuple[str, ...],
    profile: Path | None,
    rules: Path | None,
    concurrency_cap: int | None,
) -> None:
    """新增或修改数据源 Add a data source, or change the one of that name."""
    form = sources.SourceForm(
        name=name,
        base_url=url,
        client_id=client_id,
        client_secret=client_secret,
        download_hosts=hosts,
        profile=_json_file(profile),
        rules=_json_file(rules),
        concurrency_cap=concurrency_cap,
    )
    with opened() as portal, portal.ledger.write() as session:
        sources.save(session, form, box=portal.box, by=actor(), now=utc_now())
    say(f"数据源 {name} 已保存 saved")


@command.command("list")
@as_json
def list_sources(as_json: bool) -> None:
    """列出数据源 List the data sources; secrets are never shown."""
    with opened() as portal, portal.ledger.read() as session:
        rows = [_row(source) for source in sources.all_sources(session)]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        state = "启用 enabled" if row["enabled"] else "停用 disabled"
        say(f"{row['name']}\t{row['base_url']}\t{row['client_id']}\t{state}")


@command.command()
@click.argument("name")
@as_json
def check(name: str, as_json: bool) -> None:
    """测试连接 Fetch a token and the count of the present month."""
    with opened() as portal:
        with portal.ledger.read() as session:
            source = PiaozoneSource(sources.connection_of(sources.find(session, name), portal.box))
        today = utc_now().astimezone(portal.settings.timezone).date()
        first: date = today.replace(day=1)
        month = next(iter(months_between(first, today, portal.settings.timezone)))
        count = source.count(Scope(month.starts_at, month.ends_at))
        source.close()
    found = {"source": name, "month": month.month, "documents": count.documents}
    if as_json:
        say_json(found)
    else:
        say(f"连接正常 connected；{month.month}: {count.documents} 份单据 documents")


def _row(source: DataSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "base_url": source.base_url,
        "client_id": source.client_id,
        "download_hosts": source.download_hosts,
        "concurrency_cap": source.concurrency_cap,
        "enabled": source.enabled,
    }


def _json_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise NotAllowed(f"{path.name} 不是 JSON is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotAllowed(f"{path.name} 应为 JSON 对象 must hold a JSON object")
    return value
