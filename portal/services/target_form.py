"""What a target is set to, and what of it makes no sense."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from datetime import datetime

from portal.errors import InvalidSetting, NotAllowed, reason
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.targets.connection import DEFAULT_MAX_FILE_BYTES, FlagshipConnection
from portal.sync.tls import check_authorities

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST = {
    "name": 64,
    "base_url": 2000,
    "app_id": 255,
    "app_secret": 2000,
    "account_id": 64,
    "tenant_id": 64,
    "language": 16,
    "user": 128,
    "bill_id_field": 128,
    "default_resource": 64,
}
_MAY_BE_EMPTY = frozenset({"tenant_id", "language"})
_NAMES = {
    "name": ("名称", "the name"),
    "base_url": ("目标地址", "the target address"),
    "app_id": ("应用 ID", "the app id"),
    "app_secret": ("应用密钥", "the app secret"),
    "account_id": ("账套 ID", "the account id"),
    "tenant_id": ("租户 ID", "the tenant id"),
    "language": ("语言", "the language"),
    "user": ("用户", "the user"),
    "bill_id_field": ("单据 ID 取自", "the field of the bill id"),
    "default_resource": ("缺省来源系统", "the default resource"),
    "max_file_bytes": ("单个文件上限", "the file limit"),
    "concurrency_cap": ("并发上限", "the concurrency"),
    "rate_cap": ("速率上限（每秒）", "the rate"),
}


class TargetRefused(NotAllowed):
    """One setting of a target makes no sense; ``setting`` is its name in :class:`TargetForm`."""

    def __init__(self, setting: str, zh: str, en: str) -> None:
        self.setting = setting
        self.short = InvalidSetting(zh, en)
        super().__init__(f"目标设置无效：{zh}", f"invalid target: {en}")


@dataclass(frozen=True, slots=True)
class TargetForm:
    """Everything a target is set to, see :class:`portal.models.PushTarget`."""

    name: str
    base_url: str
    app_id: str
    app_secret: str = field(repr=False)
    account_id: str
    user: str
    user_type: str = "UserName"
    tenant_id: str = ""
    language: str = "zh_CN"
    ca_pem: str = field(default="", repr=False)
    bill_id_field: str = "bill_no"
    default_resource: str = "imgmig"
    confirmed_statuses: tuple[str, ...] = ()
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    concurrency_cap: int = 4
    rate_cap: float | None = None

    def connection(self) -> FlagshipConnection:
        """How it is reached.

        :raises InvalidSetting: naming what makes no sense
        """
        return FlagshipConnection(
            **{
                one.name: getattr(self, one.name)
                for one in fields(FlagshipConnection)
                if one.init and not one.name.endswith("_timeout")
            }
        )


def check(form: TargetForm, *, now: datetime, known_ca: str | None = None) -> FlagshipConnection:
    """How the target is reached.

    :param known_ca: certificates that are stored already: they may have expired since
    :raises TargetRefused: for the first value that makes no sense
    """
    for name, longest in _LONGEST.items():
        zh, en = _NAMES[name]
        value = getattr(form, name)
        if not value.strip() and name not in _MAY_BE_EMPTY:
            raise TargetRefused(name, f"{zh}不能为空", f"{en} must not be empty")
        if len(value) > longest:
            raise TargetRefused(name, f"{zh}至多 {longest} 个字符", f"{en} has {longest} at most")
        if _UNPRINTABLE.search(value):
            raise TargetRefused(name, f"{zh}中有不可见的字符", f"{en} has unprintable characters")
    try:
        connection = form.connection()
        rule.check_host(connection.host)
    except InvalidSetting as error:
        raise TargetRefused("base_url", error.text("zh"), error.text("en")) from None
    except AddressForbidden as error:
        told = {"host": error.host, "address": error.address}
        texts = [reason("ADDRESS_FORBIDDEN", told, language) for language in ("zh", "en")]
        raise TargetRefused("base_url", *texts) from None
    _within(form, "max_file_bytes", 1, 10**10)
    _within(form, "concurrency_cap", 1, 64)
    _within(form, "rate_cap", 0.1, 10_000)
    if len(form.confirmed_statuses) > 20 or any(len(one) > 40 for one in form.confirmed_statuses):
        raise TargetRefused(
            "confirmed_statuses", "至多 20 个状态，每个至多 40 个字符", "20 statuses at most"
        )
    if form.ca_pem and form.ca_pem != known_ca:
        try:
            check_authorities(form.ca_pem, now)
        except InvalidSetting as error:
            raise TargetRefused("ca_pem", error.text("zh"), error.text("en")) from None
    return connection


def _within(form: TargetForm, setting: str, least: float, most: float) -> None:
    value: float | None = getattr(form, setting)
    zh, en = _NAMES[setting]
    if value is not None and not (math.isfinite(value) and least <= value <= most):
        raise TargetRefused(setting, f"{zh}须为 {least}–{most}", f"{en} is {least} to {most}")
