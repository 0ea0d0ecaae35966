"""The connector profile: where a site's interface differs from the contract, without code.

Only differences are kept with a data source, as JSON; :meth:`ConnectorProfile.from_mapping` reads
them. The defaults are the source contract, version 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, Self, get_args

from portal.errors import InvalidSetting
from portal.sync.sources.profile_fields import (
    FILE_ID,
    CatalogueFields,
    CountFields,
    EnvelopeFields,
    FileFields,
    GroupFields,
    PageFields,
    Paths,
    RequestFields,
    RowFields,
    TokenFields,
    entry,
)
from portal.sync.sources.rows import Category

__all__ = ["CHOICES", "FILE_ID", "MAX_PAGE_SIZE", "ConnectorProfile", "FileFields", "RowFields"]

#: What an entry may be that is one of a few words.
CHOICES = {
    "query_method": ("POST", "GET"),
    "token_passing": ("header", "query"),
    "paging": ("page", "offset"),
    "timestamp_unit": ("ms", "s"),
    "time_format": ("iso", "local"),
}
MAX_PAGE_SIZE = 5000


def _contract_categories() -> dict[str, Category]:
    return {"cover": "cover", "invoice": "invoice", "attach": "attachment"}


@dataclass(frozen=True)
class ConnectorProfile:
    """How one site's interface looks; the entries' texts say what each of them is.

    :raises ValueError: naming the entry that makes no sense
    """

    paths: Paths = entry(Paths(), "各接口的路径，以 `/` 开头，接在源系统地址之后")
    token: TokenFields = entry(TokenFields(), "取令牌的请求与应答中的名称")
    envelope: EnvelopeFields = entry(EnvelopeFields(), "每个 JSON 应答最外层的名称")
    request: RequestFields = entry(RequestFields(), "清点与列表请求中的名称")
    count: CountFields = entry(CountFields(), "清点应答的数据中的名称")
    group: GroupFields = entry(GroupFields(), "清点应答的每个分组中的名称")
    catalogue: CatalogueFields = entry(
        CatalogueFields(), "组织列表与单据类型列表应答的数据中的名称（`paths` 中有它们时）"
    )
    page: PageFields = entry(PageFields(), "列表应答的数据中的名称")
    row: RowFields = entry(RowFields(), "列表的一行（一份单据）中的名称")
    file: FileFields = entry(FileFields(), "单据的一个文件中的名称")
    categories: Mapping[str, Category] = field(
        default_factory=_contract_categories,
        hash=False,
        metadata={
            "zh": "源系统的文件类别对应的本产品类别：`cover` 封面、`invoice` 发票、"
            "`attachment` 附件。整体替换，不与默认值合并"
        },
    )
    query_method: Literal["POST", "GET"] = entry(
        "POST", "清点与列表的请求方法；`GET` 时条件作为查询参数，列表重复同名参数，空列表不发送"
    )
    token_passing: Literal["header", "query"] = entry(
        "header", "令牌的传递方式：请求头 `Authorization: Bearer`，或查询参数"
    )
    token_parameter: str = entry(
        "access_token", "令牌的查询参数名（`token_passing` 为 `query` 时）"
    )
    paging: Literal["page", "offset"] = entry("page", "翻页方式：页码，或行偏移")
    page_size: int = entry(500, f"每页行数，1–{MAX_PAGE_SIZE}")
    timestamp_unit: Literal["ms", "s"] = entry("ms", "取令牌的时间戳的单位：毫秒，或秒")
    time_format: Literal["iso", "local"] = entry(
        "iso",
        "时间的写法：`iso` 发送带时差的 ISO 8601，读取时带时差或 `yyyy-MM-dd HH:mm:ss`；"
        "`local` 发送 `yyyy-MM-dd HH:mm:ss`，读取时不带时差的 ISO 写法也接受。"
        "不带时差即上海时间",
    )
    success_errcode: str = entry("0000", "表示成功的结果码；数字、布尔值按文本比较，如 `0`、`true`")
    credential_errcodes: tuple[str, ...] = entry(
        ("1101", "1200"), "取令牌时表示 clientId、clientSecret 被拒绝的结果码，列表"
    )

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                words = ", ".join(choices)
                raise InvalidSetting(
                    f"{name}：须为 {words} 之一", f"profile {name}: must be one of {words}"
                )
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise InvalidSetting(
                f"page_size：须为 1–{MAX_PAGE_SIZE}",
                f"profile page_size: must be 1 to {MAX_PAGE_SIZE}",
            )
        ours = get_args(Category)
        if not self.categories or any(word not in ours for word in self.categories.values()):
            words = ", ".join(ours)
            raise InvalidSetting(
                f"categories：须把各文件类别对应到 {words}",
                f"profile categories: must map words to {words}",
            )

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
    known = {f.name: f for f in fields(default)}
    for name in overrides:
        if name not in known:
            names = ", ".join(known)
            raise InvalidSetting(
                f"{where}{name}：没有这一项；可用：{names}",
                f"profile {where}{name}: unknown; known are {names}",
            )
    entries = {
        name: _entry(
            getattr(default, name),
            value,
            where + name,
            may_be_empty=known[name].metadata.get("may_be_empty", False),
        )
        for name, value in overrides.items()
    }
    return replace(default, **entries)


def _entry(default: Any, value: Any, where: str, *, may_be_empty: bool) -> Any:
    """``value`` if it is of the kind of its default."""
    if is_dataclass(default) or isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise InvalidSetting(
                f"{where}：须为名称的对象", f"profile {where}: must be a table of names"
            )
        return _overridden(default, value, where + ".") if is_dataclass(default) else dict(value)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(_is_text(one) for one in value):
            raise InvalidSetting(
                f"{where}：须为文本的列表", f"profile {where}: must be a list of texts"
            )
        return tuple(value)
    if type(value) is not type(default) or (value == "" and not may_be_empty):
        if isinstance(default, int):
            zh, kind = "整数", "a whole number"
        elif may_be_empty:
            zh, kind = "文本", "a text"
        else:
            zh, kind = "非空文本", "a text that is not empty"
        raise InvalidSetting(f"{where}：须为{zh}", f"profile {where}: must be {kind}")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
