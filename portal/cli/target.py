"""``imgmig target``: systems that archived documents are pushed on to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import NotAllowed
from portal.models import PushTarget, utc_now
from portal.services import batches, csv_text, push_checking, push_targets
from portal.services.target_form import TargetForm
from portal.sync.targets.connection import USER_TYPES

MISSING_EXIT = 1
_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEEDED = {
    "base_url": "--url",
    "app_id": "--app-id",
    "account_id": "--account-id",
    "user": "--user",
}


@click.group("target")
def command() -> None:
    """推送目标 Targets that archived documents are pushed on to."""


@command.command()
@click.argument("name")
@click.option("--url", "base_url", help="目标地址 Base URL, such as https://host/ierp")
@click.option("--app-id", help="第三方应用的 appId.")
@click.option(
    "--app-secret",
    prompt="appSecret",
    prompt_required=False,
    hide_input=True,
    envvar="APP_SECRET",
    help="不写在命令行上：提示输入，或取自环境变量 APP_SECRET Asked for, or from APP_SECRET.",
)
@click.option("--account-id", help="账套（数据中心）ID accountId.")
@click.option("--tenant-id", help="租户 tenantid.")
@click.option("--language", help="语言，默认 zh_CN.")
@click.option("--user", help="代理用户 The user to act as.")
@click.option("--user-type", type=click.Choice(USER_TYPES), help="用户类型，默认 UserName.")
@click.option("--bill-id-field", help="fbillId 取自哪个字段，默认 bill_no Where fbillId is from.")
@click.option(
    "--default-resource", help="没有来源系统的单据用什么，默认 imgmig The default resource."
)
@click.option(
    "--confirmed-status",
    "confirmed_statuses",
    multiple=True,
    help="哪些 imageStatus 算已确认，可多次；默认任何 Which count as confirmed; default: any.",
)
@click.option("--max-file-bytes", type=int, help="单个文件上限（字节） Largest file.")
@click.option("--concurrency-cap", type=int, help="每台主机同时推送的单据数 Documents at once.")
@click.option("--rate-cap", type=float, help="每台主机每秒调用数 Calls a second for each host.")
@click.option("--ca-file", type=_READABLE, help="私有证书 Private CA: PEM certificates to trust.")
def add(name: str, ca_file: Path | None, **given: Any) -> None:
    """新增或修改目标 Add a target, or change the one of that name.

    修改时，没有给出的各项保持不变 What is not named stays as it was.
    """
    named = {setting: value for setting, value in given.items() if value not in (None, "", ())}
    if ca_file is not None:
        named["ca_pem"] = ca_file.read_text("utf-8")
    with opened() as portal:
        with portal.ledger.read() as session:
            is_new = all(one.name != name for one in push_targets.all_targets(session))
        if is_new:
            missing = [option for setting, option in _NEEDED.items() if setting not in named]
            if missing:
                options = ", ".join(missing)
                raise NotAllowed(f"新目标须给出 {options}", f"a new target needs {options}")
            if "app_secret" not in named:
                named["app_secret"] = click.prompt("appSecret", hide_input=True)
        with portal.ledger.write() as session:
            target = None if is_new else push_targets.find(session, name, lock=True)
            form = (
                TargetForm(name=name, **named)
                if target is None
                else push_targets.form_of(target, portal.box, **named)
            )
            push_targets.save(
                session,
                form,
                box=portal.box,
                by=actor(),
                now=utc_now(),
                target=target,
                secret_given="app_secret" in named,
            )
    say(f"目标 {name} 已保存 saved")


@command.command("list")
@as_json
def list_targets(as_json: bool) -> None:
    """列出目标 List the targets; secrets are never shown."""
    with opened() as portal, portal.ledger.read() as session:
        rows = [_row(target) for target in push_targets.all_targets(session)]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        state = "启用 enabled" if row["enabled"] else "停用 disabled"
        words = [row["name"], row["base_url"], row["app_id"], row["user"], state]
        if row["hold"]:
            words.append(f"暂缓 held {row['hold']}")
        say("\t".join(words))


@command.command()
@click.argument("name")
def test(name: str) -> None:
    """测试连接：登录一次 Log in once, from this host."""
    with opened() as portal:
        with portal.ledger.read() as session:
            row = push_targets.find(session, name)
        target = push_targets.open_target(row, portal.box)
        try:
            target.check()
        finally:
            target.close()
    say(f"连接正常 connected: {name}")


@command.command()
@click.argument("name")
def enable(name: str) -> None:
    """启用 Push to it again."""
    _set_enabled(name, enabled=True)
    say(f"目标 {name} 已启用 enabled")


@command.command()
@click.argument("name")
def disable(name: str) -> None:
    """停用：不再推送，已推送的不变 Push nothing more to it."""
    _set_enabled(name, enabled=False)
    say(f"目标 {name} 已停用 disabled")


@command.command()
@click.argument("name")
@click.confirmation_option("--yes", prompt="删除目标？ Delete the target?")
def remove(name: str) -> None:
    """删除从未使用的目标 Delete a target that was never used."""
    with opened() as portal, portal.ledger.write() as session:
        target = push_targets.find(session, name, lock=True)
        push_targets.remove(session, target, by=actor(), now=utc_now())
    say(f"目标 {name} 已删除 deleted")


@command.command()
@click.argument("name")
@click.option("--batch", "batch_no", help="只核对一个批次 Only the documents of this batch.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="把有出入的单据写入文件 Write what is missing or different to a file.",
)
@as_json
def reconcile(name: str, batch_no: str | None, csv_file: Path | None, as_json: bool) -> None:
    """推送核对：逐份向目标查询；缺失的记为推送失败，退出码为 1。

    Ask the target for every document that was pushed; exits 1 when something is not there.
    """
    with opened() as portal, ProgressBar("推送核对 push check", quiet=as_json) as bar:
        with portal.ledger.read() as session:
            row = push_targets.find(session, name)
            batch = batches.find(session, batch_no) if batch_no else None
        if batch is not None and batch.push_target_id != row.id:
            raise NotAllowed(
                f"批次 {batch.batch_no} 不推送到 {name}",
                f"batch {batch.batch_no} is not pushed to {name}",
            )
        target = push_targets.open_target(row, portal.box)
        try:
            found = push_checking.check(
                portal.ledger,
                target,
                row,
                batch=batch,
                by=actor(),
                clock=utc_now,
                on_step=bar.show,
            )
        finally:
            target.close()
    if csv_file is not None:
        _write_csv(csv_file, found)
    if as_json:
        say_json({"target": name, "batch_no": batch_no, **found.as_json()})
    else:
        say(
            f"核对 looked at {found.looked_at}  缺失 missing {len(found.missing)}  "
            f"类型不同 different {len(found.different)}  待推送 waiting {found.waiting}  "
            f"失败 failed {found.failed}"
        )
        for one in found.missing:
            say(f"  缺失 missing: {one['resource']} {one['image_no']}")
    if not found.is_clean:
        raise click.exceptions.Exit(MISSING_EXIT)


def _write_csv(path: Path, found: push_checking.PushCheck) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text.MARK)
        file.write(csv_text.line(("影像编号", "来源系统", "结果", "目标中的单据类型")))
        for one in found.missing:
            file.write(csv_text.line((one["image_no"], one["resource"], "目标中没有", "")))
        for one in found.different:
            cells = (one["image_no"], one["resource"], "类型不同", one["type"])
            file.write(csv_text.line(cells))


def _set_enabled(name: str, *, enabled: bool) -> None:
    with opened() as portal, portal.ledger.write() as session:
        target = push_targets.find(session, name, lock=True)
        push_targets.set_enabled(session, target, enabled=enabled, by=actor(), now=utc_now())


def _row(target: PushTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "base_url": target.base_url,
        "app_id": target.app_id,
        "account_id": target.account_id,
        "tenant_id": target.tenant_id,
        "user": target.user,
        "user_type": target.user_type,
        "bill_id_field": target.bill_id_field,
        "default_resource": target.default_resource,
        "confirmed_statuses": target.confirmed_statuses,
        "max_file_bytes": target.max_file_bytes,
        "concurrency_cap": target.concurrency_cap,
        "rate_cap": target.rate_cap,
        "private_ca": target.ca_pem is not None,
        "enabled": target.enabled,
        "hold": target.hold_code,
    }
