"""Delivering one notice."""

from __future__ import annotations

from portal.chores.desk import Desk
from portal.errors import SyncError
from portal.models import utc_now
from portal.secret_box import SecretUnreadable
from portal.services import notice_channels, notices
from portal.services.notice_texts import message_of
from portal.statuses import NoticeStatus


def deliver(desk: Desk) -> None:
    """Deliver the notice, unless it was delivered or given up meanwhile.

    A clerk that dies just after the delivery has it delivered twice, with the same id.
    """
    portal = desk.portal
    with portal.ledger.read() as session:
        notice = notices.find(session, desk.params["notice"])
        if notice.status is not NoticeStatus.WAITING:
            return
        message = message_of(notice)
        stored = notice.channel
    failure: SyncError | None = None
    try:
        notice_channels.opened(stored, portal.box).deliver(message, now=utc_now().timestamp())
    except SyncError as error:
        failure = error
    except (SecretUnreadable, ValueError):
        failure = SyncError("SECRET_UNREADABLE")
    with portal.ledger.write() as session:
        notice = notices.find(session, desk.params["notice"])
        if notice.status is not NoticeStatus.WAITING:
            return
        if failure is None:
            notices.delivered(session, notice, now=utc_now())
        else:
            notices.refused(session, notice, failure, now=utc_now())
