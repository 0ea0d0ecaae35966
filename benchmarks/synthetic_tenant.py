"""Documents and files that are computed from their number, so that a million need no memory.

Documents are numbered from 0 in the order in which they were collected. Every file differs from
every other, has a declared size and SHA-256 and passes the checks under the default rules.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from portal.demo.media import IDENTITY_LENGTH, BaseFile, identity

SHANGHAI = ZoneInfo("Asia/Shanghai")
_FIRST_YEAR = 2024
# Larger files are PDF, as text that large does not occur.
_LARGEST_XML = 100_000
_NOISE = 1 << 20
_XML_OPENING = b'<?xml version="1.0" encoding="UTF-8"?>\n<receipt><text>'
_FILL = b"Expense item, receipt kept. "


@dataclass(frozen=True)
class Synthetic:
    """A tenant.

    :param documents: how many, spread evenly over the months
    :param files: of each document
    :param file_size: bytes of each file; at least about 150
    :param months: from January 2024 on
    """

    documents: int
    files: int = 1
    file_size: int = 200
    months: int = 12

    @property
    def first_day(self) -> str:
        """The first day of the first month."""
        return _month_start(0).date().isoformat()

    @property
    def last_day(self) -> str:
        """The last day of the last month."""
        return (_month_start(self.months) - timedelta(days=1)).date().isoformat()

    @property
    def file_count(self) -> int:
        """Of all documents."""
        return self.documents * self.files

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.file_count * self.base.size

    @cached_property
    def base(self) -> BaseFile:
        """What all files have in common."""
        return _xml(self.file_size) if self.file_size <= _LARGEST_XML else _pdf(self.file_size)

    @cached_property
    def starts(self) -> list[datetime]:
        """The first moment of each month, and of the one after the last."""
        return [_month_start(month) for month in range(self.months + 1)]

    def month_of(self, number: int) -> int:
        """In which month, from 0, a document was collected."""
        return ((number + 1) * self.months - 1) // self.documents

    def first_of(self, month: int) -> int:
        """The first document of a month, or how many there are behind the last month."""
        return month * self.documents // self.months

    def collected(self, number: int) -> datetime:
        """When, in whole seconds; never earlier than the document before."""
        month = self.month_of(number)
        first, behind = self.first_of(month), self.first_of(month + 1)
        start, end = self.starts[month], self.starts[month + 1]
        seconds = int((end - start).total_seconds()) * (number - first) // (behind - first)
        return start + timedelta(seconds=seconds)

    def between(self, start: datetime, end: datetime) -> range:
        """The documents collected from ``start`` on and before ``end``."""
        numbers = range(self.documents)
        first = bisect_left(numbers, start, key=self.collected)
        return range(first, bisect_left(numbers, end, key=self.collected))

    def months_of(self, numbers: range) -> list[tuple[str, int]]:
        """How many of the documents each month has; months without any are left out."""
        found = []
        for month in range(self.months):
            first, behind = self.first_of(month), self.first_of(month + 1)
            count = min(behind, numbers.stop) - max(first, numbers.start)
            if count > 0:
                found.append((f"{self.starts[month]:%Y-%m}", count))
        return found

    def row(self, number: int) -> str:
        """A document as a row of a listing, in JSON."""
        when = self.collected(number)
        files = ",".join(self._file(number, ordinal) for ordinal in range(self.files))
        return (
            f'{{"scanBillNo":"SYN{number:010d}","billNo":"B-{number}","fbillTypeCode":"FYBX",'
            '"fbillTypeDes":"费用报销单","fapplyOrganizationCode":"1001",'
            '"fapplyOrganizationName":"深圳总部","fapplyUserName":"张伟",'
            f'"collectTime":"{when.isoformat()}","totalAmount":"{number % 9999}.50",'
            f'"resource":"EAS","files":[{files}]}}'
        )

    def _file(self, number: int, ordinal: int) -> str:
        base = self.base
        return (
            f'{{"fileId":"{file_id(number, ordinal)}","fileType":"attach","seq":{ordinal + 1},'
            f'"fileName":"附件{ordinal + 1}.{base.suffix}","fileSuffix":"{base.suffix}",'
            f'"fileSize":{base.size},"sha256":"{base.sha256(identity(0, number, ordinal))}"}}'
        )

    def parts(self, name: str) -> tuple[bytes, bytes] | None:
        """The bytes of the file of this id, the large part shared; None where there is none."""
        number, _, ordinal = name.removeprefix("f").partition("-")
        if not (number.isdecimal() and ordinal.isdecimal()):
            return None
        if int(number) >= self.documents or int(ordinal) >= self.files:
            return None
        return self.base.parts(identity(0, int(number), int(ordinal)))


def file_id(number: int, ordinal: int) -> str:
    """What a file is called at the source."""
    return f"f{number}-{ordinal}"


def _month_start(month: int) -> datetime:
    return datetime(_FIRST_YEAR + month // 12, month % 12 + 1, 1, tzinfo=SHANGHAI)


def _xml(size: int) -> BaseFile:
    closing = b"</text><id>%b</id></receipt>\n"
    wanted = size - len(_XML_OPENING) - len(closing) + 2 - IDENTITY_LENGTH
    text = (_FILL * (wanted // len(_FILL) + 1))[: max(wanted, 0)]
    return BaseFile("xml", _XML_OPENING + text, lambda mark: closing % mark)


def _pdf(size: int) -> BaseFile:
    """One empty page, and an attachment of noise that makes the file as large as is wanted."""
    noise = random.Random(size).randbytes(min(size, _NOISE))
    filling = (noise * (size // len(noise) + 1))[:size]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(filling), filling),
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    table = b"xref\n0 5\n0000000000 65535 f \n"
    for number, text in enumerate(objects, start=1):
        table += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, text)
    end = b"\nstartxref\n%d\n%%%%EOF\n" % len(out)
    out += table + b"trailer\n<< /Size 5 /Root 1 0 R >>\n"
    return BaseFile("pdf", bytes(out), lambda mark: b"%% %b" % mark + end)
