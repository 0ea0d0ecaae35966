"""Paths of files as somebody else wrote them: which are taken, and which never leave the place."""

from __future__ import annotations

import re

from portal.sync.answers import CONTROLS

LONGEST_PATH = 1024
_LONGEST_NAME = 255
_UNSAFE = re.compile(rf"[{CONTROLS}]")
_DRIVE = re.compile(r"[A-Za-z]:")


class BadPath(ValueError):
    """A path that is not taken, and why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


def parts_of(path: str) -> tuple[str, ...]:
    """The names a relative path leads through, the file's own last.

    :raises BadPath: for one that is empty, absolute, leads up, or is not written as it is read
    """
    if not path:
        raise BadPath("没有路径", "no path")
    if len(path) > LONGEST_PATH:
        raise BadPath(f"超过 {LONGEST_PATH} 个字符", f"more than {LONGEST_PATH} characters")
    if _UNSAFE.search(path):
        raise BadPath("含有控制字符", "a control character")
    if "\\" in path:
        raise BadPath("用了反斜杠，须用 /", "a backslash; write /")
    if path.startswith("/") or _DRIVE.match(path):
        raise BadPath("是绝对路径", "an absolute path")
    if path != path.strip():
        raise BadPath("首尾有空格", "a space at its beginning or end")
    parts = tuple(path.split("/"))
    if ".." in parts:
        raise BadPath("离开了文件夹（..）", "it leaves the folder (..)")
    if "" in parts or "." in parts:
        raise BadPath("含有空的一段或 .", "an empty part, or a dot")
    if any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise BadPath(
            f"一段超过 {_LONGEST_NAME} 字节", f"a part of more than {_LONGEST_NAME} bytes"
        )
    return parts
