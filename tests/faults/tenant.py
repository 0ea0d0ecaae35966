"""A small tenant: rows as the source contract has them, and pictures that are all different."""

from __future__ import annotations

import copy
import hashlib
import io
import random
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image

SHANGHAI = ZoneInfo("Asia/Shanghai")
JPEG_TYPE = "image/jpeg"

Row = dict[str, Any]


class Tenant:
    """Documents by month (``2024-01``), in the order they were added, and their files' bytes."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self.bodies: dict[str, bytes] = {}

    def add(self, month: str, image_no: str, *files: str, **changes: Any) -> Row:
        """Add a document with one picture for each file id; ``changes`` replace its fields."""
        rows = self.rows.setdefault(month, [])
        first = datetime.fromisoformat(f"{month}-02T09:00:00").replace(tzinfo=SHANGHAI)
        row: Row = {
            "scanBillNo": image_no,
            "billNo": f"FY-{image_no}",
            "fbillTypeCode": "FYBX",
            "fbillTypeDes": "费用报销单",
            "fapplyOrganizationCode": "1001",
            "fapplyOrganizationName": "深圳总部",
            "fapplyUserName": "张伟",
            "collectTime": (first + timedelta(minutes=len(rows))).isoformat(),
            "totalAmount": "1280.50",
            "resource": "EAS",
            "files": [self._file(file_id, seq) for seq, file_id in enumerate(files, start=1)],
        }
        rows.append(row | changes)
        return rows[-1]

    def all_rows(self, collect_from: str, collect_to: str) -> list[Row]:
        """The rows of the months that begin within a range, copied."""
        months = [
            month
            for month in sorted(self.rows)
            if collect_from[:10] <= f"{month}-01" < collect_to[:10]
        ]
        return [copy.deepcopy(row) for month in months for row in self.rows[month]]

    def _file(self, file_id: str, seq: int) -> Row:
        body = self.bodies.setdefault(file_id, picture(file_id))
        return {
            "fileId": file_id,
            "fileType": "cover" if seq == 1 else "attach",
            "seq": seq,
            "fileName": f"{file_id}.jpg",
            "fileSuffix": "jpg",
            "fileSize": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "md5": hashlib.md5(body).hexdigest(),
            "pageCount": 1,
            "downloadUrl": None,
        }


def picture(mark: str) -> bytes:
    """A JPEG that differs from any other one by the mark in a comment of it."""
    comment = mark.encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return b"\xff\xd8" + segment + _jpeg()[2:]


@cache
def png() -> bytes:
    """What is no JPEG."""
    return _saved("PNG", colours=2)


@cache
def _jpeg() -> bytes:
    return _saved("JPEG", colours=256)


def _saved(kind: str, colours: int) -> bytes:
    chance = random.Random(7)
    small = Image.frombytes("L", (40, 32), bytes(chance.randrange(colours) for _ in range(40 * 32)))
    out = io.BytesIO()
    small.resize((400, 320)).save(out, kind)
    return out.getvalue()
