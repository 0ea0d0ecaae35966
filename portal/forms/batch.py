"""新增迁移批次."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from portal.language import language
from portal.models import DataSource, Overlap
from portal.models.overlap import overlap_label
from portal.services.batches import BatchScope

_SEPARATORS = re.compile(r"[\s,，;；、]+")
_LONGEST_CODES = 4000
_LONGEST_CODE = 64


class BatchForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """The scope of a new batch; days are inclusive, empty codes mean all."""

    source = SelectField(_l("数据源"), coerce=str, validators=[InputRequired(_l("请选择数据源"))])
    date_from = DateField(_l("采集范围.开始"), validators=[InputRequired(_l("请输入开始日期"))])
    date_to = DateField(_l("采集范围.结束"), validators=[InputRequired(_l("请输入结束日期"))])
    orgs = StringField(_l("组织"), validators=[Length(max=_LONGEST_CODES)])
    types = StringField(_l("单据类型"), validators=[Length(max=_LONGEST_CODES)])
    overlap = RadioField(_l("重叠策略"), coerce=str, default=Overlap.MISSING.value)
    run_now = BooleanField(_l("立即运行"))

    def offer(self, sources: Sequence[DataSource]) -> None:
        """Fill the choices."""
        self.overlap.choices = [(word.value, overlap_label(word, language())) for word in Overlap]
        self.source.choices = [(str(source.id), source.name) for source in sources]

    def validate_date_to(self, field: DateField) -> None:
        """The range must not end before it begins, nor lie in years nobody has documents of."""
        first: date | None = self.date_from.data
        last: date | None = field.data
        if first is not None and last is not None and last < first:
            raise ValidationError(_("结束日期早于开始日期"))

    def validate_orgs(self, field: StringField) -> None:
        """No code is longer than those a source can have."""
        _check_codes(field)

    def validate_types(self, field: StringField) -> None:
        """As for organisations."""
        _check_codes(field)

    def scope(self) -> BatchScope:
        """What was asked for; call it after validation."""
        return BatchScope(
            source_id=int(self.source.data),
            date_from=self.date_from.data,
            date_to=self.date_to.data,
            org_codes=_codes(self.orgs.data),
            bill_type_codes=_codes(self.types.data),
            overlap=Overlap(self.overlap.data),
        )


def _check_codes(field: StringField) -> None:
    if field.errors:
        return  # the whole is too long: that says enough
    for code in _codes(field.data):
        if len(code) > _LONGEST_CODE:
            raise ValidationError(_("代码过长：%(code)s…", code=code[:20]))


def _codes(text: str | None) -> tuple[str, ...]:
    return tuple(code for code in _SEPARATORS.split(text or "") if code)
