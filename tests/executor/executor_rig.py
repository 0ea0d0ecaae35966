"""An executor on a database, called as an admin would call it, with a queue that is a list."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Engine, create_engine, event, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from executor import Executor, ExecutorSettings, JobContext, JobFailed, job_handler
from executor.models import Base, ExecutorRun

T = TypeVar("T")
TOKEN = "a-token-for-tests"
ADDRESS = "http://127.0.0.1:8000/xxl-job/"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


POSTGRESQL = os.environ.get("IMGMIG_TEST_POSTGRESQL", "")
MARIADB = os.environ.get("IMGMIG_TEST_MARIADB", "")
# What MariaDB and PostgreSQL call a transaction that they undid for the sake of another one.
_UNDONE = {1205, 1213, "40001", "40P01"}


class Database:
    """A database under the rules a program with several processes needs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.undone = 0
        Base.metadata.create_all(engine)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that writes."""
        connection = self.engine.connect().execution_options(writes=True)
        with connection, Session(connection) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self.engine) as session:
            yield session

    def again(self, work: Callable[[], T], /) -> T:
        """Call the work until it was not undone, and its connection not lost."""
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not _was_undone(error):
                    raise
                self.undone += 1


def _was_undone(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    cause = error.orig
    code = getattr(cause, "sqlstate", None) or (cause and cause.args and cause.args[0])
    return code in _UNDONE


def opened(url: str) -> Database:
    """The database of this URL, with the executor's tables."""
    match make_url(url).get_backend_name():
        case "sqlite":
            # In WAL mode, every transaction that writes begun as such.
            engine = create_engine(url)
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
        case "postgresql":
            engine = create_engine(url)
        case _:
            engine = create_engine(url, isolation_level="READ COMMITTED")
            event.listen(engine, "connect", _set_up_mariadb)
    return Database(engine)


def in_folder(directory: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{directory / 'ledger.db'}"


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a schema of its own in the PostgreSQL that the environment names."""
    schema = f"executor_{uuid.uuid4().hex}"
    server = create_engine(POSTGRESQL)
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = make_url(POSTGRESQL).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    server.dispose()


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of a database of its own in the MariaDB or MySQL that the environment names."""
    name = f"executor_{uuid.uuid4().hex}"
    url = make_url(MARIADB).set(drivername="mysql+pymysql")
    server = create_engine(url)
    with server.begin() as connection:
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        exact = "utf8mb4_nopad_bin" if "MariaDB" in version else "utf8mb4_0900_bin"
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {exact}")
    yield url.set(database=name).render_as_string(hide_password=False)
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    server.dispose()


def _set_up_mariadb(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'")


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    # No test here pulls the plug, so synchronous=OFF costs nothing and saves half the time.
    for pragma in ("journal_mode=WAL", "busy_timeout=20000", "foreign_keys=ON", "synchronous=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Rig:
    """One executor with its application; time passes only by :meth:`advance`."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.now = START
        self.queue: list[int] = []
        self.queue_is_away = False
        self.executor = self.new_process(**settings)
        self.app = Flask(__name__)
        self.executor.init_app(self.app)
        self.client = self.app.test_client()

    def new_process(self, **settings: Any) -> Executor:
        """Another executor on the same database, as another process would have it."""
        values: dict[str, Any] = {
            "app_name": "imaging-migration",
            "address": ADDRESS,
            "access_tokens": (TOKEN,),
            "timezone": UTC,
        }
        return Executor(
            ExecutorSettings(**{**values, **settings}),
            begin=self.database.begin,
            read=self.database.read,
            again=self.database.again,
            enqueue=self._enqueue,
            clock=lambda: self.now,
        )

    def _enqueue(self, run_id: int) -> None:
        if self.queue_is_away:
            raise ConnectionError("no queue")
        self.queue.append(run_id)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def call(
        self,
        word: str,
        body: Any = None,
        *,
        token: str | None = TOKEN,
        app_name: str | None = None,
    ) -> dict[str, Any]:
        """POST as an admin does; the answer's JSON, whose HTTP side is checked here."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if token is None else {"XXL-JOB-ACCESS-TOKEN": token}
        if app_name is not None:
            headers["XXL-JOB-APPNAME"] = app_name
        response = self.client.post(f"/xxl-job/{word}", data=data, headers=headers)
        assert response.status_code == 200
        assert response.mimetype == "application/json"
        answer = response.get_json()
        assert answer["content"] == answer["data"]
        assert isinstance(answer, dict)
        return answer

    def run(self, log_id: int, **fields: Any) -> dict[str, Any]:
        return self.call("run", trigger(log_id, **fields))

    def call_35(self, word: str, body: Any = None) -> dict[str, Any]:
        """The same as an admin of 3.5 does it."""
        return self.call(word, body, app_name="imaging-migration")

    def post(self, word: str, body: bytes, headers: dict[str, str]) -> bytes:
        """POST; the answer's bytes."""
        address = f"/xxl-job/{word}"
        response = self.client.post(address, data=body, headers=headers)
        assert response.status_code == 200
        return bytes(response.data)

    def work(self) -> None:
        """Be the worker until the queue is empty."""
        while self.queue:
            self.executor.perform(self.queue.pop(0), worker="w1")

    def tick(self) -> None:
        self.executor.tick(self.now)
        self.executor.talk(self.now)

    def row(self, log_id: int) -> ExecutorRun:
        with self.database.read() as session:
            statement = select(ExecutorRun).where(ExecutorRun.log_id == log_id)
            return session.scalars(statement.order_by(ExecutorRun.id.desc())).first() or _none()

    def result(self, log_id: int) -> tuple[int | None, str | None]:
        run = self.row(log_id)
        return run.handle_code, run.handle_message

    def log(self, log_id: int, from_line: int = 1) -> dict[str, Any]:
        query = {"logDateTim": 1, "logId": log_id, "fromLineNum": from_line}
        page = self.call("log", query)["data"]
        assert isinstance(page, dict)
        return page


def _none() -> ExecutorRun:
    raise AssertionError("no such run")


def trigger(log_id: int, **fields: Any) -> dict[str, Any]:
    """The body of /run as an admin of 3.4 sends it."""
    return {
        "jobId": 7,
        "executorHandler": "echo",
        "executorParams": "p",
        "executorBlockStrategy": "SERIAL_EXECUTION",
        "executorTimeout": 0,
        "logId": log_id,
        "logDateTime": 1_700_000_000_000,
        "glueType": "BEAN",
        "glueSource": "",
        "glueUpdatetime": 1_600_000_000_000,
        "broadcastIndex": 0,
        "broadcastTotal": 1,
        **fields,
    }


class Gate:
    """Lets a test stand beside a handler while it runs."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.saw_cancelled = False
        self.calls = 0


gates: dict[str, Gate] = {}


@job_handler("echo")
def echo(context: JobContext) -> str:
    context.log(f"got {context.params}")
    return context.params


@job_handler("verbose")
def verbose(context: JobContext) -> None:
    """Logs a text as often as it is told to."""
    count, _, text = context.params.partition(" ")
    context.log("\n".join([text] * int(count)))


@job_handler("silent")
def silent(_context: JobContext) -> None:
    return None


@job_handler("shard")
def shard(context: JobContext) -> str:
    return f"{context.job_id}/{context.log_id}: {context.shard_index}/{context.shard_total}"


@job_handler("fail")
def fail(context: JobContext) -> str:
    raise JobFailed(context.params)


@job_handler("crash")
def crash(_context: JobContext) -> str:
    raise ValueError("<b>no</b>")


@job_handler("deferring", resumable=True)
def deferring(context: JobContext) -> str:
    """Ends at once when told so: another handler for the same job would end the run before."""
    return "at once" if context.params == "at once" else context.defer()


@job_handler("gated")
def gated(context: JobContext) -> str:
    """Passes at once with a parameter that is no gate's name."""
    gate = gates.get(context.params)
    if gate is None:
        return context.params
    gate.calls += 1
    gate.entered.set()
    assert gate.leave.wait(30)
    gate.saw_cancelled = context.cancelled()
    return "done"


@job_handler("resumable", resumable=True)
def resumable(_context: JobContext) -> str:
    return "whole"
