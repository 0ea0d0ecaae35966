"""The columns of a table of rows: the names they may have, and what of a document each one is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from portal.sync.answers import one_line
from portal.sync.sources.profile import ConnectorProfile, FileFields, RowFields

#: Where the file is: the one column that the source contract does not have.
PATH = "path"
_CHINESE = {
    "image_no": ("影像编号", "影像编码", "imageNo"),
    "bill_no": ("单据编号",),
    "bill_type_code": ("单据类型代码", "单据类型编码", "billTypeCode"),
    "bill_type_name": ("单据类型名称", "单据类型", "billTypeName"),
    "org_code": ("组织代码", "组织编码", "orgCode"),
    "org_name": ("组织名称", "组织", "orgName"),
    "applicant": ("申请人", "提单人", "applicant"),
    "collected_at": ("采集时间", "采集日期", "collectedAt"),
    "amount": ("金额", "amount"),
    "resource": ("来源系统",),
    "files": ("文件列表",),
    "file_id": ("文件编号",),
    "category": ("文件类别", "category"),
    "seq": ("序号",),
    "name": ("文件名", "文件名称"),
    "suffix": ("扩展名",),
    "size": ("文件大小", "字节数", "size"),
    "sha256": ("SHA-256",),
    "md5": ("MD5",),
    "page_count": ("页数",),
    PATH: ("文件路径", "路径", "filePath"),
}
_IGNORED = re.compile(r"[\s_-]+")
_USUAL: dict[str, str] = {**vars(RowFields()), **vars(FileFields()), PATH: PATH}
_OF_FILE = frozenset({*(vars(FileFields())), PATH})
#: Fields without which no row is a document with a file.
REQUIRED = ("image_no", "bill_type_code", "org_code", "collected_at", "category")


class BadColumns(ValueError):
    """The names of the columns are wrong; why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")


@dataclass(frozen=True, slots=True)
class Names:
    """Which field a name stands for, in any case and with ``_`` or without."""

    fields: Mapping[str, str]

    @classmethod
    def of(cls, profile: ConnectorProfile) -> Names:
        """The contract's names, Chinese and short ones, and those of a connector profile."""
        found: dict[str, str] = {}
        for table in (RowFields(), FileFields(), profile.row, profile.file):
            found |= {_folded(name): field for field, name in vars(table).items()}
        for field, names in _CHINESE.items():
            found |= {_folded(name): field for name in (*names, field)}
        # A table has paths; addresses of its own would go past the place of the files.
        return cls({name: field for name, field in found.items() if field != "download_url"})

    def field(self, name: str) -> str | None:
        """The field of a name, none when it has no meaning."""
        return self.fields.get(_folded(name))

    def header(
        self, names: Sequence[str], *, needs_path: bool = True, besides: Collection[str] = ()
    ) -> list[str]:
        """The fields of a table's columns; one of ``besides`` keeps its name.

        :raises BadColumns: for one that is unknown, double or missing
        """
        fields = [self._of_column(name, besides) for name in names]
        for position, field in enumerate(fields):
            if field in fields[:position]:
                first = names[fields.index(field)]
                raise BadColumns(
                    f"列 {_shown(names[position])} 与 {_shown(first)} 重复",
                    f"columns {_shown(names[position])} and {_shown(first)} are the same",
                )
        required = (*REQUIRED, PATH) if needs_path else REQUIRED
        missing = [usual_name(field) for field in required if field not in fields]
        if missing:
            words = ", ".join(missing)
            raise BadColumns(f"缺少列 {words}", f"missing: {words}")
        return fields

    def _of_column(self, name: str, besides: Collection[str]) -> str:
        field = self.field(name)
        if field == "files":
            field = None
        if field is None and name in besides:
            return name
        if field is None:
            raise BadColumns(f"不认识的列 {_shown(name)}", f"unknown column {_shown(name)}")
        return field


def usual_name(field: str) -> str:
    """What the contract calls a field."""
    return _USUAL[field]


def is_of_file(field: str) -> bool:
    """Whether a field is the file's, not its document's."""
    return field in _OF_FILE


def _folded(name: str) -> str:
    return _IGNORED.sub("", name).casefold()


def _shown(name: str) -> str:
    return one_line(name, 60) or "“”"
