"""A source made of a plain list, and documents for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from portal.sync.sources.rows import Count, Named, Page, Scope, SourceDocument, SourceFile
from portal.sync.sources.targets import Target

FIRST_COLLECTED = datetime(2024, 1, 2, 1, 0, tzinfo=UTC)


def make_document(number: int, *, files: int = 1, **changes: Any) -> SourceDocument:
    """Document ``number`` of January 2024, complete unless changed."""
    values: dict[str, Any] = {
        "image_no": f"FYBX{number:05d}",
        "resource": "EAS",
        "bill_no": f"FY-{number}",
        "bill_type_code": "FYBX",
        "bill_type_name": "费用报销单",
        "org_code": "1001",
        "org_name": "深圳总部",
        "applicant": "张伟",
        "collected_at": FIRST_COLLECTED + timedelta(minutes=number),
        "amount": None,
        "files": tuple(make_file(number, position + 1) for position in range(files)),
        "extra": {},
        "problem": None,
    }
    return SourceDocument(**{**values, **changes})


def make_file(number: int, position: int, **changes: Any) -> SourceFile:
    values: dict[str, Any] = {
        "file_id": f"f-{number}-{position}",
        "category": "attachment",
        "seq": position,
        "name": f"附件{position}.txt",
        "suffix": "txt",
        "size": None,
        "sha256": None,
        "md5": None,
        "page_count": None,
        "download_url": None,
    }
    return SourceFile(**{**values, **changes})


class FakeSource:
    """Implements :class:`portal.sync.sources.base.Source`.

    ``before_page`` is called with the number of every page before it is given, ``before_count``
    before a count, ``before_check`` before a check: they may change ``documents`` or raise.
    ``pages`` replaces single pages, ``counted`` the source's own count.
    """

    def __init__(
        self,
        documents: Iterable[SourceDocument] = (),
        *,
        page_size: int = 2,
        address: str = "http://127.0.0.1:9",
    ) -> None:
        self.documents = list(documents)
        self.page_size = page_size
        self.pages: dict[int, list[SourceDocument]] = {}
        self.counted: int | None = None
        self.version: str | None = None
        self.asked: list[int] = []
        self.before_page: Callable[[int], None] = lambda _: None
        self.before_count: Callable[[], None] = lambda: None
        self.before_check: Callable[[], None] = lambda: None
        self.before_token: Callable[[], None] = lambda: None
        self.address = address
        self.tokens = 1
        self.closed = 0

    def count(self, scope: Scope) -> Count:
        self.before_count()
        documents = self._within(scope)
        files = sum(len(document.files) for document in documents)
        counted = len(documents) if self.counted is None else self.counted
        return Count(documents=counted, files=files, bytes=0, groups=())

    def page(self, scope: Scope, page_no: int) -> Page:
        self.asked.append(page_no)
        self.before_page(page_no)
        documents = self._within(scope)
        start = (page_no - 1) * self.page_size
        rows = self.pages.get(page_no, documents[start : start + self.page_size])
        return Page(
            total=len(documents), page_no=page_no, documents=tuple(rows), version=self.version
        )

    def organisations(self) -> tuple[Named, ...] | None:
        return None

    def bill_types(self) -> tuple[Named, ...] | None:
        return None

    def check(self) -> None:
        self.before_check()

    def token(self) -> str:
        self.before_token()
        return f"token-{self.tokens}"

    def renew_token(self, stale: str) -> str:
        self.tokens += stale == self.token()
        return self.token()

    def download_target(self, file_id: str, download_url: str | None) -> Target:
        token = self.token()
        path = download_url or f"/files/{file_id}"
        url = f"{self.address}{path}" if path.startswith("/") else path
        return Target(url, (f"Authorization: Bearer {token}",), token)

    def redirect_target(self, target: Target, location: str) -> Target:
        return Target(f"{self.address}{location}", redirects=target.redirects + 1)

    def close(self) -> None:
        self.closed += 1

    def _within(self, scope: Scope) -> list[SourceDocument]:
        return [
            document
            for document in self.documents
            if document.collected_at is None
            or scope.starts_at <= document.collected_at < scope.ends_at
        ]
