"""Samples as exports: the record of each, and the documents that were drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed
from portal.models import DataSource, Sample, SampleDocument
from portal.services.export_tables import (
    Column,
    Kind,
    Value,
    Wanted,
    count_rows,
    keyed,
    plain,
    word,
)
from portal.services.sample_words import label, statement


def _sample(wanted: Wanted) -> int | None:
    """Which sample, if the filter names one.

    :raises NotAllowed: when it is no number
    """
    text = wanted.trail.get("sample", "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotAllowed("抽查编号须为数字", "a sample is named by its number")
    return int(text)


def _records(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = select(Sample, DataSource.name.label("source"), Sample.id.label("id")).join(
        DataSource, DataSource.id == Sample.data_source_id
    )
    number = _sample(wanted)
    return query if number is None else query.where(Sample.id == number)


def _documents(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = select(SampleDocument, SampleDocument.id.label("id"))
    number = _sample(wanted)
    return query if number is None else query.where(SampleDocument.sample_id == number)


def _record_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    return keyed(session, _records(wanted), Sample.id, "id")


def _document_pages(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    pages = keyed(session, _documents(wanted), SampleDocument.id, "id")
    return ([row[0] for row in rows] for rows in pages)


def _of(name: str, zh: str, en: str) -> Column:
    return Column(name, zh, en, lambda row: getattr(row.Sample, name))


def _equal(row: SampleDocument) -> Value:
    return "" if row.compared is None else ("equal" if row.compared["equal"] else "different")


def _equal_word(row: SampleDocument, language: str) -> Value:
    words = {"": ("", ""), "equal": ("一致", "equal"), "different": ("不一致", "not equal")}
    return words[str(_equal(row))][language != "zh"]


RECORDS = Kind(
    "samples",
    "随机抽查",
    "Samples",
    [
        plain("id", "抽查", "sample"),
        plain("source", "数据源", "source"),
        _of("month", "月份", "month"),
        _of("org_code", "组织代码", "organisation code"),
        _of("bill_type_code", "单据类型代码", "type code"),
        Column(
            "state",
            "状态",
            "state",
            lambda row: row.Sample.state.value,
            lambda row, language: label(row.Sample.state, language),
        ),
        _of("asked_by", "发起人", "begun by"),
        _of("sealed_at", "封存时间", "sealed at"),
        _of("manifest_sha256", "清单 SHA-256", "manifest SHA-256"),
        _of("documents", "清单单据数 N", "documents N"),
        _of("nonce", "随机串", "nonce"),
        _of("size", "样本量 n", "sample size n"),
        _of("drawn_by", "抽样人", "drawn by"),
        _of("drawn_at", "抽样时间", "drawn at"),
        _of("found", "不相符（含无法判断）", "not matching (undecided included)"),
        _of("undecided", "无法判断", "undecided"),
        _of("bound", "95% 上界", "95 % upper bound"),
        _of("closed_by", "结束人", "closed by"),
        _of("closed_at", "结束时间", "closed at"),
        Column(
            "statement",
            "结论",
            "statement",
            lambda row: statement(row.Sample, "zh"),
            lambda row, language: statement(row.Sample, language),
        ),
    ],
    _record_pages,
    lambda session, wanted: count_rows(session, _records(wanted)),
    filters=("sample",),
)

DOCUMENTS = Kind(
    "sample-documents",
    "抽查单据",
    "Sampled documents",
    [
        plain("sample_id", "抽查", "sample"),
        plain("position", "序号", "position"),
        plain("resource", "来源系统", "resource"),
        plain("image_no", "影像编号", "image number"),
        plain("bill_type_code", "单据类型代码", "type code"),
        plain("key", "抽样键", "key"),
        Column("compared", "与源端比较", "compared with the source", _equal, _equal_word),
        plain("compared_at", "比较时间", "compared at"),
        word("verdict", "结论", "verdict", label),
        plain("remark", "备注", "remark"),
        plain("judged_by", "核验人", "judged by"),
        plain("judged_at", "核验时间", "judged at"),
        plain("line", "封存清单的行", "line of the manifest"),
    ],
    _document_pages,
    lambda session, wanted: count_rows(session, _documents(wanted)),
    filters=("sample",),
)
