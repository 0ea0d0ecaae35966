"""How news travel, and which news there are."""

from __future__ import annotations

from enum import StrEnum


class ChannelKind(StrEnum):
    """How news travel."""

    WEBHOOK = "webhook"
    WECOM = "wecom"
    DINGTALK = "dingtalk"
    MAIL = "mail"


class NoticeEvent(StrEnum):
    """What is told."""

    BATCH_COMPLETE = "batch-complete"
    BATCH_SHORT = "batch-short"
    HOLD = "hold"
    ATTENTION = "attention"
    WENT_ON = "went-on"
    TEST = "test"


#: What a channel can be asked to tell; a test is told to every one.
NEWS = tuple(event for event in NoticeEvent if event is not NoticeEvent.TEST)
