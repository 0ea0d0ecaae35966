"""How an admin of each version calls an executor: one word for each call, whatever the wire."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.executor.executor_rig import TOKEN, trigger
from tests.executor.java_peer import JavaArray, JavaLong, JavaObject, JavaReader, JavaWriter

NET = "com.xxl.rpc.remoting.net.params."
MODEL = "com.xxl.job.core.biz.model."
TYPES = {int: "int", JavaLong: "long", JavaObject: f"{MODEL}TriggerParam"}
Post = Callable[[str, bytes, dict[str, str]], bytes]


@dataclass
class Said:
    """What the executor answered."""

    code: int
    msg: str | None
    content: Any


class RpcFailure(Exception):
    """The call was not made; the text is the executor's."""


def rpc_request(
    method: str,
    *arguments: Any,
    token: str | None = TOKEN,
    created: float | None = None,
    service: str = "com.xxl.job.core.biz.ExecutorBiz",
    request_id: str | None = None,
) -> bytes:
    """An XxlRpcRequest; what is short comes first, as Java has it, and not as the source has it."""
    types = [JavaObject("java.lang.Class", {"name": TYPES[type(one)]}) for one in arguments]
    fields = {
        "createMillisTime": JavaLong((time.time() if created is None else created) * 1000),
        "requestId": request_id or str(uuid.uuid4()),
        "version": None,
        "methodName": method,
        "className": service,
        "accessToken": token,
        "parameters": JavaArray("[object", list(arguments)) if arguments else None,
        "parameterTypes": JavaArray("[java.lang.Class", types),
    }
    return JavaWriter().write(JavaObject(f"{NET}XxlRpcRequest", fields))


def rpc_answer(data: bytes) -> tuple[str | None, Said]:
    """The request id and the result of an XxlRpcResponse.

    :raises RpcFailure: when it has an error instead
    """
    response = JavaReader(data).read_all()
    assert response.name == f"{NET}XxlRpcResponse"
    assert set(response.fields) == {"requestId", "errorMsg", "result"}
    if response.fields["errorMsg"] is not None:
        raise RpcFailure(response.fields["errorMsg"])
    result = response.fields["result"]
    assert result.name == f"{MODEL}ReturnT"
    assert set(result.fields) == {"code", "msg", "content"}
    said = Said(**result.fields)
    if said.content is not None:
        assert said.content.name == f"{MODEL}LogResult"
        said.content = said.content.fields
    return response.fields["requestId"], said


def trigger_param(version: str, log_id: int, **fields: Any) -> JavaObject:
    """The argument of ``run`` as this version has it."""
    given = trigger(log_id, **fields)
    if version < "2.1.1":
        given["logDateTim"] = given.pop("logDateTime")
    longs = {"logDateTim", "logDateTime", "glueUpdatetime", *({"logId"} if version > "2.1" else ())}
    return JavaObject(
        f"{MODEL}TriggerParam",
        {name: JavaLong(value) if name in longs else value for name, value in given.items()},
    )


class JavaAdmin:
    """Calls as an admin of the version does.

    :param post: posts a body to a path below the registered address and gives the answer's body
    :param clock: seconds of the epoch
    """

    def __init__(self, version: str, post: Post, clock: Callable[[], float] = time.time) -> None:
        self.version = version
        self._post = post
        self._clock = clock

    @property
    def _is_rpc(self) -> bool:
        return self.version < "2.2"

    def beat(self) -> Said:
        return self._rpc("beat") if self._is_rpc else self._json("beat", None)

    def idle_beat(self, job_id: int) -> Said:
        if self._is_rpc:
            return self._rpc("idleBeat", job_id)
        return self._json("idleBeat", {"jobId": job_id})

    def run(self, log_id: int, **fields: Any) -> Said:
        if self._is_rpc:
            return self._rpc("run", trigger_param(self.version, log_id, **fields))
        word = "trigger" if self.version.startswith("3.5") else "run"
        return self._json(word, trigger(log_id, **fields))

    def kill(self, job_id: int) -> Said:
        return self._rpc("kill", job_id) if self._is_rpc else self._json("kill", {"jobId": job_id})

    def log(self, log_id: int, from_line: int = 1) -> dict[str, Any]:
        if self._is_rpc:
            number = JavaLong(log_id) if self.version > "2.1" else log_id
            said = self._rpc("log", JavaLong(1_700_000_000_000), number, from_line)
        else:
            date = "logDateTime" if self.version.startswith("3.5") else "logDateTim"
            body = {date: 1_700_000_000_000, "logId": log_id, "fromLineNum": from_line}
            said = self._json("log", body)
        assert said.code == 200
        assert isinstance(said.content, dict)
        assert set(said.content) == {"fromLineNum", "toLineNum", "logContent", "isEnd"}
        return said.content

    def _rpc(self, method: str, *arguments: Any) -> Said:
        request_id = str(uuid.uuid4())
        body = rpc_request(method, *arguments, created=self._clock(), request_id=request_id)
        found, said = rpc_answer(self._post("", body, {}))
        assert found == request_id
        return said

    def _json(self, word: str, body: Any) -> Said:
        headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN, "Content-Type": "application/json;charset=UTF-8"}
        if self.version.startswith("3.5"):
            headers["XXL-JOB-APPNAME"] = "imaging-migration"
        data = b"" if body is None else json.dumps(body).encode()
        answer = json.loads(self._post(word, data, headers))
        return Said(
            answer["code"], answer["msg"], answer["data" if self.version >= "3.3" else "content"]
        )
