"""A sample as rows with headings, for exports and scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from portal.ledger import Ledger
from portal.models import DataSource, Sample, SampleDocument
from portal.services.reconciliations import every
from portal.services.sample_words import label, statement
from portal.services.samples import documents_of

Row = Sequence[str | int | datetime | None]
_DOCUMENT = (
    ("序号", "position"),
    ("来源系统", "resource"),
    ("影像编号", "image number"),
    ("单据类型代码", "type code"),
    ("抽样键", "key"),
    ("与源端比较", "compared with the source"),
    ("比较时间", "compared at"),
    ("结论", "verdict"),
    ("备注", "remark"),
    ("核验人", "judged by"),
    ("核验时间", "judged at"),
    ("封存清单的行", "line of the manifest"),
)
_RECORD = (
    ("抽查", "sample"),
    ("数据源", "source"),
    ("月份", "month"),
    ("组织代码", "organisation code"),
    ("单据类型代码", "type code"),
    ("状态", "state"),
    ("发起人", "begun by"),
    ("封存时间", "sealed at"),
    ("清单 SHA-256", "manifest SHA-256"),
    ("清单单据数 N", "documents N"),
    ("随机串", "nonce"),
    ("样本量 n", "sample size n"),
    ("抽样人", "drawn by"),
    ("抽样时间", "drawn at"),
    ("不相符（含无法判断）", "not matching (undecided included)"),
    ("无法判断", "undecided"),
    ("95% 上界", "95 % upper bound"),
    ("结束人", "closed by"),
    ("结束时间", "closed at"),
    ("结论", "statement"),
)


def record_headings(language: str) -> list[str]:
    """The columns of :func:`record_row`, in ``zh`` or ``en``."""
    return [words[not language.startswith("zh")] for words in _RECORD]


def record_row(ledger: Ledger, sample_id: int, language: str) -> Row:
    """The sample itself: what was sealed, drawn, and found."""
    with ledger.read() as session:
        sample = session.get_one(Sample, sample_id)
        source = session.get_one(DataSource, sample.data_source_id)
    return [
        sample.id,
        source.name,
        sample.month,
        sample.org_code,
        sample.bill_type_code,
        label(sample.state, language),
        sample.asked_by,
        sample.sealed_at,
        sample.manifest_sha256,
        sample.documents,
        sample.nonce,
        sample.size,
        sample.drawn_by,
        sample.drawn_at,
        sample.found,
        sample.undecided,
        sample.bound,
        sample.closed_by,
        sample.closed_at,
        statement(sample, language),
    ]


def document_headings(language: str) -> list[str]:
    """The columns of :func:`document_rows`, in ``zh`` or ``en``."""
    return [words[not language.startswith("zh")] for words in _DOCUMENT]


def document_rows(ledger: Ledger, sample_id: int, language: str) -> Iterator[Row]:
    """Every document that was drawn, in the order of the keys; constant memory."""
    for row in every(ledger, documents_of(sample_id), SampleDocument.id):
        yield [
            row.position,
            row.resource,
            row.image_no,
            row.bill_type_code,
            row.key,
            outcome(row, language),
            row.compared_at,
            label(row.verdict, language) if row.verdict else None,
            row.remark,
            row.judged_by,
            row.judged_at,
            row.line,
        ]


def outcome(row: SampleDocument, language: str) -> str:
    """What the comparison with the source gave; empty when there was none."""
    if row.compared is None:
        return ""
    words = ("一致", "equal") if row.compared["equal"] else ("不一致", "not equal")
    return words[not language.startswith("zh")]
