"""The kinds of servers the tests know: how each is started from Debian's or PyPI's packages."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.servers.running import answers, as_user, free_port, given_to, running

# Where the start of a kind tells its place; None where the machine does not have it.
Kind = Callable[[Path], AbstractContextManager[str] | None]


def postgresql(
    place: Path, *, port: int | None = None, stop_with: signal.Signals = signal.SIGINT
) -> AbstractContextManager[str] | None:
    """``postgresql://…`` of an empty cluster; fsync is off, no test here pulls the plug.

    :param port: of an earlier life; a free one when none is given
    """
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin_: float(bin_.parent.name)
    )
    return _postgresql(found[-1], place, port or free_port(), stop_with) if found else None


@contextmanager
def _postgresql(programs: Path, place: Path, port: int, stop_with: signal.Signals) -> Iterator[str]:
    folder = given_to("postgres", place / "postgresql")
    data = str(folder / "data")
    make = [str(programs / "initdb"), "-D", data, "-U", "imgmig", "--auth=trust"]
    subprocess.run(
        as_user("postgres", [*make, "--encoding=UTF8", "--locale=C"]),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off"}
    # No socket in a folder: its name may be longer than sockets may have.
    options |= {"unix_socket_directories": "", "max_connections": 200}
    command = [str(programs / "postgres"), "-D", data]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    asked = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    with running(
        as_user("postgres", command),
        log=place / "postgresql.log",
        ready=lambda: subprocess.run(asked, check=False).returncode == 0,
        stop_with=stop_with,
    ):
        yield f"postgresql://imgmig@127.0.0.1:{port}/postgres"


def mariadb(place: Path) -> AbstractContextManager[str] | None:
    """``mysql://…`` of an empty server whose user may create databases."""
    server = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    maker = shutil.which("mariadb-install-db")
    return _mariadb(server, maker, place) if server and maker else None


@contextmanager
def _mariadb(server: str, maker: str, place: Path) -> Iterator[str]:
    folder, port = given_to("mysql", place / "mariadb"), free_port()
    data, start = folder / "data", folder / "start.sql"
    subprocess.run(
        as_user(
            "mysql",
            [
                maker,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
            ],
        ),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    start.write_text(  # a statement a line: two on one line are refused both
        "CREATE USER 'imgmig'@'127.0.0.1';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'imgmig'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    command = [server, "--no-defaults", f"--datadir={data}", f"--port={port}"]
    # Beside the temporary folders, as the name of a socket may have 107 bytes only.
    socket_file = f"{tempfile.gettempdir()}/imgmig-mariadb-{port}.sock"
    command += ["--bind-address=127.0.0.1", f"--socket={socket_file}", "--skip-name-resolve"]
    command += ["--innodb-flush-log-at-trx-commit=0", "--max-connections=200"]
    with running(
        as_user("mysql", [*command, f"--init-file={start}"]),
        log=place / "mariadb.log",
        ready=lambda: answers(port),
    ):
        yield f"mysql://imgmig@127.0.0.1:{port}/"


def redis(
    place: Path, *, port: int | None = None, stop_with: signal.Signals = signal.SIGTERM
) -> AbstractContextManager[str] | None:
    """``redis://…`` of a server that keeps nothing on disk.

    :param port: of an earlier life; a free one when none is given
    """
    server = shutil.which("redis-server")
    return _redis(server, place, port or free_port(), stop_with) if server else None


@contextmanager
def _redis(server: str, place: Path, port: int, stop_with: signal.Signals) -> Iterator[str]:
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(
        [*command, "--appendonly", "no", "--databases", "64"],
        log=place / "redis.log",
        ready=lambda: answers(port),
        stop_with=stop_with,
    ):
        yield f"redis://127.0.0.1:{port}/0"


def zookeeper(place: Path) -> AbstractContextManager[str] | None:
    """``host:port`` of a ZooKeeper of one."""
    jars = Path("/usr/share/java/zookeeper.jar")
    java = shutil.which("java")
    return _zookeeper(java, place) if java and jars.exists() else None


@contextmanager
def _zookeeper(java: str, place: Path) -> Iterator[str]:
    folder, port = place / "zookeeper", free_port()
    folder.mkdir()
    config = folder / "zoo.cfg"
    config.write_text(
        f"tickTime=2000\ndataDir={folder}/data\nclientPort={port}\n"
        "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist=ruok\n"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    with running(
        [java, "-Xmx256m", "-cp", f"{folder}:/usr/share/java/*", main, str(config)],
        log=place / "zookeeper.log",
        ready=lambda: _is_ok(port),
    ):
        yield f"127.0.0.1:{port}"


def _is_ok(port: int) -> bool:
    """ZooKeeper's own question: it takes connections before it serves."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as asking:
            asking.sendall(b"ruok")
            return asking.recv(4) == b"imok"
    except OSError:
        return False


def s3(place: Path) -> AbstractContextManager[str] | None:
    """``http://…`` of moto's S3: any keys are good, buckets are made by whoever wants one."""
    return _s3(place) if find_spec("moto") else None


@contextmanager
def _s3(place: Path) -> Iterator[str]:
    port = free_port()
    with running(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        log=place / "s3.log",
        ready=lambda: answers(port),
    ):
        yield f"http://127.0.0.1:{port}"


# By the variable of the environment that names the server to the tests.
KINDS: dict[str, Kind] = {
    "IMGMIG_TEST_POSTGRESQL": postgresql,
    "IMGMIG_TEST_MARIADB": mariadb,
    "IMGMIG_TEST_REDIS": redis,
    "IMGMIG_TEST_ZOOKEEPER": zookeeper,
    "IMGMIG_TEST_S3": s3,
}
