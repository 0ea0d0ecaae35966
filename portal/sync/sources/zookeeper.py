"""Reading the older procedure's settings from ZooKeeper. Nothing is ever written there.

Taking the secret away from there is left to zkui: ZooKeeper keeps it in its transaction logs and
snapshots all the same, so that only another secret helps, and others may still live on the old one.

kazoo's own limits do not bound a name that is looked up for a minute, nor the stopping of a client
that hangs in it. So all of it happens in a thread that is waited for so long and no longer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from portal.errors import SyncError
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.sources import old_settings
from portal.sync.sources.old_settings import CLIENT_SECRET, KEYS, OldSettings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace

if TYPE_CHECKING:
    from kazoo.client import KazooClient

#: How long all of it may take.
PATIENCE_SECONDS = 10.0
# So that one server which swallows everything leaves time for the next.
_CONNECT_SECONDS = 3.0
_MOST_NAMES = 20
_READ = 1  # the permission, as ZooKeeper counts them


def read_settings(place: ZooKeeperPlace, *, seconds: float = PATIENCE_SECONDS) -> OldSettings:
    """Find the four settings at a node: its children of those names, or in its text.

    :raises SyncError: ZK_UNREACHABLE, ZK_TIMEOUT, ZK_NO_PATH, ZK_REFUSED or ZK_NO_SETTINGS
    """
    answer: Future[OldSettings] = Future()
    until = time.monotonic() + seconds

    def read() -> None:
        try:
            answer.set_result(_Visit(place, until).settings())
        except BaseException as error:  # whatever it is, it is raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=read, name="zookeeper", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise _too_late(place, seconds) from None


class _Visit:
    """One session with an ensemble."""

    def __init__(self, place: ZooKeeperPlace, until: float) -> None:
        self._place = place
        self._until = until
        self._seconds = self._left()

    def settings(self) -> OldSettings:
        from kazoo import exceptions  # noqa: PLC0415 - only who imports needs kazoo
        from kazoo.handlers.threading import KazooTimeoutError  # noqa: PLC0415

        servers = _that_listen(self._place.servers, self._left)
        client = _client(servers, self._place.login)
        try:
            if not client.start_async().wait(self._left()):
                raise _too_late(self._place, self._seconds)
            return self._read(client)
        except exceptions.AuthFailedError:
            raise SyncError("ZK_REFUSED", path=self._place.path) from None
        except KazooTimeoutError:
            raise _too_late(self._place, self._seconds) from None
        except exceptions.KazooException as error:
            detail = f"{self._place}: {type(error).__name__}"
            raise SyncError("ZK_UNREACHABLE", detail=detail) from None
        finally:
            client.stop()
            client.close()

    def _read(self, client: KazooClient) -> OldSettings:
        from kazoo.exceptions import NoAuthError, NoNodeError  # noqa: PLC0415

        path, refused = self._place.path, []

        def asked(question: Callable[[str], Any], node: str) -> Any:
            """None where there is no such node, or where reading it is refused."""
            try:
                return question(node).get(timeout=self._left())
            except NoNodeError:
                return None
            except NoAuthError:
                refused.append(node)
                return None

        if asked(client.exists_async, path) is None:
            raise self._no_path(client, asked)
        content = (asked(client.get_async, path) or (b"",))[0] or b""
        names = asked(client.get_children_async, path) or []
        found = {key: asked(client.get_async, f"{path.rstrip('/')}/{key}") for key in KEYS}
        children = {key: answer[0] or b"" for key, answer in found.items() if answer is not None}
        settings = old_settings.read_nodes(path, content, children)
        if len(settings.missing) == len(KEYS) and not settings.unreadable:
            if refused:
                raise SyncError("ZK_REFUSED", path=", ".join(_few(list(dict.fromkeys(refused)))))
            raise SyncError("ZK_NO_SETTINGS", path=path, names=_listed(names, content))
        for key in settings.missing:
            # A secret that is hidden from us is no secret that is not there.
            if f"{path.rstrip('/')}/{key}" in refused:
                raise SyncError("ZK_REFUSED", path=f"{path}/{key}")
        holder = f"{path.rstrip('/')}/{CLIENT_SECRET}" if CLIENT_SECRET in children else path
        acl = asked(client.get_acls_async, holder) if settings.client_secret else None
        return replace(
            settings,
            others=settings.others + len(set(names) - set(KEYS)),
            servers=str(self._place),
            open_to_all=None if acl is None else any(_is_for_all(one) for one in acl[0]),
        )

    def _no_path(self, client: KazooClient, asked: Callable[..., Any]) -> SyncError:
        """With what there is beside the first step of the path that is missing."""
        parent = self._place.path
        while parent != "/":
            parent = parent.rpartition("/")[0] or "/"
            if asked(client.exists_async, parent) is not None:
                break
        names = asked(client.get_children_async, parent) or ()
        return SyncError("ZK_NO_PATH", path=self._place.path, parent=parent, names=_listed(names))

    def _left(self) -> float:
        return max(self._until - time.monotonic(), 0.0)


def _client(servers: Sequence[tuple[str, int]], login: str) -> KazooClient:
    from kazoo.client import KazooClient  # noqa: PLC0415
    from kazoo.handlers.threading import SequentialThreadingHandler  # noqa: PLC0415

    class Judged(SequentialThreadingHandler):  # type: ignore[misc] # kazoo has no types
        """Connects where the rule allows it; kazoo has looked the name up once more by then."""

        def create_connection(self, *args: Any, **options: Any) -> Any:
            rule.check_host((args[0] if args else options["address"])[0])
            return super().create_connection(*args, **options)

    # It would write requests with their login, and answers with the secret, at its finest level.
    silent = logging.Logger("zookeeper", logging.CRITICAL + 1)
    return KazooClient(
        hosts=",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in servers
        ),
        timeout=_CONNECT_SECONDS,
        auth_data=[("digest", login)] if login else None,
        randomize_hosts=False,
        read_only=True,
        handler=Judged(),
        logger=silent,
    )


def _that_listen(
    servers: Sequence[tuple[str, int]], left: Callable[[], float]
) -> Sequence[tuple[str, int]]:
    """The servers from the first that takes a connection on.

    :raises SyncError: ZK_UNREACHABLE when none does, with why for each
    """
    why = []
    for number, (host, port) in enumerate(servers):
        try:
            with rule.connect(host, port, min(_CONNECT_SECONDS, left() or 0.001)):
                return servers[number:]
        except AddressForbidden as error:
            raise SyncError(
                "ADDRESS_FORBIDDEN", host=f"{host}:{port}", address=error.address
            ) from None
        except (OSError, UnicodeError) as error:
            told = "timed out" if isinstance(error, TimeoutError) else _told(error)
            why.append(f"{host}:{port} {told}")
    raise SyncError("ZK_UNREACHABLE", detail="; ".join(why))


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _is_for_all(entry: Any) -> bool:
    return entry.id.scheme == "world" and bool(entry.perms & _READ)


def _listed(names: Sequence[str], content: bytes = b"") -> str:
    """Names for people: sorted, the first ones; how much text there is when there are none."""
    if not names and content:
        return f"({len(content)} bytes)"
    return ", ".join(_few(sorted(names))) or "—"


def _few(names: Sequence[str]) -> Sequence[str]:
    more = [f"… (+{len(names) - _MOST_NAMES})"] if len(names) > _MOST_NAMES else []
    return [*names[:_MOST_NAMES], *more]


def _too_late(place: ZooKeeperPlace, seconds: float) -> SyncError:
    return SyncError("ZK_TIMEOUT", servers=str(place), seconds=round(seconds))
