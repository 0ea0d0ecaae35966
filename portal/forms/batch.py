"""新增迁移批次."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, ValidationError

from portal.language import language
from portal.models import DataSource, Overlap, Priority, PushTarget
from portal.models.overlap import overlap_label
from portal.models.priority import priority_label
from portal.services.batches import EARLIEST_DAY, BatchScope
from portal.services.catalogue import Catalogue

_SEPARATORS = re.compile(r"[\s,，;；、]+")
_LONGEST_CODES = 40_000
_LONGEST_CODE = 64


class BatchForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """The scope of a new batch; days are inclusive, empty codes mean all.

    ``org_codes`` and ``type_codes`` are those ticked in the source's catalogue, ``orgs`` and
    ``types`` those typed by hand.
    """

    source = SelectField(_l("数据源"), coerce=str, validators=[InputRequired(_l("请选择数据源"))])
    date_from = DateField(_l("采集范围.开始"), validators=[InputRequired(_l("请输入开始日期"))])
    date_to = DateField(_l("采集范围.结束"), validators=[InputRequired(_l("请输入结束日期"))])
    org_codes = SelectMultipleField(_l("组织"), coerce=str, validate_choice=False, choices=[])
    orgs = StringField(_l("其他组织代码"), validators=[Length(max=_LONGEST_CODES)])
    type_codes = SelectMultipleField(_l("单据类型"), coerce=str, validate_choice=False, choices=[])
    types = StringField(_l("其他单据类型代码"), validators=[Length(max=_LONGEST_CODES)])
    overlap = RadioField(_l("重叠策略"), coerce=str, default=Overlap.MISSING.value)
    priority = SelectField(_l("优先级"), coerce=str, default=Priority.NORMAL.value)
    push_to = SelectField(_l("归档后推送到"), coerce=str, default="", choices=[])
    run_now = BooleanField(_l("立即运行"))

    def offer(self, sources: Sequence[DataSource], targets: Sequence[PushTarget] = ()) -> None:
        """Fill the choices."""
        self.overlap.choices = [(word.value, overlap_label(word, language())) for word in Overlap]
        self.priority.choices = [
            (word.value, priority_label(word, language())) for word in Priority
        ]
        self.source.choices = [(str(source.id), source.name) for source in sources]
        named = [(str(target.id), target.name) for target in targets]
        self.push_to.choices = [("", _("不推送，只归档")), *named]

    def fill_days(self, first: date, last: date) -> None:
        """Put a range into the form."""
        self.date_from.raw_data = self.date_to.raw_data = None
        self.date_from.data, self.date_to.data = first, last

    def fill_codes(self, orgs: Iterable[str], types: Iterable[str]) -> None:
        """Put codes into the form, to be sorted by :meth:`sort_codes`."""
        self.org_codes.data, self.type_codes.data = list(orgs), list(types)

    def sort_codes(self, catalogue: Catalogue) -> None:
        """Tick what the catalogue has, whoever gave it; the rest stands in the typed codes."""
        for ticked, typed, known in (
            (self.org_codes, self.orgs, catalogue.orgs.codes),
            (self.type_codes, self.types, catalogue.types.codes),
        ):
            codes = _together(ticked.data, typed.data)
            rest = [code for code in codes if code not in known]
            ticked.data = [code for code in codes if code in known]
            if set(rest) != set(_codes(typed.data)):  # what was typed stays as it was typed
                typed.data, typed.raw_data = "，".join(rest), None

    def validate_date_from(self, field: DateField) -> None:
        """No documents are older."""
        if field.data is not None and field.data < EARLIEST_DAY:
            raise ValidationError(_("开始日期不能早于 %(day)s", day=EARLIEST_DAY))

    def validate_date_to(self, field: DateField) -> None:
        """The range must not end before it begins, nor lie in years nobody has documents of."""
        first: date | None = self.date_from.data
        last: date | None = field.data
        if first is not None and last is not None and last < first:
            raise ValidationError(_("结束日期早于开始日期"))

    def validate_orgs(self, field: StringField) -> None:
        """No code is longer than those a source can have."""
        _check_codes(field, self.org_codes.data)

    def validate_types(self, field: StringField) -> None:
        """As for organisations."""
        _check_codes(field, self.type_codes.data)

    @property
    def source_id(self) -> int | None:
        """The chosen source; the first one when none is chosen that is offered."""
        offered = [value for value, _name in self.source.choices or ()]
        chosen = self.source.data if self.source.data in offered else next(iter(offered), None)
        return int(chosen) if chosen else None

    def chosen_priority(self) -> Priority:
        """Call it after validation."""
        return Priority(self.priority.data)

    def push_target_id(self) -> int | None:
        """The chosen target, if any; call it after validation."""
        return int(self.push_to.data) if self.push_to.data else None

    def scope(self) -> BatchScope:
        """What was asked for; call it after validation."""
        return BatchScope(
            source_id=int(self.source.data),
            date_from=self.date_from.data,
            date_to=self.date_to.data,
            org_codes=_together(self.org_codes.data, self.orgs.data),
            bill_type_codes=_together(self.type_codes.data, self.types.data),
            overlap=Overlap(self.overlap.data),
        )


def _together(ticked: Iterable[str] | None, typed: str | None) -> tuple[str, ...]:
    """Every code once, those that were ticked first."""
    return tuple(dict.fromkeys([*(ticked or ()), *_codes(typed)]))


def _check_codes(field: StringField, ticked: Iterable[str] | None) -> None:
    if field.errors:
        return  # the whole is too long: that says enough
    for code in _together(ticked, field.data):
        if len(code) > _LONGEST_CODE:
            raise ValidationError(_("代码过长：%(code)s…", code=code[:20]))


def _codes(text: str | None) -> tuple[str, ...]:
    return tuple(code for code in _SEPARATORS.split(text or "") if code)
