"""What a reconciliation says, in words of both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.errors import reason
from portal.models import Part, ReconciliationFinding

LABELS: Mapping[str, tuple[str, str]] = {
    "failed": ("失败", "failed"),
    "pending": ("待处理", "pending"),
    "unlisted": ("未清点", "not listed yet"),
    "new": ("清点后新增", "new since the listing"),
    "excluded": ("不在任何批次范围", "in no batch's scope"),
    "gone": ("源端已无", "gone at the source"),
    "misplaced": ("归在别处", "filed elsewhere"),
    "listed_twice": ("源端重复列出", "listed twice"),
    "missing": ("缺少文件", "file missing"),
    "extra": ("多余文件", "extra file"),
    "twice": ("重复存放", "stored twice"),
    "size": ("大小不符", "wrong size"),
    "digest": ("摘要不符", "wrong digest"),
    "wrong_document": ("归错单据", "in the wrong document"),
    "wrong_month": ("归错月份", "in the wrong month"),
    "metadata": ("单据信息不符", "metadata differs"),
    "archived": ("已归档", "archived"),
    "skipped": ("已跳过", "skipped"),
    "equal": ("相符", "equal"),
    "explained": ("差异已说明", "explained"),
    "unbalanced": ("不平", "unbalanced"),
    "both": ("两边都有", "on both sides"),
    "source": ("源端", "at the source"),
    "defects": ("所有问题", "all defects"),
    "waiting": ("等待", "waiting"),
    "running": ("进行中", "running"),
    "ended": ("已结束", "ended"),
    "cancelled": ("已取消", "cancelled"),
}


def label(word: str, language: str) -> str:
    """The word on screen for a part, a balance or a state."""
    return LABELS[word][0 if language.startswith("zh") else 1]


_FIELDS: Mapping[str, tuple[str, str]] = {
    "bill_no": ("单据编号", "bill number"),
    "bill_type_code": ("单据类型代码", "type code"),
    "bill_type_name": ("单据类型", "type"),
    "org_code": ("组织代码", "organisation code"),
    "org_name": ("组织", "organisation"),
    "applicant": ("提单人", "applicant"),
    "amount": ("金额", "amount"),
    "collected_at": ("采集时间", "collected at"),
    "category": ("分类", "category"),
    "name": ("文件名", "file name"),
    "seq": ("序号", "position"),
}


def describe(finding: ReconciliationFinding, language: str) -> str:
    """What is the matter with one document or file, on one line."""
    zh = language.startswith("zh")
    params: Mapping[str, Any] = finding.params or {}
    if finding.part is Part.FAILED:
        return reason(str(params.get("code")), params.get("params"), language)
    if finding.part is Part.MISPLACED:
        at = " / ".join(word or "—" for word in (finding.at_month, finding.at_org, finding.at_type))
        return f"归档在 {at}" if zh else f"filed under {at}"
    parts = [str(params["name"])] if params.get("name") else []
    if "words" in params:
        parts += [_word(*word, zh=zh) for word in params["words"]]
    elif "there" in params:
        parts.append(_word("", params["there"], params["here"], zh=zh))
    if params.get("belongs_to"):
        parts.append(("属于 " if zh else "belongs to ") + str(params["belongs_to"]))
    if params.get("belongs_at"):
        parts.append(str(params["belongs_at"]))
    if params.get("reread"):
        parts.append("重读文件发现" if zh else "found by re-reading")
    return ("；" if zh else "; ").join(parts)


def _word(name: str, there: Any, here: Any, *, zh: bool) -> str:
    """``金额：应为 10.00，实为 11.00``."""
    head, dot, field = name.rpartition(" · ")
    told = _FIELDS.get(field, (field, field))[0 if zh else 1]
    name = f"{head}{dot}{told}"
    there, here = ("—" if value is None else value for value in (there, here))
    if zh:
        return f"{name}{'：' if name else ''}应为 {there}，实为 {here}"
    return f"{name}{': ' if name else ''}should be {there}, is {here}"
