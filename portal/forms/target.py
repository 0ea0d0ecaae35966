"""目标: everything a target is set to, as one types it."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    DecimalField,
    FloatField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional

from portal.language import language
from portal.models import PushTarget
from portal.services.target_form import TargetForm, TargetRefused
from portal.sync.targets.connection import DEFAULT_MAX_FILE_BYTES, USER_TYPES

_MB = 1024 * 1024
_WORDS = re.compile(r"[\s,，;；、]+")
_LONGEST_CA = 1_000_000
_FIELDS = {"max_file_bytes": "max_mb"}
_TEXTS = (
    "name",
    "base_url",
    "app_id",
    "account_id",
    "tenant_id",
    "language",
    "user",
    "bill_id_field",
    "default_resource",
)


class PushTargetForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """A target; its secret is only ever taken, never shown."""

    name = StringField(_l("名称"), validators=[InputRequired(_l("请输入名称")), Length(max=64)])
    base_url = StringField(_l("目标地址"), validators=[InputRequired(_l("请输入地址"))])
    app_id = StringField("appId", validators=[InputRequired(_l("请输入 appId"))])
    app_secret = PasswordField("appSecret")
    account_id = StringField("accountId", validators=[InputRequired(_l("请输入 accountId"))])
    tenant_id = StringField("tenantid")
    language = StringField(_l("语言"), default="zh_CN")
    user = StringField(_l("代理用户"), validators=[InputRequired(_l("请输入用户"))])
    user_type = SelectField(_l("用户类型"), choices=list(USER_TYPES), default=USER_TYPES[0])
    ca_pem = TextAreaField(_l("私有证书（PEM）"), validators=[Length(max=_LONGEST_CA)])
    bill_id_field = StringField(
        _l("单据 ID（fbillId）取自"),
        default="bill_no",
        validators=[InputRequired(_l("请输入字段名"))],
    )
    default_resource = StringField(
        _l("缺省来源系统"), default="imgmig", validators=[InputRequired(_l("请输入缺省来源系统"))]
    )
    confirmed_statuses = StringField(_l("算已确认的影像状态"))
    max_mb = DecimalField(
        _l("单个文件上限（MB）"),
        places=None,
        default=DEFAULT_MAX_FILE_BYTES // _MB,
        validators=[InputRequired(_l("请输入数字"))],
    )
    concurrency_cap = IntegerField(
        _l("同时推送的单据数"), default=4, validators=[InputRequired(_l("请输入数字"))]
    )
    rate_cap = FloatField(_l("每秒调用数上限"), validators=[Optional()])

    def fill(self, target: PushTarget) -> None:
        """Show what a target is set to, but for what is secret."""
        for name in (*_TEXTS, "user_type", "concurrency_cap", "rate_cap"):
            self[name].data = getattr(target, name)
        self.ca_pem.data = target.ca_pem or ""
        self.confirmed_statuses.data = "，".join(target.confirmed_statuses)
        self.max_mb.data = target.max_file_bytes / _MB

    def named(self) -> dict[str, Any]:
        """The settings by their names in :class:`TargetForm`; the secret only if it was typed."""
        values: dict[str, Any] = {name: (self[name].data or "").strip() for name in _TEXTS}
        values |= {
            "user_type": self.user_type.data,
            "ca_pem": (self.ca_pem.data or "").strip(),
            "confirmed_statuses": tuple(
                word for word in _WORDS.split(self.confirmed_statuses.data or "") if word
            ),
            "max_file_bytes": int((self.max_mb.data or 0) * _MB),
            "concurrency_cap": self.concurrency_cap.data or 0,
            "rate_cap": self.rate_cap.data,
        }
        if self.app_secret.data:
            values["app_secret"] = self.app_secret.data.strip()
        return values

    def settings(self) -> TargetForm:
        """All of a new target."""
        return TargetForm(**{"app_secret": "", **self.named()})

    def show(self, fault: TargetRefused) -> None:
        """Say at its field what is wrong, unless validation has said so."""
        field = self[_FIELDS.get(fault.setting, fault.setting)]
        if not field.errors:
            field.errors = [fault.short.text(language())]

    def forget_secrets(self) -> None:
        """A private key that was pasted for a certificate is not shown again."""
        if "PRIVATE KEY" in (self.ca_pem.data or ""):
            self.ca_pem.data = ""
