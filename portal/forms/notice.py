"""A channel for notifications."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from portal.formatting import CHANNEL_KINDS, NEWS_WORDS
from portal.language import language
from portal.notify.kinds import NEWS, ChannelKind, NoticeEvent
from portal.services.notice_channels import ChannelForm

MAIL_FIELDS = ("host", "port", "security", "sender", "recipients", "user", "password")
ROBOT_FIELDS = ("url", "secret")


class NoticeForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """What a channel is set to; the fields of the other kinds are passed over."""

    name = StringField(_l("名称"), validators=[InputRequired(_l("请输入名称")), Length(max=64)])
    kind = SelectField(_l("方式"), coerce=ChannelKind)
    language = SelectField(_l("语言"))
    events = SelectMultipleField(
        _l("通知哪些事"),
        coerce=NoticeEvent,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    portal_url = StringField(_l("门户地址"), validators=[Length(max=300)])
    enabled = BooleanField(_l("启用"), default=True)
    # Addresses of robots carry their key: like secrets they are never shown again.
    url = StringField(_l("地址"), validators=[Length(max=1000)])
    secret = PasswordField(_l("签名密钥"), validators=[Length(max=200)])
    host = StringField(_l("SMTP 服务器"), validators=[Length(max=253)])
    port = IntegerField(_l("端口"), validators=[Optional()], default=465)
    security = SelectField(_l("加密方式"), default="tls")
    sender = StringField(_l("发件人"), validators=[Length(max=254)])
    recipients = StringField(_l("收件人"), validators=[Length(max=2000)])
    user = StringField(_l("用户名"), validators=[Length(max=200)])
    password = PasswordField(_l("密码"), validators=[Length(max=200)])

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self.language.choices = [("zh", _("中文")), ("en", _("英文"))]
        self.security.choices = [("tls", "TLS"), ("starttls", "STARTTLS"), ("none", _("不加密"))]
        spoken = language() != "zh"
        self.kind.choices = [(kind.value, CHANNEL_KINDS[kind][spoken]) for kind in ChannelKind]
        self.events.choices = [(event.value, NEWS_WORDS[event][spoken]) for event in NEWS]

    def channel(self) -> ChannelForm:
        """What was asked for; call it after validation."""
        kind = self.kind.data
        names = MAIL_FIELDS if kind is ChannelKind.MAIL else ROBOT_FIELDS
        return ChannelForm(
            name=self.name.data,
            kind=kind,
            language=self.language.data,
            events=tuple(self.events.data),
            portal_url=self.portal_url.data or "",
            enabled=self.enabled.data,
            config={name: getattr(self, name).data or "" for name in names},
        )
