"""What can be wrong with a listed row, and the code it fails with before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.tenant import Row


@dataclass(frozen=True)
class RowFault:
    """A change of a good row of two files, and the failure's code.

    :param fetched: whether its files are fetched all the same, since only they show the fault
    """

    name: str
    spoil: Callable[[Row], object]
    code: str
    fetched: bool = False


def row_faults() -> Iterator[RowFault]:
    """All of them."""
    for field in ("fbillTypeCode", "fapplyOrganizationCode", "collectTime"):
        yield RowFault(f"no {field}", _without(field), "META_MISSING_FIELD")
    for field in ("fileId", "fileType", "fileName"):
        yield RowFault(f"no {field}", _of_file(_without(field)), "META_MISSING_FIELD")
    yield RowFault("no scanBillNo", _without("scanBillNo"), "META_NO_IMAGE_NO")
    yield RowFault("empty scanBillNo", _with(scanBillNo="  "), "META_NO_IMAGE_NO")
    yield RowFault("no files", _with(files=[]), "META_NO_FILES")
    yield RowFault("files are a text", _with(files="two"), "META_BAD_VALUE")
    yield RowFault("unknown fileType", _of_file(_with(fileType="video")), "META_BAD_CATEGORY")
    yield RowFault("fileId twice", _of_file(_twice), "META_DUPLICATE_FILE")
    yield RowFault("time of no kind", _with(collectTime="yesterday"), "META_BAD_VALUE")
    yield RowFault("amount of no kind", _with(totalAmount="much"), "META_BAD_VALUE")
    yield RowFault("negative fileSize", _of_file(_with(fileSize=-1)), "META_BAD_VALUE")
    yield RowFault("endless fileSize", _of_file(_with(fileSize=10**30)), "META_BAD_VALUE")
    yield RowFault("sha256 of no kind", _of_file(_with(sha256="abc")), "META_BAD_VALUE")
    yield RowFault("wrong fileSize", _of_file(_with(fileSize=17)), "FILE_SIZE_MISMATCH", True)
    yield RowFault(
        "wrong pageCount", _of_file(_with(pageCount=9)), "FILE_PAGE_COUNT_MISMATCH", True
    )


def _without(field: str) -> Callable[[Row], object]:
    return lambda row: row.pop(field)


def _with(**values: Any) -> Callable[[Row], object]:
    return lambda row: row.update(values)


def _of_file(spoil: Callable[[Row], object]) -> Callable[[Row], object]:
    return lambda row: spoil(row["files"][1])


def _twice(file: Row) -> None:
    file["fileId"] = file["fileId"].replace("-2", "-1")
