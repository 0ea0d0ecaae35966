"""The connector profile: where a site's interface differs from the contract, without code.

Only differences are kept with a data source, as JSON; :meth:`ConnectorProfile.from_mapping` reads
them. The defaults are the source contract, version 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, Self, get_args

from portal.sync.sources.rows import Category

#: Stands for the percent-encoded file id in the path of a file.
FILE_ID = "{fileId}"

_CHOICES = {
    "token_passing": ("header", "query"),
    "paging": ("page", "offset"),
    "timestamp_unit": ("ms", "s"),
}
_MAX_PAGE_SIZE = 5000


@dataclass(frozen=True)
class Paths:
    """Paths of the four calls below the base URL."""

    token: str = "/archivebase/scan/login/token"  # noqa: S105 - a path
    count: str = "/imgsys/migrate/v1/count"
    documents: str = "/imgsys/migrate/v1/documents"
    file: str = "/imgsys/migrate/v1/files/" + FILE_ID

    def __post_init__(self) -> None:
        for name in ("token", "count", "documents", "file"):
            if not getattr(self, name).startswith("/"):
                raise ValueError(f"profile paths.{name}: must begin with /")
        if FILE_ID not in self.file:
            raise ValueError(f"profile paths.file: must contain {FILE_ID}")


@dataclass(frozen=True)
class RequestFields:
    """Names in the requests of count and listing."""

    collect_from: str = "collectFrom"
    collect_to: str = "collectTo"
    org_codes: str = "orgCodes"
    bill_type_codes: str = "billTypeCodes"
    page_no: str = "pageNo"
    page_size: str = "pageSize"
    offset: str = "offset"


@dataclass(frozen=True)
class PageFields:
    """Names in the ``data`` of a listing's answer."""

    total: str = "total"
    page_no: str = "pageNo"
    rows: str = "rows"


@dataclass(frozen=True)
class RowFields:
    """Names in a row, in the contract's order."""

    image_no: str = "scanBillNo"
    bill_no: str = "billNo"
    bill_type_code: str = "fbillTypeCode"
    bill_type_name: str = "fbillTypeDes"
    org_code: str = "fapplyOrganizationCode"
    org_name: str = "fapplyOrganizationName"
    applicant: str = "fapplyUserName"
    collected_at: str = "collectTime"
    amount: str = "totalAmount"
    resource: str = "resource"
    files: str = "files"


@dataclass(frozen=True)
class FileFields:
    """Names in a file of a row, in the contract's order."""

    file_id: str = "fileId"
    category: str = "fileType"
    seq: str = "seq"
    name: str = "fileName"
    suffix: str = "fileSuffix"
    size: str = "fileSize"
    sha256: str = "sha256"
    md5: str = "md5"
    page_count: str = "pageCount"
    download_url: str = "downloadUrl"


def _contract_categories() -> dict[str, Category]:
    return {"cover": "cover", "invoice": "invoice", "attach": "attachment"}


@dataclass(frozen=True)
class ConnectorProfile:
    """How one site's interface looks.

    ``token_passing`` is ``header`` (``Authorization: Bearer``) or ``query`` (parameter
    ``token_parameter``). ``paging`` sends a page number from 1, or an ``offset`` of rows from 0.
    ``timestamp_unit`` is that of the signed time. ``categories`` maps the source's words to ours.

    :raises ValueError: naming the entry that makes no sense
    """

    paths: Paths = Paths()
    request: RequestFields = RequestFields()
    page: PageFields = PageFields()
    row: RowFields = RowFields()
    file: FileFields = FileFields()
    categories: Mapping[str, Category] = field(default_factory=_contract_categories, hash=False)
    token_passing: Literal["header", "query"] = "header"  # noqa: S105 - a way
    token_parameter: str = "access_token"  # noqa: S105 - a parameter's name
    paging: Literal["page", "offset"] = "page"
    page_size: int = 500
    timestamp_unit: Literal["ms", "s"] = "ms"
    success_errcode: str = "0000"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"profile {name}: must be one of {', '.join(choices)}")
        if not 1 <= self.page_size <= _MAX_PAGE_SIZE:
            raise ValueError(f"profile page_size: must be 1 to {_MAX_PAGE_SIZE}")
        ours = get_args(Category)
        if not self.categories or any(word not in ours for word in self.categories.values()):
            raise ValueError(f"profile categories: must map words to {', '.join(ours)}")

    @classmethod
    def from_mapping(cls, overrides: Mapping[str, Any]) -> Self:
        """The contract with ``overrides``; nested tables need only what differs.

        ``categories`` is replaced as a whole.

        :raises ValueError: naming an unknown entry or one whose value makes no sense
        """
        profile: Self = _overridden(cls(), overrides, "")
        return profile


def _overridden(default: Any, overrides: Mapping[str, Any], where: str) -> Any:
    """``default``, a dataclass, with the named fields replaced; ``where`` leads to it."""
    known = {f.name: getattr(default, f.name) for f in fields(default)}
    for name in overrides:
        if name not in known:
            raise ValueError(f"profile {where}{name}: unknown; known are {', '.join(known)}")
    entries = {name: _entry(known[name], overrides[name], where + name) for name in overrides}
    return replace(default, **entries)


def _entry(default: Any, value: Any, where: str) -> Any:
    """``value`` if it is of the kind of its default."""
    if is_dataclass(default) or isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"profile {where}: must be a table of names")
        return _overridden(default, value, where + ".") if is_dataclass(default) else dict(value)
    if type(value) is not type(default) or value == "":
        kind = "a whole number" if isinstance(default, int) else "a text that is not empty"
        raise ValueError(f"profile {where}: must be {kind}")
    return value
