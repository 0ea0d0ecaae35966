"""The demo tenant: documents by index, made when asked for."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.demo.defects import CODES, plant, spoil
from portal.demo.media import identity
from portal.demo.names import applicant
from portal.demo.options import DemoOptions
from portal.demo.plans import PERIOD, FilePlan, Plan, make_plans
from portal.demo.pool import base_files
from portal.demo.sums import Group, Sums, Totals
from portal.demo.timeline import Timeline

_FILE_ID = re.compile(r"f-(\d{6,10})-([1-9])")


@dataclass(frozen=True)
class Filter:
    """What count and listing are asked for; empty collections mean all.

    The range is half-open and its ends are aware.
    """

    collect_from: datetime
    collect_to: datetime
    org_codes: Collection[str] = ()
    bill_type_codes: Collection[str] = ()

    def takes(self, plan: Plan) -> bool:
        """Whether organisation and document type are wanted."""
        return (not self.org_codes or plan.organisation.code in self.org_codes) and (
            not self.bill_type_codes or plan.bill_type.code in self.bill_type_codes
        )


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the download sees it."""

    position: int
    plan: FilePlan
    identity: bytes

    @property
    def parts(self) -> tuple[bytes, bytes]:
        """Its bytes in two pieces."""
        return self.plan.base.parts(self.identity)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.plan.base.size

    @property
    def sha256(self) -> str:
        """Of its true bytes."""
        return self.plan.base.sha256(self.identity)


class Tenant:
    """Everything the source knows. Reading it changes nothing, so threads may share it."""

    MOST_FILES = 5

    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self._timeline = Timeline(
            options.documents, options.first_month, options.months, options.seed
        )
        self._plans = make_plans(base_files(options.mean_size), options.seed)
        self._planted = plant(options.documents, self._regular_plan)
        differences = {
            index: planted.plan.size - self._regular_plan(index).size
            for index, planted in self._planted.items()
        }
        self._sums = Sums(self._plans, differences)

    def page(
        self, wanted: Filter, page_no: int, page_size: int, host: str
    ) -> tuple[int, list[dict[str, Any]]]:
        """How many documents there are, and the rows of one page (numbered from 1).

        :param host: the address of this server, for download addresses if the options want them
        """
        selected = [slot for slot, plan in enumerate(self._plans) if wanted.takes(plan)]
        span = self._timeline.between(wanted.collect_from, wanted.collect_to)
        first, end = (_rank(selected, index) for index in (span.start, span.stop))
        start = min(end, first + (page_no - 1) * page_size)
        stop = min(end, start + page_size)
        rows = [self._row(_nth(selected, rank), host) for rank in range(start, stop)]
        return end - first, rows

    def groups(self, wanted: Filter) -> Iterator[Group]:
        """The sums by month, organisation and document type, in that order; no empty ones."""
        span = self._timeline.between(wanted.collect_from, wanted.collect_to)
        for number, month in enumerate(self._timeline.months):
            whole = self._timeline.month_range(number)
            part = range(max(whole.start, span.start), min(whole.stop, span.stop))
            if part:
                yield from self._sums.groups(month, part, wanted.takes)

    def totals(self) -> Totals:
        """The sums over everything."""
        return self._sums.everything(range(self.options.documents))

    def file(self, file_id: str) -> StoredFile | None:
        """The file of that id, if there is one."""
        match = _FILE_ID.fullmatch(file_id)
        if match is None:
            return None
        number, ordinal = int(match[1]), int(match[2])
        # The second condition keeps a file from having two ids, "f-0000017-1" for one.
        if not 0 < number <= self.options.documents or _file_id(number, ordinal) != file_id:
            return None
        files = self._plan(number - 1).files
        if ordinal > len(files):
            return None
        return StoredFile(
            position=(number - 1) * self.MOST_FILES + ordinal - 1,
            plan=files[ordinal - 1],
            identity=identity(self.options.seed, number, ordinal),
        )

    def file_id_at(self, position: int) -> str:
        """The id of the file at that position."""
        return _file_id(position // self.MOST_FILES + 1, position % self.MOST_FILES + 1)

    def defects(self) -> list[dict[str, str | None]]:
        """The planted defects as ``/_demo/expected`` shows them."""
        return [
            {
                "imageNo": self._row(index, "").get("scanBillNo"),
                "defect": planted.defect.value,
                "code": CODES[planted.defect],
            }
            for index, planted in sorted(self._planted.items())
        ]

    def _regular_plan(self, index: int) -> Plan:
        return self._plans[index % PERIOD]

    def _plan(self, index: int) -> Plan:
        planted = self._planted.get(index)
        return planted.plan if planted else self._regular_plan(index)

    def _row(self, index: int, host: str) -> dict[str, Any]:
        plan, number, collected = self._plan(index), index + 1, self._timeline.text(index)
        bill_type, organisation = plan.bill_type, plan.organisation
        row: dict[str, Any] = {
            "scanBillNo": f"{bill_type.code}{collected[:10].replace('-', '')}{number:06d}",
            "billNo": f"{bill_type.short}-{collected[:4]}-{number:06d}",
            "fbillTypeCode": bill_type.code,
            "fbillTypeDes": bill_type.name,
            "fapplyOrganizationCode": organisation.code,
            "fapplyOrganizationName": organisation.name,
            "fapplyUserName": applicant(number * 7919 + self.options.seed),
            "collectTime": collected,
            "totalAmount": f"{plan.cents // 100}.{plan.cents % 100:02d}",
            "files": [
                self._file_row(number, ordinal, file, host)
                for ordinal, file in enumerate(plan.files, start=1)
            ],
        }
        if plan.resource:
            row["resource"] = plan.resource
        planted = self._planted.get(index)
        if planted:
            spoil(row, planted.defect)
        return row

    def _file_row(self, number: int, ordinal: int, file: FilePlan, host: str) -> dict[str, Any]:
        mark = identity(self.options.seed, number, ordinal)
        file_id = _file_id(number, ordinal)
        with_url = self.options.download_urls and (number + ordinal) % 3 == 0
        row = {
            "fileId": file_id,
            "fileType": file.category,
            "seq": ordinal,
            "fileName": file.name,
            "fileSuffix": file.suffix,
            "fileSize": file.base.size,
            "sha256": file.base.sha256(mark),
            "pageCount": file.base.pages,
            "downloadUrl": f"{host}/imgsys/migrate/v1/files/{file_id}" if with_url else None,
        }
        if file.with_md5:
            row["md5"] = file.base.md5(mark)
        return row


def _file_id(number: int, ordinal: int) -> str:
    return f"f-{number:06d}-{ordinal}"


def _rank(selected: list[int], index: int) -> int:
    """How many selected documents come before that index."""
    return index // PERIOD * len(selected) + bisect_left(selected, index % PERIOD)


def _nth(selected: list[int], rank: int) -> int:
    """The index of the selected document of that rank, from 0."""
    rounds, place = divmod(rank, len(selected))
    return rounds * PERIOD + selected[place]
