"""The access token of a flagship system: two logins, two hours, one renewal at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from portal.errors import SyncError
from portal.logs.redaction import redactor
from portal.sync.targets.connection import FlagshipConnection
from portal.sync.targets.envelope import TokenStale, login_data
from portal.sync.targets.wire import Wire

APP_TOKEN, LOGIN = "/api/getAppToken.do", "/api/login.do"
#: It is valid for two hours; one that is this old is renewed before it is refused.
LIFETIME_SECONDS = 2 * 3600 - 300


class Tokens:
    """Hands out the token that is in force; any number of threads may ask.

    :param clock: monotonic seconds
    """

    def __init__(
        self, wire: Wire, connection: FlagshipConnection, clock: Callable[[], float]
    ) -> None:
        self._wire = wire
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._since = 0.0

    def current(self, *, stale: str | None = None) -> str:
        """The token to use; a new one when there is none, it is old, or it is the ``stale`` one.

        :raises SyncError: TGT_LOGIN, or an error of the target
        """
        with self._lock:
            is_old = self._clock() - self._since > LIFETIME_SECONDS
            if not self._token or is_old or self._token == stale:
                self._token = ""
                self._token = self._log_in()
                self._since = self._clock()
            return self._token

    def _log_in(self) -> str:
        made = self._connection
        app_token = self._ask(
            APP_TOKEN,
            {
                "appId": made.app_id,
                "appSecret": made.app_secret,
                "accountId": made.account_id,
                "tenantid": made.tenant_id,
                "language": made.language,
            },
            "app_token",
        )
        redactor.learn(app_token)
        token = self._ask(
            LOGIN,
            {
                "user": made.user,
                "apptoken": app_token,
                "accountId": made.account_id,
                "tenantid": made.tenant_id,
                "usertype": made.user_type,
                "language": made.language,
            },
            "access_token",
        )
        redactor.learn(token)
        return token

    def _ask(self, path: str, fields: dict[str, str], wanted: str) -> str:
        call = path.rpartition("/")[2]
        try:
            answer = self._wire.post(path, {name: text for name, text in fields.items() if text})
        except TokenStale:
            raise SyncError("TGT_LOGIN", call=call, errcode="HTTP 401", description="") from None
        except SyncError as error:
            if error.code != "TGT_REFUSED":
                raise
            raise SyncError("TGT_LOGIN", **error.params) from None
        return login_data(answer, call, wanted)
