"""What the pages of users read."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Role, User
from portal.services.paging import Column, Leaf, Place, read

SORTS: Mapping[str, Column] = {"name": User.name, "created": User.created_at}


def users_page(
    session: Session, place: Place, *, text: str, role: Role | None, enabled: bool | None
) -> Leaf[User]:
    """Some accounts; ``text`` is looked for in the name."""
    query = select(User)
    if text:
        query = query.where(User.name.icontains(text, autoescape=True))
    if role is not None:
        query = query.where(User.role == role)
    if enabled is not None:
        query = query.where(User.enabled.is_(enabled))
    return read(session, query, place, columns=SORTS, row_id=User.id)
