"""``imgmig source import-properties`` and ``import-zookeeper``: the older procedure's settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed
from portal.models import utc_now
from portal.runtime import Portal
from portal.services import source_import, zookeeper_import
from portal.services.source_import import Preview
from portal.sync.sources import old_settings
from portal.sync.sources.old_settings import OldSettings
from portal.sync.sources.zookeeper import read_settings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace

_LOGIN = "ZOOKEEPER_LOGIN"
_ADVICE = """\
注意 note: clientSecret 在 ZooKeeper 中是明文{zh} the secret lies there in the clear{en}
  1. 切换完成后请源系统更换 clientSecret，再在数据源中填写新的（ZooKeeper 的日志和快照里留有旧值）
     have the source change it after the switch-over (logs and snapshots keep the old one)
  2. 在此之前限制该路径的访问（ACL） restrict the path by an ACL until then
  3. 不再用旧程序后在 zkui 中删除 delete it in zkui when the old program is no longer used"""


_ONLY_SHOWN = "只预览，没有保存 only a preview, nothing was saved"


@click.command("import-properties")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--name",
    default=source_import.USUAL_NAME,
    show_default=True,
    help="数据源名称；已有则更新 The data source's name; one that exists is brought up to date.",
)
@click.option("--dry-run", is_flag=True, help="只预览，不保存 Only show what would be done.")
def import_properties(file: Path, name: str, dry_run: bool) -> None:
    """导入旧流程的四项 ZooKeeper 配置 Import the older procedure's four ZooKeeper settings.

    FILE 为 properties 文件，或 zkui 导出的文件 A .properties file, or one that zkui exported.
    """
    if file.stat().st_size > source_import.LARGEST_FILE:
        raise NotAllowed(f"{file.name} 过大", f"{file.name} is too large")
    settings = old_settings.read(old_settings.decoded(file.read_bytes()))
    with opened() as portal:
        _say_found(settings, _preview(portal, settings, name))
        say(_ONLY_SHOWN if dry_run else _taken_over(portal, settings, name))


@click.command("import-zookeeper")
@click.argument("address")
@click.argument("path", default=f"/{old_settings.USUAL_PATH}")
@click.option(
    "--name",
    help="数据源名称，默认是已有的同一数据源，没有则为“标准版影像”"
    " The data source's name; by default that of the one it is already.",
)
@click.option(
    "--login",
    is_flag=True,
    help=f"提示输入 用户名:密码，也可放在环境变量 {_LOGIN} 中"
    f" Ask for user:password of a digest ACL; or put it into {_LOGIN}.",
)
@click.option("--dry-run", is_flag=True, help="只预览，不保存 Only show what would be done.")
@click.option("--update", is_flag=True, help="更新已有的数据源 Update a data source that exists.")
@as_json
def import_zookeeper(
    *,
    address: str,
    path: str,
    name: str | None,
    login: bool,
    dry_run: bool,
    update: bool,
    as_json: bool,
) -> None:
    """从 ZooKeeper 读取并导入旧流程的四项配置 Read the four settings from ZooKeeper, import them.

    ADDRESS 如 zk1:2181,zk2:2181/chroot；只读取，不改动 ZooKeeper Nothing is ever written there.
    """
    who = os.environ.get(_LOGIN, "")
    if login and not who:
        who = click.prompt("用户名:密码 user:password", hide_input=True, err=True)
    place = ZooKeeperPlace.parse(address, path, who)
    with opened() as portal:
        with portal.ledger.write() as session:
            zookeeper_import.note_reading(session, place, by=actor(), now=utc_now())
        settings = read_settings(place)
        with portal.ledger.read() as session:
            name = name or source_import.name_for(session, settings)
        seen = _preview(portal, settings, name)
        if not as_json:
            _say_found(settings, seen)
            _say_advice(settings)
        outcome, said = "preview", ""
        if seen.replaces and not seen.changes:
            outcome = "unchanged"
            said = f"已有数据源 {name}，与它完全相同，没有改动 it exists and is the same"
        elif not dry_run:
            if seen.replaces and not update:
                raise NotAllowed(
                    f"已有数据源 {name}，没有改动；加 --update 即更新它",
                    f"there is a data source {name} already; --update updates it",
                )
            said = _taken_over(portal, settings, name)
            outcome = "updated" if seen.replaces else "added"
        else:
            said = _ONLY_SHOWN
    if as_json:
        say_json({"name": name, "outcome": outcome, **_told(settings, seen)})
    elif said:
        say(said)


def _preview(portal: Portal, settings: OldSettings, name: str) -> Preview:
    with portal.ledger.read() as session:
        return source_import.preview(session, settings, name, box=portal.box, now=utc_now())


def _taken_over(portal: Portal, settings: OldSettings, name: str) -> str:
    """Import it, and what to say of that."""
    with portal.ledger.write() as session:
        source = source_import.take_over(
            session, settings, name, box=portal.box, by=actor(), now=utc_now()
        )
        enabled = source.enabled
    if enabled:
        return f"数据源 {name} 已导入，启用 imported, enabled"
    status = f"{old_settings.STATUS}={settings.status or '（没有 none）'}"
    return f"数据源 {name} 已导入，停用 imported, disabled（{status}）"


def _say_found(settings: OldSettings, seen: Preview) -> None:
    for found in seen.found:
        missing = "不可读 unreadable" if found.key in settings.unreadable else "没有找到 not found"
        before = f"\t原来 before: {found.before}" if found.before else ""
        say(f"{found.key}\t{found.value or missing}{before}")
    for key in settings.ambiguous:
        say(f"{key}: 有不同的值 given with different values")


def _say_advice(settings: OldSettings) -> None:
    if settings.client_secret:
        words = ("，任何人都能读到", ", for anybody to read") if settings.open_to_all else ("", "")
        say(_ADVICE.format(zh=words[0], en=words[1]))


def _told(settings: OldSettings, seen: Preview) -> dict[str, Any]:
    """For scripts; of the secret only that there is one."""
    return {
        "servers": settings.servers,
        "path": settings.path,
        "found": {found.key: found.value for found in seen.found},
        "missing": settings.missing,
        "unreadable": settings.unreadable,
        "ambiguous": settings.ambiguous,
        "secret_in_the_clear": bool(settings.client_secret),
        "open_to_all": settings.open_to_all,
        "blocking": seen.blocking,
        "enables": seen.enables,
    }
