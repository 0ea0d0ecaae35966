"""The settings, and the files of the home that hold secrets."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from urllib.parse import urlsplit

from portal.errors import SyncError
from portal.services.preflight_items import failed
from portal.services.source_check import Finding, State
from portal.settings import SECRET_KEY_FILE, TOKEN_FILE, Settings

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHORT_TOKEN = 16
_WARN: State = "warning"


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """What is weak or does not go together; values are not shown."""
    found = [*_weak(settings)]
    yield from found
    if not found:
        yield Finding("settings", "ok", "没有矛盾或薄弱之处", "nothing weak or contradictory")


def _weak(settings: Settings) -> Iterator[Finding]:
    if settings.bind_host not in _LOOPBACK and not settings.trusted_proxies:
        yield failed("settings", SyncError("SETTING_EXPOSED", host=settings.bind_host), state=_WARN)
    if settings.allow_no_token:
        yield failed("settings", SyncError("SETTING_NO_TOKEN"), state=_WARN)
    elif any(len(token) < _SHORT_TOKEN for token in settings.access_tokens()):
        yield failed("settings", SyncError("SETTING_SHORT_TOKEN", least=_SHORT_TOKEN), state=_WARN)
    ours = urlsplit(settings.executor_address).hostname
    theirs = {urlsplit(address).hostname for address in settings.admin_addresses}
    if ours in _LOOPBACK and theirs - _LOOPBACK:
        yield failed("settings", SyncError("SETTING_LOOPBACK", address=settings.executor_address))


def secrets_findings(settings: Settings) -> Iterator[Finding]:
    """Whether others on this machine could read what is secret."""
    exposed = [
        path
        for path in (settings.home / SECRET_KEY_FILE, settings.home / TOKEN_FILE)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    for path in exposed:
        yield failed("secrets", SyncError("SECRET_EXPOSED", path=str(path)))
    home = settings.home
    if home.exists() and home.stat().st_mode & stat.S_IROTH:
        yield failed("secrets", SyncError("HOME_EXPOSED", path=str(home)), state="warning")
    elif not exposed:
        yield Finding("secrets", "ok", "仅属主可读", "readable by their owner only")
