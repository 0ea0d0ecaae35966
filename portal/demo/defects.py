"""The six planted defects: what is wrong, with which document, and what a checker must call it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from portal.demo.media import BaseFile
from portal.demo.media_pages import Encoding, fitted
from portal.demo.media_pictures import jpeg_base, jpeg_file
from portal.demo.plans import FilePlan, Plan

_SMALL = Encoding("JPEG", width=160, grain=64, quality=95)
_MISLABELLED_SIZE = 120_000
_TRUNCATED_SIZE = 200_000


class Defect(Enum):
    """A planted defect; the value is its name in ``/_demo/expected``."""

    MISSING_FIELD = "missing-field"
    WRONG_SUFFIX = "wrong-suffix"
    TRUNCATED = "truncated"
    LOW_RESOLUTION = "low-resolution"
    WRONG_DIGEST = "wrong-digest"
    NO_IMAGE_NO = "no-image-no"


CODES = {
    Defect.MISSING_FIELD: "META_MISSING_FIELD",
    Defect.WRONG_SUFFIX: "FILE_TYPE_MISMATCH",
    Defect.TRUNCATED: "FILE_CORRUPT",
    Defect.LOW_RESOLUTION: "FILE_RESOLUTION_LOW",
    Defect.WRONG_DIGEST: "FILE_DIGEST_MISMATCH",
    Defect.NO_IMAGE_NO: "META_NO_IMAGE_NO",
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A defect and the plan of the document that has it, instead of the regular one."""

    defect: Defect
    plan: Plan


def plant(documents: int, regular: Callable[[int], Plan]) -> dict[int, Planted]:
    """The defective documents by index, spread evenly over the tenant.

    :param regular: the plan a healthy document of that index has
    """
    planted = {}
    for turn, defect in enumerate(Defect):
        index = (2 * turn + 1) * documents // (2 * len(Defect))
        planted[index] = Planted(defect, _with_bad_file(regular(index), defect))
    return planted


def spoil(row: dict[str, Any], defect: Defect) -> None:
    """Make a finished row of the listing as wrong as its defect demands.

    Defects of the bytes need nothing here: their sizes and digests are true.
    """
    last = row["files"][-1]
    if defect is Defect.NO_IMAGE_NO:
        del row["scanBillNo"]
    elif defect is Defect.MISSING_FIELD:
        del last["fileName"]
    elif defect is Defect.WRONG_DIGEST:
        last["sha256"] = hashlib.sha256(last["sha256"].encode()).hexdigest()
        last.pop("md5", None)


def _with_bad_file(plan: Plan, defect: Defect) -> Plan:
    """The plan with its last file replaced when the defect is one of bytes."""
    bad = _bad_file(defect, seq=len(plan.files))
    return replace(plan, files=(*plan.files[:-1], bad)) if bad else plan


def _bad_file(defect: Defect, seq: int) -> FilePlan | None:
    if defect is Defect.WRONG_SUFFIX:
        return FilePlan("invoice", f"数电发票-{seq}", "pdf", jpeg_file(_MISLABELLED_SIZE))
    if defect is Defect.TRUNCATED:
        return FilePlan("invoice", f"住宿费发票-{seq}", "jpg", _truncated())
    if defect is Defect.LOW_RESOLUTION:
        return FilePlan("invoice", f"出租车发票-{seq}", "jpg", jpeg_base(fitted(9_000, [_SMALL])))
    return None


def _truncated() -> BaseFile:
    """A JPEG that ends in the middle of its picture, as after a broken upload."""
    whole = jpeg_file(_TRUNCATED_SIZE)
    return BaseFile("jpg", whole.head[: len(whole.head) * 3 // 5], lambda _: b"", pages=1)
