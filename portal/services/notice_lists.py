"""What was told, for its page."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from portal.models import Notice
from portal.services import paging
from portal.services.paging import Leaf, Place
from portal.statuses import NoticeStatus


def page(session: Session, place: Place, *, channel: str = "", status: str = "") -> Leaf[Notice]:
    """Notices at a place of the list, which is sorted by ``id``."""
    query = select(Notice).options(joinedload(Notice.channel))
    if channel.isdecimal() and len(channel) <= 18:
        query = query.where(Notice.channel_id == int(channel))
    if status in set(NoticeStatus):
        query = query.where(Notice.status == NoticeStatus(status))
    return paging.read(session, query, place, columns={"id": Notice.id}, row_id=Notice.id)
