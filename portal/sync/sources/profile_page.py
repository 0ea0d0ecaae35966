"""The operators' page on the connector profile, made from its dataclasses.

``python -m portal.sync.sources.profile_page > docs/zh/连接配置.md``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from portal.sync.sources.profile import CHOICES, ConnectorProfile

_INTRODUCTION = """# 连接配置

由 `python -m portal.sync.sources.profile_page` 生成，请勿手工修改。

连接配置（connector profile）说明一个源系统的接口与默认接口有哪些不同：
路径、名称、翻页、令牌的传递方式等。它是一个 JSON 文件，**只写不同之处**，没有写的各项用默认值。
写错时会指出是哪一项、允许什么。

```sh
imgmig source add 数据源 --profile 文件.json
imgmig source check 数据源 --month 2024-01     # 改完就试；--month 选一个有单据的月份
imgmig source add 数据源 --clear profile       # 恢复默认
```

- 名称可以写成用点连接的路径，表示在内层对象中：`result.list` 是 `result` 里的 `list`。
  对象中恰有带点的名称时，以它为先。
- “可为空”的项写空文本 `""`，表示对方没有这一项。
- 完整的例子见[连接配置示例](连接配置示例.json)：
  用 `GET` 查询、按行偏移翻页、令牌放在查询参数中、应答多包一层的源系统。
- 签名的算法不能配置；步骤（取令牌、清点、列表、取文件）不同的源系统需要另写程序。
"""


def markdown_page() -> str:
    """The page ``docs/zh/连接配置.md``."""
    profile = ConnectorProfile()
    tables = [one for one in fields(profile) if is_dataclass(getattr(profile, one.name))]
    single = [one for one in fields(profile) if one not in tables]
    parts = [_INTRODUCTION, "## 单项", _table(profile, single)]
    for one in tables:
        table = getattr(profile, one.name)
        parts += [f"## `{one.name}`", f"{one.metadata['zh']}。\n", _table(table, fields(table))]
    return "\n".join(parts)


def _table(owner: Any, entries: Any) -> str:
    rows = [
        f"| `{one.name}` | {_default(getattr(owner, one.name))} | {_meaning(one)} |"
        for one in entries
    ]
    return "\n".join(("| 项 | 默认值 | 含义 |", "|---|---|---|", *rows, ""))


def _default(value: Any) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    return f"`{json.dumps(plain, ensure_ascii=False)}`"


def _meaning(entry: Any) -> str:
    words = [entry.metadata["zh"]]
    if entry.name in CHOICES:
        words.append("可选 " + "、".join(f"`{choice}`" for choice in CHOICES[entry.name]))
    if entry.metadata.get("may_be_empty"):
        words.append("可为空")
    return "。".join(words)


if __name__ == "__main__":
    print(markdown_page(), end="")  # noqa: T201
