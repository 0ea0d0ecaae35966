"""The tables of a connector profile: every path and name of the source contract, with its default.

The Chinese text of each entry is what the operators' page says of it, see ``profile_page``. Names
in answers may be dotted paths (:mod:`portal.sync.lookup`), names in requests too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from portal.errors import InvalidSetting

T = TypeVar("T")

#: Stands for the percent-encoded file id in the path of a file.
FILE_ID = "{fileId}"


def entry(default: T, zh: str, *, may_be_empty: bool = False) -> T:
    """One entry of a table: its default and what it is.

    :param may_be_empty: an empty text is allowed, and means that the other side has no such thing
    """
    metadata = {"zh": zh, "may_be_empty": may_be_empty}
    made: T = field(default=default, metadata=metadata)
    return made


@dataclass(frozen=True)
class Paths:
    """Paths of the four calls below the base URL, and of two that few have; a query may follow."""

    token: str = entry("/archivebase/scan/login/token", "取令牌")
    count: str = entry("/imgsys/migrate/v1/count", "清点")
    documents: str = entry("/imgsys/migrate/v1/documents", "列出单据")
    file: str = entry(
        "/imgsys/migrate/v1/files/" + FILE_ID, f"取文件；须含 `{FILE_ID}`，可放在路径或查询参数中"
    )
    organisations: str = entry(
        "", "列出组织；空文本表示没有这个接口，组织取自清点与列表", may_be_empty=True
    )
    bill_types: str = entry(
        "", "列出单据类型；空文本表示没有这个接口，单据类型取自清点与列表", may_be_empty=True
    )

    def __post_init__(self) -> None:
        for name in ("token", "count", "documents", "file"):
            if not getattr(self, name).startswith("/"):
                raise InvalidSetting(
                    f"paths.{name}：须以 / 开头", f"profile paths.{name}: must begin with /"
                )
        for name in ("organisations", "bill_types"):
            if not getattr(self, name).startswith("/") and getattr(self, name):
                raise InvalidSetting(
                    f"paths.{name}：须以 / 开头，或留空",
                    f"profile paths.{name}: must begin with /, or be empty",
                )
        if FILE_ID not in self.file:
            raise InvalidSetting(
                f"paths.file：须含 {FILE_ID}", f"profile paths.file: must contain {FILE_ID}"
            )


@dataclass(frozen=True)
class TokenFields:
    """Names in the token call's request and answer, and the number that says who asks."""

    client_id: str = entry("clientId", "请求：clientId")
    sign: str = entry("sign", "请求：签名，即 clientId + clientSecret + 时间戳的 MD5")
    timestamp: str = entry("timestamp", "请求：签名所用的时间戳")
    source: str = entry("fsource", "请求：来源编号；空文本表示不发送", may_be_empty=True)
    source_value: int = entry(99, "请求：来源编号的值")
    token: str = entry("accessToken", "应答：令牌")


@dataclass(frozen=True)
class EnvelopeFields:
    """Names in the envelope of every JSON answer."""

    errcode: str = entry(
        "errcode", "结果码；空文本表示应答中没有，只看 HTTP 状态", may_be_empty=True
    )
    description: str = entry("description", "结果说明；空文本表示没有", may_be_empty=True)
    data: str = entry("data", "数据所在；空文本表示应答本身就是数据", may_be_empty=True)


@dataclass(frozen=True)
class RequestFields:
    """Names in the requests of count and listing."""

    collect_from: str = entry("collectFrom", "采集时间从（含）")
    collect_to: str = entry("collectTo", "采集时间到（不含）")
    org_codes: str = entry("orgCodes", "组织代码，列表；空列表为全部")
    bill_type_codes: str = entry("billTypeCodes", "单据类型代码，列表；空列表为全部")
    page_no: str = entry("pageNo", "页码，从 1 起（`paging` 为 `page` 时）")
    page_size: str = entry("pageSize", "每页行数")
    offset: str = entry("offset", "从第几行起，首行为 0（`paging` 为 `offset` 时）")


@dataclass(frozen=True)
class CountFields:
    """Names in the ``data`` of a count."""

    documents: str = entry("documents", "单据数")
    files: str = entry("files", "文件数；空文本表示没有，总数与分组都不看", may_be_empty=True)
    bytes: str = entry("bytes", "字节数；空文本表示没有，总数与分组都不看", may_be_empty=True)
    groups: str = entry("groups", "分组列表")


@dataclass(frozen=True)
class GroupFields:
    """Names in a group of a count."""

    month: str = entry("month", "月份，`yyyy-MM`")
    org_code: str = entry("orgCode", "组织代码")
    bill_type_code: str = entry("billTypeCode", "单据类型代码")
    documents: str = entry("documents", "单据数")
    files: str = entry("files", "文件数")
    bytes: str = entry("bytes", "字节数")
    amount: str = entry("amount", "金额合计，可缺")


@dataclass(frozen=True)
class CatalogueFields:
    """Names in the ``data`` of a list of organisations or document types."""

    entries: str = entry("rows", "各行")
    code: str = entry("code", "代码")
    name: str = entry("name", "名称，可缺")


@dataclass(frozen=True)
class PageFields:
    """Names in the ``data`` of a listing's answer."""

    total: str = entry("total", "整个列表的单据数")
    page_no: str = entry("pageNo", "页码，可缺；与所问不同即拒绝（`paging` 为 `offset` 时不看）")
    rows: str = entry("rows", "本页各行")


@dataclass(frozen=True)
class RowFields:
    """Names in a row, in the contract's order."""

    image_no: str = entry("scanBillNo", "影像编号，必填")
    bill_no: str = entry("billNo", "单据编号")
    bill_type_code: str = entry("fbillTypeCode", "单据类型代码，必填")
    bill_type_name: str = entry("fbillTypeDes", "单据类型名称")
    org_code: str = entry("fapplyOrganizationCode", "组织代码，必填")
    org_name: str = entry("fapplyOrganizationName", "组织名称")
    applicant: str = entry("fapplyUserName", "申请人")
    collected_at: str = entry("collectTime", "采集时间，必填")
    amount: str = entry("totalAmount", "金额")
    resource: str = entry("resource", "来源系统")
    files: str = entry("files", "文件列表")


@dataclass(frozen=True)
class FileFields:
    """Names in a file of a row, in the contract's order."""

    file_id: str = entry("fileId", "文件编号，必填")
    category: str = entry("fileType", "文件类别，必填；其值见 `categories`")
    seq: str = entry("seq", "序号")
    name: str = entry("fileName", "文件名，必填")
    suffix: str = entry("fileSuffix", "扩展名；缺时取自文件名")
    size: str = entry("fileSize", "字节数")
    sha256: str = entry("sha256", "SHA-256 摘要")
    md5: str = entry("md5", "MD5 摘要")
    page_count: str = entry("pageCount", "页数")
    download_url: str = entry("downloadUrl", "下载地址；有则代替 `paths.file`")
