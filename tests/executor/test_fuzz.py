"""Requests made of rubbish: never an HTTP 500, never a stack trace, and the executor lives on."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest

from tests.executor.executor_rig import TOKEN, Rig, trigger
from tests.executor.java_peer import JavaReader

WORDS = ["run", "trigger", "kill", "log", "idleBeat", "beat", "", "RUN", "run/", "../run", "%2e%2e"]
METHODS = ["POST"] * 8 + ["GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "BREW"]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63), 10**400, 1e308, "", " ", "7", "7.0",
    "-7", "٣", "\x00", "\ud800", "a" * 5000, "<script>", "'; DROP TABLE x", [], {}, [[]], {"a": {}},
]  # fmt: skip


def rubbish(chance: random.Random) -> bytes:
    """A body, from nearly right to noise."""
    whole = json.dumps(trigger(1)).encode()
    match chance.randrange(8):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return b"[" * chance.randrange(1, 60_000)
        case 2:
            return json.dumps(chance.choice(VALUES)).encode()
        case 3:
            return whole[: chance.randrange(len(whole))]
        case 4:
            bent = bytearray(whole)
            for _flip in range(chance.randrange(1, 5)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            return bytes(bent)
        case _:
            fields: dict[str, Any] = {**trigger(chance.randrange(3)), "fromLineNum": 1}
            for name in chance.sample(sorted(fields), chance.randrange(1, 4)):
                if chance.random() < 0.3:
                    del fields[name]
                else:
                    fields[name] = chance.choice(VALUES)
            return json.dumps(fields).encode()


def headers(chance: random.Random) -> dict[str, str]:
    given = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
    if chance.random() < 0.1:
        given["XXL-JOB-ACCESS-TOKEN"] = "".join(chance.choices(string.printable[:94], k=9))
    if chance.random() < 0.2:
        given["XXL-JOB-APPNAME"] = chance.choice(["imaging-migration", "", "x", "\xff"])
    if chance.random() < 0.2:
        given["Content-Type"] = chance.choice(["", "text/html", "multipart/form-data", "\xff"])
    if chance.random() < 0.1:
        given["X-Forwarded-For"] = "".join(chance.choices(string.printable[:94], k=9))
    return given


def shoot(rig: Rig, seed: int, count: int) -> None:
    chance = random.Random(seed)
    for number in range(count):
        word = chance.choice(WORDS)
        if chance.random() < 0.1:
            word += "?" + "".join(chance.choices("ab=&%<", k=5))
        response = rig.client.open(
            f"/xxl-job/{word}",
            method=chance.choice(METHODS),
            data=rubbish(chance),
            headers=headers(chance),
        )
        where = f"seed {seed}, request {number}: {response.data!r}"
        assert response.status_code == 200, where
        assert b"Traceback" not in response.data, where
        assert b"internal error" not in response.data, where
        if response.mimetype == "application/x-hessian":  # begins as a call of 2.0 does
            assert not word.partition("?")[0], where
            assert JavaReader(response.data).read_all().fields["result"] is None, where
        elif response.request.method != "HEAD":
            assert response.get_json()["code"] in (200, 500), where
    assert rig.call("beat")["code"] == 200


def test_300_requests_of_rubbish(rig: Rig) -> None:
    shoot(rig, seed=random.randrange(10**9), count=300)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(10))
def test_10_000_requests_of_rubbish(rig: Rig, part: int) -> None:
    shoot(rig, seed=part, count=1000)
