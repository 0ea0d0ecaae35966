"""What a sample says, in words of both languages."""

from __future__ import annotations

from collections.abc import Mapping

from portal.models import Sample

LABELS: Mapping[str, tuple[str, str]] = {
    "making": ("正在生成清单", "manifest being made"),
    "sealed": ("已封存", "sealed"),
    "drawn": ("核验中", "being judged"),
    "closed": ("已结束", "closed"),
    "match": ("相符", "matches"),
    "differ": ("不符", "differs"),
    "undecided": ("无法判断", "cannot tell"),
}


def label(word: str, language: str) -> str:
    """The word on screen for a state or a verdict."""
    return LABELS[word][0 if language.startswith("zh") else 1]


def statement(sample: Sample, language: str) -> str:
    """The confidence statement of a closed sample; empty for one that is not closed."""
    if sample.bound is None or sample.found is None or sample.documents is None:
        return ""
    values = {
        "documents": sample.documents,
        "size": sample.size,
        "found": sample.found,
        "undecided": sample.undecided,
        "bound": sample.bound,
        "share": _percent(sample.bound, sample.documents),
    }
    zh = language.startswith("zh")
    return (_ZH if zh else _EN).format_map(values)


_ZH = (
    "封存清单共 {documents:,} 份单据，从中抽取 {size:,} 份逐份核验，发现 {found:,} 份不相符"
    "（其中无法判断 {undecided:,} 份，按不相符计）。"
    "以 95% 的把握，清单中不相符的单据不超过 {bound:,} 份（{share}）。"
    "按超几何分布精确计算：若多于此数，抽到不多于 {found:,} 份的概率低于 5%。"
)
_EN = (
    "Of the {documents:,} documents of the sealed manifest {size:,} were drawn and judged; "
    "{found:,} did not match ({undecided:,} of them could not be judged and count as such). "
    "With 95 % confidence no more than {bound:,} documents of the manifest ({share}) do not match. "
    "Computed exactly by the hypergeometric distribution: if there were more, {found:,} or fewer "
    "would be found with a probability below 5 %."
)


def _percent(part: int, whole: int) -> str:
    """``0.30%``, rounded up, since it is a bound."""
    hundredths = -(-part * 10_000 // whole) if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}%"
