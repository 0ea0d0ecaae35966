"""What an auditor gives for a draw: a nonce, and a sample size or the limit it shall prove."""

from __future__ import annotations

import unicodedata

from portal.errors import NotAllowed
from portal.models import Sample
from portal.services import sample_bound

SHORTEST_NONCE, LONGEST_NONCE = 8, 200
#: Documents that people can be asked to judge in one sample.
LARGEST = 5000


def size_wanted(sample: Sample, size: str, limit: str) -> tuple[int, int | None]:
    """The sample size as a person gives it, or by the limit, in percent, that it shall prove.

    The second number is how many wrong documents that limit allows.

    :raises NotAllowed: when neither makes sense, or both are given
    """
    documents = sample.documents or 0
    if bool(size.strip()) == bool(limit.strip()):
        raise NotAllowed("样本量与上限填一项", "give either a sample size or a limit")
    if size.strip():
        digits = size.strip()
        if not digits.isdecimal() or len(digits) > 9 or not 1 <= int(digits) <= LARGEST:
            raise NotAllowed(
                f"样本量应为 1 到 {LARGEST} 的整数",
                f"the sample size must be a whole number from 1 to {LARGEST}",
            )
        return min(int(size), documents), None
    try:
        hundredths = round(float(limit) * 100)
        if not 1 <= hundredths <= 5000:
            raise ValueError(limit)
    except (ValueError, OverflowError):
        raise NotAllowed(
            "上限应为 0.01 到 50 的百分数", "the limit must be a percentage from 0.01 to 50"
        ) from None
    most_wrong = documents * hundredths // 10_000
    wanted = sample_bound.size_for(documents, most_wrong, LARGEST)
    if wanted is None:
        raise NotAllowed(
            f"这个上限需要抽查超过 {LARGEST} 份，请放宽",
            f"this limit takes more than {LARGEST} documents; choose a wider one",
        )
    return wanted, most_wrong


def checked_nonce(text: str) -> str:
    """The auditor's nonce without blanks at its ends.

    :raises NotAllowed: when it is too short or too long, or has characters that cannot be typed
    """
    nonce = text.strip()
    plain = not any(unicodedata.category(char).startswith("C") for char in nonce)
    if not SHORTEST_NONCE <= len(nonce) <= LONGEST_NONCE or not plain:
        raise NotAllowed(
            f"随机串应为 {SHORTEST_NONCE} 到 {LONGEST_NONCE} 个可见字符",
            f"the nonce must have {SHORTEST_NONCE} to {LONGEST_NONCE} visible characters",
        )
    return nonce
