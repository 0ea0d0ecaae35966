"""``imgmig source``."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.source_catalogue import show_catalogue
from portal.cli.source_import import import_properties, import_zookeeper
from portal.errors import InvalidSetting, NotAllowed
from portal.models import DataSource, utc_now
from portal.services import sources
from portal.services.json_text import read_object
from portal.services.months import whole_month
from portal.services.source_check import SourceReport, check_source
from portal.services.source_form import named as setting_named
from portal.sync.sources.kind import SourceKind
from portal.sync.sources.kinds import KINDS, USUAL, kind_of
from portal.sync.sources.rows import Scope

_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: What --clear takes: the setting, and its value when there is none.
_CLEARED: dict[str, tuple[str, Any]] = {
    "download-host": ("download_hosts", ()),
    "profile": ("profile", {}),
    "rules": ("rules", {}),
    "concurrency-cap": ("concurrency_cap", None),
    "rate-cap": ("rate_cap", None),
    "bandwidth-cap": ("bandwidth_cap", None),
    "window": ("windows", ()),
    "proxy": ("proxy", ""),
    "ca-file": ("ca_pem", ""),
}
_NEEDED = {"base_url": "--url", "client_id": "--client-id"}
#: A secret setting NAME of a kind is taken from the environment's SOURCE_NAME.
_ENVIRONMENT = "SOURCE_"
_MARKS = {"ok": "正常 ok", "warning": "注意 note", "failed": "失败 failed", "skipped": "未测 none"}
_STEPS = {
    "token": "令牌 token",
    "access": "可以读取 access",
    "metadata": "单据数据 data",
    "presence": "文件 presence",
    "count": "清点 count",
    "listing": "列表 listing",
    "file": "文件 file",
    "inspection": "检查 check",
    "clock": "时钟 clock",
    "certificate": "证书 certificate",
}


@click.group("source")
def command() -> None:
    """数据源 Data sources."""


for other in (show_catalogue, import_properties, import_zookeeper):
    command.add_command(other)


@command.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([*KINDS]),
    help=f"类型，默认 {USUAL}；已有的不能更改 The kind; that of an existing one cannot be changed.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="该类型自己的设置，可多次；@文件 取文件的内容。保密的不写在命令行上：提示输入，或取自"
    "环境变量 SOURCE_名称 A setting of the kind; @FILE takes a file's content, secret ones are"
    " asked for.",
)
@click.option("--url", "base_url", help="源系统地址 Base URL, such as https://api.piaozone.com")
@click.option("--client-id")
@click.option(
    "--client-secret",
    prompt="clientSecret",
    prompt_required=False,
    hide_input=True,
    envvar="CLIENT_SECRET",
    help="不写在命令行上：提示输入，或取自环境变量 CLIENT_SECRET Asked for, or from CLIENT_SECRET.",
)
@click.option(
    "--download-host",
    "download_hosts",
    multiple=True,
    help="允许的下载主机，可多次；给出即替换原有清单 An allowed host; replaces those there were.",
)
@click.option("--profile", type=_READABLE, help="连接配置 Connector profile (JSON).")
@click.option("--rules", type=_READABLE, help="兼容性规则 Compatibility rules (JSON).")
@click.option("--concurrency-cap", type=int, help="同时请求数上限 Requests at once.")
@click.option("--rate-cap", type=float, help="每秒请求数上限 Requests a second.")
@click.option("--bandwidth-cap", type=int, help="每秒字节数上限 Bytes a second.")
@click.option(
    "--window",
    "windows",
    multiple=True,
    help="允许工作的时间，如 '1-5 20:00-07:00'（周一至周五晚八点到次日七点），可多次；给出即替换"
    " When it may be worked; replaces the windows there were.",
)
@click.option(
    "--proxy",
    envvar="SOURCE_PROXY",
    help="出站代理 http[s]://[用户:密码@]主机:端口；有密码时放在环境变量 SOURCE_PROXY 中"
    " Outbound proxy; one with a password belongs in SOURCE_PROXY.",
)
@click.option("--ca-file", type=_READABLE, help="私有证书 Private CA: PEM certificates to trust.")
@click.option(
    "--clear",
    multiple=True,
    type=click.Choice([*_CLEARED]),
    help="清除一项设置，可多次 Remove a setting.",
)
def add(
    *,
    name: str,
    profile: Path | None,
    rules: Path | None,
    ca_file: Path | None,
    clear: tuple[str, ...],
    kind: str | None,
    assignments: tuple[str, ...],
    **given: Any,
) -> None:
    """新增或修改数据源 Add a data source, or change the one of that name.

    修改时，没有给出的各项保持不变 What is not named stays as it was.
    """
    named = {setting: value for setting, value in given.items() if value not in (None, (), "")}
    if profile is not None:
        named["profile"] = _json_file(profile)
    if rules is not None:
        named["rules"] = _json_file(rules)
    if ca_file is not None:
        named["ca_pem"] = _text_of(ca_file)
    for option in clear:
        setting, nothing = _CLEARED[option]
        if setting in named:
            raise NotAllowed(
                f"--{option} 不能同时给出和清除", f"--{option} is both named and cleared"
            )
        named[setting] = nothing
    with opened() as portal:
        with portal.ledger.read() as session:
            known = {one.name: one.kind for one in sources.all_sources(session)}
        is_new = name not in known
        if kind is not None:
            named["kind"] = kind
        of_kind = kind_of(kind or known.get(name, USUAL))
        own, secrets = _own_settings(of_kind, assignments)
        if is_new and of_kind.has_login:
            _complete(named)
        elif is_new:
            _ask_for_secrets(of_kind, secrets)
        named |= {"settings": own, "secrets": secrets}
        with portal.ledger.write() as session:
            by, now = actor(), utc_now()
            if is_new:
                form = sources.SourceForm(name=name, **named)
                sources.add(session, form, box=portal.box, by=by, now=now)
            else:
                form = sources.form_of(sources.find(session, name), portal.box, named)
                refilled = {*named, *map(setting_named, secrets)}
                sources.save(session, form, box=portal.box, by=by, now=now, refilled=refilled)
    say(f"数据源 {name} 已保存 saved")


def _own_settings(
    kind: SourceKind, assignments: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]]:
    """What ``--set`` and the environment say of the kind's own settings: open ones, secret ones."""
    secret = {one.name for one in kind.settings if one.secret}
    own: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise NotAllowed(f"--set {name}：须写成 名称=值", f"--set {name}: write NAME=VALUE")
        if name in secret:
            raise NotAllowed(
                f"{name} 是保密的，不写在命令行上：放在环境变量 {_ENVIRONMENT}{name.upper()} 中",
                f"{name} is secret and belongs in {_ENVIRONMENT}{name.upper()}",
            )
        own[name] = _content_of(value.removeprefix("@")) if value.startswith("@") else value
    found = {name: os.environ.get(f"{_ENVIRONMENT}{name.upper()}", "") for name in secret}
    return own, {name: value for name, value in found.items() if value}


def _content_of(path: str) -> str:
    try:
        return _text_of(Path(path)).strip()
    except OSError as error:
        raise NotAllowed(
            f"不能读取 {path}：{error.strerror}", f"{path} cannot be read: {error.strerror}"
        ) from None


def _ask_for_secrets(kind: SourceKind, secrets: dict[str, str]) -> None:
    """Those it cannot do without; the others may be empty."""
    for one in kind.settings:
        if one.secret and one.required and one.name not in secrets:
            secrets[one.name] = click.prompt(f"{one.zh} {one.en}", hide_input=True)


def _complete(named: dict[str, Any]) -> None:
    """What a new source cannot do without."""
    missing = [option for setting, option in _NEEDED.items() if setting not in named]
    if missing:
        options = ", ".join(missing)
        raise NotAllowed(f"新数据源须给出 {options}", f"a new data source needs {options}")
    if "client_secret" not in named:
        named["client_secret"] = click.prompt("clientSecret", hide_input=True)


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
        words = [row["name"], row["base_url"], row["client_id"] or row["kind"], state]
        if row["proxy"]:
            words.append(f"代理 proxy {row['proxy']}")
        if row["private_ca"]:
            words.append("私有证书 private CA")
        say("\t".join(words))


@command.command()
@click.argument("name")
def enable(name: str) -> None:
    """启用 Let batches be made of a data source again."""
    _set_enabled(name, enabled=True)
    say(f"数据源 {name} 已启用 enabled")


@command.command()
@click.argument("name")
def disable(name: str) -> None:
    """停用：不能再新建批次，已有的批次照常 No new batches; those that are there go on."""
    for batch_no in _set_enabled(name, enabled=False):
        say(f"批次 {batch_no} 照常 goes on")
    say(f"数据源 {name} 已停用 disabled")


@command.command()
@click.argument("name")
@click.confirmation_option("--yes", prompt="删除数据源？ Delete the data source?")
def delete(name: str) -> None:
    """删除从未使用的数据源 Delete a data source that was never used."""
    with opened() as portal, portal.ledger.write() as session:
        sources.remove(session, sources.find(session, name), by=actor(), now=utc_now())
    say(f"数据源 {name} 已删除 deleted")


def _set_enabled(name: str, *, enabled: bool) -> list[str]:
    """The numbers of its unfinished batches."""
    with opened() as portal, portal.ledger.write() as session:
        source = sources.find(session, name)
        sources.set_enabled(session, source, enabled=enabled, by=actor(), now=utc_now())
        return [batch.batch_no for batch in sources.unfinished_batches(session, source.id)]


@command.command()
@click.argument("name")
@click.option(
    "--month",
    type=click.DateTime(["%Y-%m"]),
    help="用哪个月的单据测试，如 2024-01，默认本月 Whose documents to try, this month's if none.",
)
@as_json
def check(name: str, month: datetime | None, as_json: bool) -> None:
    """测试连接：令牌、清点、列表、一个文件、时钟、证书 Try token, count, listing and one file."""
    with opened() as portal:
        zone = portal.settings.timezone
        day = month.date() if month is not None else utc_now().astimezone(zone).date()
        covered = whole_month(day, zone)
        with portal.ledger.read() as session:
            source = sources.find(session, name)
        scope = Scope(covered.starts_at, covered.ends_at)
        report = check_source(source, portal.box, portal.settings.home, scope, clock=utc_now)
    if as_json:
        say_json({"source": name, "month": covered.month, **_told(report)})
    else:
        for finding in report.findings:
            say(f"{_MARKS[finding.state]}\t{_STEPS[finding.check]}\t{finding.zh} {finding.en}")
    if report.error is not None:
        raise report.error
    if not as_json:
        say(f"连接正常 connected；{covered.month}: {report.documents} 份单据 documents")


def _told(report: SourceReport) -> dict[str, Any]:
    expires = report.tls_expires_at
    return {
        "ok": report.error is None,
        "code": report.error.code if report.error else None,
        "documents": report.documents,
        "file_bytes": report.file_bytes,
        "clock_skew_seconds": report.skew_seconds,
        "tls_expires_at": expires.isoformat() if expires else None,
        "checks": [asdict(finding) for finding in report.findings],
    }


def _row(source: DataSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "kind": source.kind,
        "settings": source.settings or {},
        "base_url": source.base_url,
        "client_id": source.client_id,
        "download_hosts": source.download_hosts,
        "concurrency_cap": source.concurrency_cap,
        "rate_cap": source.rate_cap,
        "bandwidth_cap": source.bandwidth_cap,
        "windows": source.windows,
        "proxy": source.proxy_address,
        "private_ca": source.ca_pem is not None,
        "enabled": source.enabled,
        "imported_status": source.imported_status,
    }


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except ValueError:
        raise NotAllowed(f"{path.name} 不是文本文件", f"{path.name} is no text file") from None


def _json_file(path: Path) -> dict[str, Any]:
    try:
        return read_object(_text_of(path))
    except InvalidSetting as error:
        zh, en = (f"{path.name}: {error.text(language)}" for language in ("zh", "en"))
        raise NotAllowed(zh, en) from error
