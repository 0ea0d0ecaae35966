"""What an xxl-job admin sends: bodies, answers, headers, the parameter of DataSyncTask."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from executor import JobFailed
from executor.protocol import inbound, outbound
from executor.protocol.dialects import Dialect, Shape, dialect_of, shape_asked_for
from portal.jobs.parameter import parse_parameter
from tests.executor.executor_rig import TOKEN, Rig, in_folder, opened, trigger
from tests.fuzz.bending import as_json, bent_texts, bent_values
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser
from tests.fuzz.promises import assert_stored

LOG_QUERY = {"logDateTim": 1, "logId": 3, "fromLineNum": 1}
ANSWERS = [{"code": 200, "msg": None, "content": None, "data": "x"}, {"code": 500, "msg": "no"}]
PARAMETERS = [
    {"batch": "MB20240101-0001", "retry_failed": True, "wait": False},
    {"create": {"source": "影像", "from": "2024-01-01", "to": "2024-03-31", "org": ["1"],
                "type": [], "overlap": "all"}},
]  # fmt: skip
WORDS = ["run", "trigger", "kill", "log", "idleBeat", "beat", "", "../run", "run/", "%2e", "\xff"]
METHODS = ["POST"] * 8 + ["GET", "PUT", "HEAD", "OPTIONS", "BREW"]


def _trigger(body: bytes) -> bool:
    return _read(lambda: _assert_trigger(inbound.parse_trigger(body)))


def _assert_trigger(found: inbound.Trigger) -> None:
    assert -(2**31) <= found.job_id < 2**31
    assert -(2**63) <= found.log_id < 2**63
    assert 0 <= found.timeout_seconds < 2**31
    assert 1 <= found.shard_total < 2**31
    texts = (found.handler, found.params, found.block_strategy, found.glue_type)
    assert_stored([text for text in texts if text is not None])
    assert "\x00" not in "".join(filter(None, texts))


def _kill(body: bytes) -> bool:
    return _read(lambda: inbound.parse_job_id(body))


def _log(body: bytes) -> bool:
    return _read(lambda: inbound.parse_log_query(body))


def _read(read: Any) -> bool:
    try:
        read()
    except inbound.RequestError as error:
        assert len(str(error)) < 100
        return REFUSED
    return ACCEPTED


def _answer(body: bytes) -> bool:
    try:
        answer = outbound.parse_answer(body)
    except outbound.AnswerError as error:
        assert len(str(error)) < 100
        return REFUSED
    assert isinstance(answer.code, int)
    assert shape_asked_for(answer.msg) in (None, *Shape)
    return ACCEPTED


def _parameter(text: str) -> bool:
    try:
        found = parse_parameter(text)
    except JobFailed as error:
        assert "\ud800" not in str(error)
        str(error).encode()
        return REFUSED
    create = found.create
    texts = [found.batch_no] if found.batch_no else []
    if create is not None:
        assert isinstance(create.date_from, date)
        assert isinstance(create.date_to, date)
        texts += [create.source, *create.org_codes, *create.bill_type_codes]
    # They are looked for in the ledger: no database takes NUL or half a character.
    for one in texts:
        one.encode()
        assert "\x00" not in one
    return ACCEPTED


@cache
def _rig() -> Rig:
    return Rig(opened(in_folder(Path(tempfile.mkdtemp()))))


def _call(case: tuple[str, str, bytes, dict[str, str]]) -> bool:
    """A call as it comes over HTTP: an answer of 200 with a code, whatever it was."""
    word, method, body, headers = case
    rig = _rig()
    response = rig.client.open(f"/xxl-job/{word}", method=method, data=body, headers=headers)
    assert response.status_code == 200
    assert "Traceback" not in response.text
    assert "internal error" not in response.text, response.text
    rig.queue.clear()
    if method == "HEAD":
        return REFUSED
    answer = response.get_json()
    assert answer["code"] in (200, 500)
    assert dialect_of(word, names_app=False) in Dialect
    return ACCEPTED if answer["code"] == 200 else REFUSED


_header = bent_texts(["imaging-migration", TOKEN, "10.0.0.1, ::1"], edits=2).map(
    lambda text: "".join(
        char for char in text if 0x20 <= ord(char) < 0x7F or 0xA0 <= ord(char) < 256
    )
)
_headers = st.fixed_dictionaries(
    {"XXL-JOB-ACCESS-TOKEN": st.sampled_from([TOKEN] * 6) | _header},
    optional={
        "XXL-JOB-APPNAME": st.sampled_from(["imaging-migration"]) | _header,
        "Content-Type": _header,
        "X-Forwarded-For": _header,
        "Content-Encoding": _header,
        "Transfer-Encoding": _header,
    },
)
_triggers = as_json(
    bent_values([trigger(1), trigger(2, executorHandler="shard", broadcastTotal=3)])
)
_bodies = _triggers | as_json(bent_values([LOG_QUERY, {"jobId": 7}]))
PARSERS = (
    Parser("xxl-job trigger", _triggers, _trigger),
    Parser("xxl-job kill, idleBeat", as_json(bent_values([{"jobId": 7}])), _kill),
    Parser("xxl-job log", as_json(bent_values([LOG_QUERY])), _log),
    Parser("xxl-job answer", as_json(bent_values(ANSWERS)), _answer),
    Parser(
        "xxl-job call over HTTP",
        st.tuples(
            st.sampled_from(WORDS[:6] * 3 + WORDS), st.sampled_from(METHODS), _bodies, _headers
        ),
        _call,
    ),
    Parser(
        "DataSyncTask parameter",
        bent_texts([json.dumps(one, ensure_ascii=False) for one in PARAMETERS])
        | bent_values(PARAMETERS).map(json.dumps),
        _parameter,
    ),
)
