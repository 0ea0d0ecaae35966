"""Why a file has no picture although nothing is wrong with it, in words for the page.

These are no failures of a migration and therefore not in the catalogue of :mod:`portal.errors`;
they are made of the same parts, so that a page shows both alike.
"""

from __future__ import annotations

from typing import Any, ClassVar

from portal.errors import PortalError, Problem

_DOWNLOAD_ZH = "请下载后用本地软件查看。"
_DOWNLOAD_EN = "Download the file and open it on your own machine."


class ViewRefused(PortalError):
    """There is no picture to show; the file itself is not to blame.

    :param params: plain values that fill the texts
    """

    problem: ClassVar[Problem]

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__(f"{self.problem.code}: {self.reason('en')}")

    @property
    def code(self) -> str:
        """The stable code."""
        return self.problem.code

    def reason(self, language: str) -> str:
        """The reason in ``zh`` or ``en``."""
        text = self.problem.zh if language.startswith("zh") else self.problem.en
        return text.format_map(self.params)

    def action(self, language: str) -> str:
        """What the reader can do (处理措施), in ``zh`` or ``en``."""
        return self.problem.action_zh if language.startswith("zh") else self.problem.action_en


class NoPicture(ViewRefused):
    """Files of this kind have no picture (``kind``)."""

    problem = Problem(
        "VIEW_NO_PICTURE",
        "{kind} 文件不支持在线查看",
        "files of type {kind} cannot be shown here",
        _DOWNLOAD_ZH,
        _DOWNLOAD_EN,
        permanent=True,
    )


class NoSuchPage(ViewRefused):
    """The file has no such page (``page``; ``pages`` is how many it has)."""

    problem = Problem(
        "VIEW_NO_PAGE",
        "没有第 {page} 页，该文件共 {pages} 页",
        "there is no page {page}, the file has {pages}",
        "请选择文件中已有的页。",
        "Choose a page the file has.",
        permanent=True,
    )


class TooLargeToShow(ViewRefused):
    """A picture that takes more memory than a painter has (``width``, ``height`` in pixels)."""

    problem = Problem(
        "VIEW_TOO_LARGE",
        "图像 {width}×{height} 像素，过大，无法在线查看",
        "the picture of {width}×{height} pixels is too large to be shown here",
        _DOWNLOAD_ZH,
        _DOWNLOAD_EN,
        permanent=True,
    )


class Busy(ViewRefused):
    """All painters were busy for ``seconds``; the same request may succeed a little later."""

    problem = Problem(
        "VIEW_BUSY",
        "正在查看影像的人较多，{seconds:g} 秒内未能轮到",
        "too many pictures are being drawn; it was not this one's turn within {seconds:g} seconds",
        "请稍后刷新。",
        "Try again in a moment.",
        permanent=False,
    )


REFUSALS: dict[str, type[ViewRefused]] = {
    refusal.problem.code: refusal for refusal in (NoPicture, NoSuchPage, TooLargeToShow, Busy)
}
