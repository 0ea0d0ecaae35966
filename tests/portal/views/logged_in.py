"""A browser in which somebody is logged in, without the fifth of a second a password takes."""

from __future__ import annotations

from flask.testing import FlaskClient
from sqlalchemy import select

from portal.models import User, utc_now
from portal.runtime import Portal
from portal.services import logins


def be(client: FlaskClient, portal: Portal, name: str) -> None:
    """Have the browser be logged in under a name."""
    now = utc_now()
    with portal.ledger.write() as ledger:
        user = ledger.scalars(select(User).where(User.name == name)).one()
        ticket = logins.begin(ledger, user, origin="127.0.0.1", now=now)
    with client.session_transaction() as session:
        session.update(_user_id=ticket, _fresh=True, seen=int(now.timestamp()))
