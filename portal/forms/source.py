"""数据源: everything it is set to, as one types it; and the import of the older settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    DecimalField,
    Field,
    FloatField,
    IntegerField,
    PasswordField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from portal.errors import InvalidSetting
from portal.language import language
from portal.models import DataSource
from portal.services.json_text import line_of, read_object
from portal.services.source_form import (
    LONGEST_CA,
    LONGEST_NAME,
    SettingRefused,
    SourceForm,
    named,
)
from portal.services.source_import import USUAL_NAME
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.proxy import Proxy
from portal.sync.sources.kind import Setting, SourceKind
from portal.sync.sources.kinds import KINDS as KINDS_OF_SOURCE
from portal.sync.sources.kinds import USUAL

_LINES = re.compile(r"[\r\n;；]+")
_WORDS = re.compile(r"[\s,，;；、]+")
#: In the order of the page.
KINDS = (
    ("jpeg", "JPEG"),
    ("png", "PNG"),
    ("tiff", "TIFF"),
    ("bmp", "BMP"),
    ("gif", "GIF"),
    ("webp", "WebP"),
    ("pdf", "PDF"),
    ("ofd", "OFD"),
    ("xml", "XML"),
    ("ole", "Office 97–2003"),
    ("ooxml", "Office (docx, xlsx, pptx)"),
    ("txt", "TXT"),
    ("zip", "ZIP"),
)
#: Fields that a source may leave empty and a site may demand, in the order of the page.
DEMANDED = (
    ("bill_no", _l("单据编号")),
    ("bill_type_name", _l("单据类型名称")),
    ("org_name", _l("组织名称")),
    ("applicant", _l("提单人")),
    ("amount", _l("金额")),
)
_KIND_CODES = [kind for kind, _text in KINDS]
CATEGORIES = ("cover", "invoice", "attachment")
_MB = 1024 * 1024
_MEGAPIXEL = 1_000_000
_KB = 1000
_MOST = 10**9
#: The field that shows what is wrong with a setting, where it has another name.
_FIELDS = {"proxy": "proxy_address", "bandwidth_cap": "bandwidth_kb", "rules": "max_mb"}


class DataSourceForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """A data source; what is secret is only ever taken, never shown."""

    name = StringField(
        _l("名称"), validators=[InputRequired(_l("请输入名称")), Length(max=LONGEST_NAME)]
    )
    base_url = StringField(_l("源系统地址"), validators=[InputRequired(_l("请输入地址"))])
    client_id = StringField("clientId", validators=[InputRequired(_l("请输入 clientId"))])
    client_secret = PasswordField("clientSecret")
    download_hosts = TextAreaField(_l("允许的下载主机"))
    proxy_address = StringField(_l("出站代理"))
    proxy_login = PasswordField(_l("代理的用户名和密码"))
    proxy_without_login = BooleanField(_l("代理不需要用户名和密码，清除已保存的"))
    ca_pem = TextAreaField(_l("私有证书（PEM）"))
    ca_file = FileField(_l("或上传证书文件"))
    rate_cap = FloatField(_l("每秒请求数上限"), validators=[Optional()])
    concurrency_cap = IntegerField(_l("同时请求数上限"), validators=[Optional()])
    bandwidth_kb = DecimalField(_l("带宽上限（KB/s）"), places=None, validators=[Optional()])
    windows = TextAreaField(_l("时间窗口"))
    profile = TextAreaField(_l("连接配置（JSON）"))
    cover = SelectMultipleField(_l("封面"), choices=_KIND_CODES)
    invoice = SelectMultipleField(_l("发票"), choices=_KIND_CODES)
    attachment = SelectMultipleField(_l("附件"), choices=_KIND_CODES)
    max_mb = DecimalField(_l("单个文件上限（MB）"), places=None, validators=[Optional()])
    min_short_side = IntegerField(_l("图片短边下限（像素）"), validators=[Optional()])
    max_megapixels = DecimalField(_l("单页上限（百万像素）"), places=None, validators=[Optional()])
    max_pages = IntegerField(_l("页数上限"), validators=[Optional()])
    min_dpi = IntegerField(_l("图片 DPI 下限"), validators=[Optional()])
    required = SelectMultipleField(_l("必填字段"), choices=[field for field, _text in DEMANDED])
    deep = BooleanField(_l("全部逐页解码"))

    #: The kind it is a form for, see :func:`form_for`.
    kind = KINDS_OF_SOURCE[USUAL]

    def begin(self) -> None:
        """Fill an empty form with our defaults."""
        self._fill_rules({})
        for one, field in self.own_fields:
            field.data = one.default

    @property
    def own_fields(self) -> list[tuple[Setting, Field]]:
        """The kind's own settings with their fields."""
        return [(one, self[named(one.name)]) for one in self.kind.settings]

    def fill(self, source: DataSource) -> None:
        """Show what a source is set to, but for what is secret."""
        self.name.data = source.name
        if self.kind.has_login:
            self.base_url.data = source.base_url
            self.client_id.data = source.client_id
        for one, field in self.own_fields:
            if not one.secret:
                field.data = (source.settings or {}).get(one.name, one.default)
        self.download_hosts.data = "\n".join(source.download_hosts)
        self.proxy_address.data = source.proxy_address or ""
        self.ca_pem.data = source.ca_pem or ""
        self.rate_cap.data = source.rate_cap
        self.concurrency_cap.data = source.concurrency_cap
        self.bandwidth_kb.data = _plain(source.bandwidth_cap, _KB)
        self.windows.data = "\n".join(source.windows)
        self.profile.data = (
            json.dumps(source.profile, ensure_ascii=False, indent=2) if source.profile else ""
        )
        self._fill_rules(source.rules)

    def named(self, source: DataSource | None = None) -> dict[str, Any]:
        """The settings by their names in :class:`SourceForm`; a secret only if it was typed.

        What cannot be read at all, which validation has said at its field, counts as not given.
        """
        values: dict[str, Any] = {
            "name": (self.name.data or "").strip(),
            "kind": self.kind.name,
            "download_hosts": _parts(_WORDS, self.download_hosts.data),
            "profile": self._read_profile(),
            "rules": self._rules(),
            "concurrency_cap": self.concurrency_cap.data,
            "rate_cap": self.rate_cap.data,
            "bandwidth_cap": _whole(self.bandwidth_kb.data, _KB),
            "windows": _windows(self.windows.data),
            "ca_pem": (self.ca_pem.data or "").strip(),
        }
        values |= self._login() if self.kind.has_login else self._own()
        address = (self.proxy_address.data or "").strip()
        if not self._keeps_proxy(source, address):
            values["proxy"] = _proxy(address, self.proxy_login.data or "")
        return values

    @property
    def refilled(self) -> set[str]:
        """Which secrets were typed."""
        fields = {"proxy": self.proxy_login}
        if self.kind.has_login:
            fields["client_secret"] = self.client_secret
        fields |= {named(one.name): field for one, field in self.own_fields if one.secret}
        return {name for name, field in fields.items() if field.data}

    @property
    def secret_fields(self) -> set[str]:
        """The kind's secrets, by their fields."""
        if self.kind.has_login:
            return {"client_secret"}
        return {named(one.name) for one in self.kind.settings if one.secret}

    def _login(self) -> dict[str, Any]:
        values = {
            "base_url": (self.base_url.data or "").strip(),
            "client_id": (self.client_id.data or "").strip(),
        }
        if self.client_secret.data:
            values["client_secret"] = self.client_secret.data.strip()
        return values

    def _own(self) -> dict[str, Any]:
        """An empty secret is one that stays as it was; any other empty one is none."""
        typed = [(one, (field.data or "").strip()) for one, field in self.own_fields]
        return {
            "settings": {one.name: text for one, text in typed if not one.secret},
            "secrets": {one.name: text for one, text in typed if one.secret and text},
        }

    def settings(self) -> SourceForm:
        """All of a new source."""
        return SourceForm(**{"client_secret": "", **self.named()})

    def take_uploads(self) -> None:
        """An uploaded file takes the place of what was pasted; call it before validation."""
        if self.ca_file.data:
            content = self.ca_file.data.read(LONGEST_CA + 1)
            self.ca_pem.data = content.decode("utf-8", "replace").replace("\x00", "\ufffd")

    def show(self, faults: Iterable[SettingRefused]) -> None:
        """Say at its field what is wrong with each setting, unless validation has said so."""
        for fault in faults:
            field: Field = self[_FIELDS.get(fault.setting, fault.setting)]
            if field.errors:
                continue
            text = fault.short.text(language())
            if fault.setting == "profile":
                text = _with_line(field.data or "", text)
            field.errors = [text]

    def forget_secrets(self) -> None:
        """A private key that was pasted for a certificate is not shown again."""
        if "PRIVATE KEY" in (self.ca_pem.data or ""):
            self.ca_pem.data = ""
        if "@" in (self.proxy_address.data or ""):
            self.proxy_address.data = ""

    def validate_proxy_address(self, field: StringField) -> None:
        """User and password have a field of their own, which is not shown again."""
        if "@" in (field.data or ""):
            raise ValidationError(_("这里只写地址；用户名和密码填在下一栏"))

    def validate_proxy_login(self, field: PasswordField) -> None:
        """It is of no use without an address."""
        if field.data and not (self.proxy_address.data or "").strip():
            raise ValidationError(_("请先填写代理地址"))

    def validate_profile(self, field: TextAreaField) -> None:
        """It is JSON; what it says is judged with the rest."""
        try:
            read_object(field.data or "")
        except InvalidSetting as error:
            raise ValidationError(error.text(language())) from None

    def validate_max_mb(self, field: DecimalField) -> None:
        """At least a byte."""
        _check_size(field)

    def validate_max_megapixels(self, field: DecimalField) -> None:
        """At least a pixel."""
        _check_size(field)

    def validate_bandwidth_kb(self, field: DecimalField) -> None:
        """A number, and not a word for one."""
        _check_size(field)

    def validate_min_short_side(self, field: IntegerField) -> None:
        """At least one."""
        _check_count(field)

    def validate_max_pages(self, field: IntegerField) -> None:
        """At least one."""
        _check_count(field)

    def validate_min_dpi(self, field: IntegerField) -> None:
        """Nothing, or at least 0, which means any."""
        if field.data is not None and not 0 <= field.data < _MOST:
            raise ValidationError(_("须为不小于 0 的整数"))

    def _read_profile(self) -> dict[str, Any]:
        try:
            return read_object(self.profile.data or "")
        except InvalidSetting:
            return {}

    def _keeps_proxy(self, source: DataSource | None, address: str) -> bool:
        """Whether the stored proxy stays, with user and password: they go to no other address."""
        if source is None or self.proxy_login.data or self.proxy_without_login.data:
            return False
        if not address or source.proxy_address is None:
            return False
        try:
            return Proxy.parse(address).address == source.proxy_address
        except ValueError:
            return False

    def _fill_rules(self, stored: Mapping[str, Any]) -> None:
        rules = CompatibilityRules.from_mapping(stored)
        for category in CATEGORIES:
            self[category].data = sorted(rules.kinds_for(category))
        self.max_mb.data = _plain(rules.max_bytes, _MB)
        self.min_short_side.data = rules.min_short_side
        self.max_megapixels.data = _plain(rules.max_pixels, _MEGAPIXEL)
        self.max_pages.data = rules.max_pages
        self.min_dpi.data = rules.min_dpi
        self.required.data = sorted(rules.required)
        self.deep.data = rules.deep

    def _rules(self) -> dict[str, Any]:
        """What differs from our defaults; an empty number is the default."""
        given = {
            **{name: sorted(self[name].data or ()) for name in (*CATEGORIES, "required")},
            "max_bytes": _whole(self.max_mb.data, _MB),
            "min_short_side": self.min_short_side.data,
            "max_pixels": _whole(self.max_megapixels.data, _MEGAPIXEL),
            "max_pages": self.max_pages.data,
            "min_dpi": self.min_dpi.data,
            "deep": bool(self.deep.data),
        }
        ours = CompatibilityRules().to_mapping()
        return {
            name: value
            for name, value in given.items()
            if value is not None and value != ours[name]
        }


def form_for(kind: SourceKind) -> type[DataSourceForm]:
    """The form of a kind: with its own settings, and an address and a login if it has them."""
    fields: dict[str, Any] = {"kind": kind}
    if not kind.has_login:
        fields |= dict.fromkeys(("base_url", "client_id", "client_secret"))
    for one in kind.settings:
        made = PasswordField if one.secret else TextAreaField if one.lines > 1 else StringField
        fields[named(one.name)] = made(one.label(language()))
    return type("KindForm", (DataSourceForm,), fields)


class ImportForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """What was copied out of ZooKeeper, pasted or as a file; shown to nobody again."""

    name = StringField(
        _l("数据源名称"),
        default=USUAL_NAME,
        validators=[InputRequired(_l("请输入名称")), Length(max=LONGEST_NAME)],
    )
    text = TextAreaField(_l("粘贴配置"))
    file = FileField(_l("或上传文件"))


class TakeOverForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """A preview that is confirmed; ``sealed`` is what was read, encrypted."""

    name = StringField(
        _l("数据源名称"), validators=[InputRequired(_l("请输入名称")), Length(max=LONGEST_NAME)]
    )
    sealed = StringField(validators=[InputRequired()])
    replaces = StringField()


def _parts(separator: re.Pattern[str], text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in separator.split(text or "") if part.strip())


def _windows(text: str | None) -> tuple[str, ...]:
    """One a line; a Chinese keyboard's marks are taken for what they stand for."""
    plain = (text or "").translate(str.maketrans("：，－–—～", ":,----"))
    return tuple(" ".join(line.split()) for line in _parts(_LINES, plain))


def _proxy(address: str, login: str) -> str:
    """Both in one, as it is stored; a colon parts user and password."""
    scheme, slashes, rest = address.partition("://")
    if not address or not login or not slashes:
        return address
    user, _colon, password = login.partition(":")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _plain(value: int | None, unit: int) -> Decimal | None:
    """A value in a larger unit, without needless zeros."""
    if value is None:
        return None
    number = Decimal(value) / unit
    whole = number.to_integral_value()
    return whole if whole == number else number


def _whole(value: Decimal | None, unit: int) -> int | None:
    return round(value * unit) if value is not None and _is_usable(value) else None


def _is_usable(value: Decimal) -> bool:
    return value.is_finite() and 0 < value < _MOST


def _check_size(field: DecimalField) -> None:
    value: Decimal | None = field.data
    if value is not None and not _is_usable(value):
        raise ValidationError(_("须为大于 0 的数"))


def _check_count(field: IntegerField) -> None:
    if field.data is not None and not 1 <= field.data < _MOST:
        raise ValidationError(_("须为不小于 1 的整数"))


def _with_line(text: str, fault: str) -> str:
    """The fault with the line its entry stands in, as far as it can be found."""
    entry = re.split(r"[：:]", fault, maxsplit=1)[0].removeprefix("profile ").strip()
    line = line_of(text, entry)
    return fault if line is None else _("第 %(line)s 行 %(fault)s", line=line, fault=fault)
