"""One server process: started with its folder and port, waited for, stopped whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 90
_STOP_SECONDS = 20


class ServerFailed(Exception):
    """A server that is installed did not start; its log tells why."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def as_user(user: str, command: Sequence[str]) -> list[str]:
    """The command, run by a user of less power when we are root: databases refuse to be root."""
    if os.getuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]


def given_to(user: str, folder: Path) -> Path:
    """A new folder that this user may write to."""
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, user, user)
    return folder


def answers(port: int) -> bool:
    """Whether somebody takes connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    stop_with: signal.Signals = signal.SIGTERM,
    environ: dict[str, str] | None = None,
) -> Iterator[None]:
    """The server while the block lasts.

    :raises ServerFailed: when it is not ready within 90 seconds or ends by itself
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    try:
        _await(process, ready, log)
        yield
    finally:
        _stop(process, stop_with)


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            told = log.read_text(errors="replace")[-3000:]
            raise ServerFailed(f"{process.args!r}\n{told}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes], stop_with: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, stop_with)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
