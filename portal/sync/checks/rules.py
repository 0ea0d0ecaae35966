"""Which files are accepted: the compatibility rules of a data source.

The defaults are this project's own; nothing published by Kingdee sets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from portal.errors import InvalidSetting
from portal.sync.checks.sniff import KNOWN_KINDS, PICTURE_KINDS

_EVERYWHERE = PICTURE_KINDS | {"pdf", "ofd"}


@dataclass(frozen=True)
class CompatibilityRules:
    """What a file must be to be archived.

    :param cover: kinds accepted as 封面; see :data:`portal.sync.checks.sniff.KNOWN_KINDS`
    :param invoice: kinds accepted as 发票
    :param attachment: kinds accepted as 附件
    :param max_bytes: largest file, in bytes
    :param min_short_side: least pixels of a picture's shorter side
    :param max_pixels: most pixels of one frame, width × height
    :param max_pages: most pages of a file, or frames of an animation
    :param min_dpi: least dots per inch of a picture that says how many it has; 0 for any
    :param required: further fields a document must have; see :data:`DEMANDABLE`
    :param deep: compute every frame and draw every PDF; else only those of files whose bytes no
        declared digest has proved to be the source's
    :raises ValueError: if a value makes no sense; the text names the rule
    """

    cover: frozenset[str] = _EVERYWHERE
    invoice: frozenset[str] = _EVERYWHERE | {"xml"}
    attachment: frozenset[str] = _EVERYWHERE | {"xml", "ole", "ooxml", "txt"}
    max_bytes: int = 200 * 1024 * 1024
    min_short_side: int = 300
    max_pixels: int = 100_000_000
    max_pages: int = 2_000
    min_dpi: int = 0
    required: frozenset[str] = frozenset()
    deep: bool = False

    def __post_init__(self) -> None:
        for category in _CATEGORIES:
            unknown = self.kinds_for(category) - KNOWN_KINDS
            if unknown:
                allowed = ", ".join(sorted(KNOWN_KINDS))
                found = ", ".join(sorted(unknown))
                raise InvalidSetting(
                    f"{category}：没有 {found} 这种类型；可用：{allowed}",
                    f"{category}: unknown kind {found}; allowed: {allowed}",
                )
        for name in _NUMBERS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidSetting(
                    f"{name}：须为不小于 1 的整数，不能是 {value!r}",
                    f"{name}: a whole number of at least 1 is wanted, not {value!r}",
                )
        if type(self.min_dpi) is not int or self.min_dpi < 0:
            raise InvalidSetting(
                f"min_dpi：须为不小于 0 的整数，不能是 {self.min_dpi!r}",
                f"min_dpi: a whole number of at least 0 is wanted, not {self.min_dpi!r}",
            )
        if unknown := self.required - DEMANDABLE:
            found, allowed = ", ".join(sorted(unknown)), ", ".join(sorted(DEMANDABLE))
            raise InvalidSetting(
                f"required：没有 {found} 这个字段；可用：{allowed}",
                f"required: unknown field {found}; allowed: {allowed}",
            )
        if type(self.deep) is not bool:
            raise InvalidSetting(
                f"deep：须为 true 或 false，不能是 {self.deep!r}",
                f"deep: true or false is wanted, not {self.deep!r}",
            )

    def kinds_for(self, category: str) -> frozenset[str]:
        """What is accepted in a category; :raises ValueError: if there is no such category."""
        if category not in _CATEGORIES:
            raise ValueError(f"{category}: no such category; there are {', '.join(_CATEGORIES)}")
        kinds: frozenset[str] = getattr(self, category)
        return kinds

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> CompatibilityRules:
        """Read what :meth:`to_mapping` wrote; what is left out keeps its default.

        :raises ValueError: if a key is unknown or a value makes no sense; the text names it
        """
        names = [item.name for item in fields(cls)]
        for key in values:
            if key not in names:
                known = ", ".join(names)
                raise InvalidSetting(
                    f"{key}：没有这条规则；可用：{known}", f"{key}: unknown rule; there are {known}"
                )
        read: dict[str, Any] = {
            key: _kinds(key, value) if key in _LISTS else value for key, value in values.items()
        }
        return cls(**read)

    def to_mapping(self) -> dict[str, Any]:
        """The rules as plain JSON values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**values, **{category: sorted(values[category]) for category in _LISTS}}


#: Fields that a source may leave empty and a site may demand.
DEMANDABLE = frozenset({"bill_no", "bill_type_name", "org_name", "applicant", "amount"})
_CATEGORIES = ("cover", "invoice", "attachment")
_LISTS = (*_CATEGORIES, "required")
_NUMBERS = ("max_bytes", "min_short_side", "max_pixels", "max_pages")


def _kinds(category: str, value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(
        isinstance(kind, str) for kind in value
    ):
        raise InvalidSetting(
            f"{category}：须为类型的列表，不能是 {value!r}",
            f"{category}: a list of kinds is wanted, not {value!r}",
        )
    return frozenset(value)
