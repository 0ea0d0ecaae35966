"""What the flagship client makes of a target that misbehaves."""

from __future__ import annotations

import hashlib
import io
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from portal.demo.flagship import create_demo_target
from portal.errors import InvalidSetting, SyncError
from portal.sync.targets.base import PushDocument, PushFile
from portal.sync.targets.bodies import Base64Body
from portal.sync.targets.envelope import TokenStale, business_data
from portal.sync.targets.flagship import Flagship
from tests.portal.demo_server import served
from tests.portal.sync.targets.flagship_scene import Double, connection_to

DOCUMENT = PushDocument("IMG-1", "eas", "B-1", "FYBX")


@pytest.fixture
def double() -> Iterator[Double]:
    with served(create_demo_target()) as url:
        yield Double(url)


@pytest.fixture
def target(double: Double) -> Iterator[Flagship]:
    client = Flagship(connection_to(double.url))
    yield client
    client.close()


def failure(double: Double, **changes: object) -> SyncError:
    client = Flagship(connection_to(double.url, **changes))
    try:
        with pytest.raises(SyncError) as error:
            client.announce(DOCUMENT)
    finally:
        client.close()
    return error.value


@pytest.mark.parametrize(
    "wrong",
    [{"app_id": "x"}, {"app_secret": "wrong-secret"}, {"user": "x"}, {"user_type": "Mobile"}],
)
def test_wrong_credentials_are_said_to_be_wrong(double: Double, wrong: dict[str, str]) -> None:
    if wrong == {"user_type": "Mobile"}:
        wrong = {"user_type": "Mobile", "user": "13800000000"}
    error = failure(double, **wrong)
    assert error.code == "TGT_LOGIN"
    assert error.problem.where == "target"
    assert "wrong-secret" not in str(error)


@pytest.mark.parametrize("in_envelope", [False, True])
def test_a_token_that_expires_is_renewed_once_for_all(
    double: Double, target: Flagship, in_envelope: bool
) -> None:
    target.announce(DOCUMENT)
    before = double.statistics()["calls"]["login.do"]
    double.misbehave(expire_after=1, expire_in_envelope=in_envelope)
    target.announce(DOCUMENT)
    assert double.statistics()["calls"]["login.do"] == before + 1


def test_threads_that_meet_an_expired_token_log_in_once(double: Double, target: Flagship) -> None:
    target.announce(DOCUMENT)
    target._tokens._token = "stale"  # what all of them are about to use
    failures: list[Exception] = []

    def announce() -> None:
        try:
            target.announce(DOCUMENT)
        except SyncError as error:
            failures.append(error)

    threads = [threading.Thread(target=announce) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert double.statistics()["calls"]["login.do"] == 2


def test_a_token_is_renewed_before_its_two_hours_are_over(double: Double) -> None:
    seconds = 0.0
    client = Flagship(connection_to(double.url), monotonic=lambda: seconds)
    client.announce(DOCUMENT)
    seconds = 2 * 3600
    client.announce(DOCUMENT)
    client.close()
    assert double.statistics()["calls"]["login.do"] == 2
    assert double.statistics()["refused"] == {}


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"down": True}, "TGT_THROTTLED"),
        ({"error_every": 1}, "TGT_SERVER_ERROR"),
        ({"refuse_types": ["FYBX"]}, "TGT_REFUSED"),
    ],
)
def test_a_failure_has_its_code(
    double: Double, target: Flagship, faults: dict[str, object], code: str
) -> None:
    target.check()
    double.misbehave(**faults)
    with pytest.raises(SyncError) as error:
        target.announce(DOCUMENT)
    assert error.value.code == code


def test_nobody_there_is_a_failure_of_the_connection(double: Double) -> None:
    error = failure(double, base_url="http://127.0.0.1:1")
    assert error.code == "TGT_CONNECTION"
    assert error.problem.where == "target"


def test_metadata_addresses_are_never_connected_to(double: Double) -> None:
    assert failure(double, base_url="http://169.254.169.254").code == "ADDRESS_FORBIDDEN"


def test_a_login_page_instead_of_the_interface_is_told(double: Double) -> None:
    error = failure(double, base_url=f"{double.url}/elsewhere")
    assert (error.code, error.params["detail"]) == ("TGT_BAD_ANSWER", "HTTP 404")


def test_a_file_above_the_limit_is_not_sent(double: Double) -> None:
    client = Flagship(connection_to(double.url, max_file_bytes=10))
    client.announce(DOCUMENT)
    with pytest.raises(SyncError) as error:
        client.hand_over(DOCUMENT, PushFile("a.txt", "txt", "cover", 11), io.BytesIO(b"x" * 11))
    client.close()
    assert error.value.code == "TGT_FILE_TOO_LARGE"
    assert "fileCollect" not in double.statistics()["calls"]


@pytest.mark.parametrize(("suffix", "content"), [("pdf", b"no pdf"), ("exe", b"MZ")])
def test_a_file_that_is_not_its_suffix_is_refused(
    target: Flagship, suffix: str, content: bytes
) -> None:
    target.announce(DOCUMENT)
    file = PushFile("a", suffix, "attachment", len(content))
    with pytest.raises(SyncError) as error:
        target.hand_over(DOCUMENT, file, io.BytesIO(content))
    assert error.value.code == "TGT_REFUSED"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 196_607, 196_608, 196_609, 1_000_001])
def test_a_file_arrives_as_it_is(double: Double, target: Flagship, size: int) -> None:
    content = bytes(position * 7 % 256 for position in range(size))
    target.announce(DOCUMENT)
    one = target.hand_over(DOCUMENT, PushFile("a", "txt", "cover", size), io.BytesIO(content))
    target.submit(DOCUMENT, [one])
    (file,) = double.bills()["eas/IMG-1"]["files"]
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert (file["fileType"], file["size"]) == ("cover", size)


def test_what_was_submitted_last_is_what_the_document_has(double: Double, target: Flagship) -> None:
    target.announce(DOCUMENT)
    for text in (b"first", b"second"):
        one = target.hand_over(DOCUMENT, PushFile("a", "txt", "cover", len(text)), io.BytesIO(text))
        target.submit(DOCUMENT, [one])
    files = double.bills()["eas/IMG-1"]["files"]
    assert [file["sha256"] for file in files] == [hashlib.sha256(b"second").hexdigest()]


class _Endless(io.RawIOBase):
    def read(self, amount: int = -1) -> bytes:
        return bytes(amount)


def test_memory_holds_a_piece_of_a_large_file_only() -> None:
    body = Base64Body(_Endless(), 100_000_000, {"fileSuffix": "pdf"})  # type: ignore[arg-type]
    tracemalloc.start()
    sent = 0
    while piece := body.read(16_384):
        sent += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sent == len(body)
    assert peak < 2_000_000


def test_a_file_that_became_shorter_is_not_sent_as_if_it_were_whole() -> None:
    body = Base64Body(io.BytesIO(b"abc"), 4, {})
    with pytest.raises(EOFError):
        body.read()


@pytest.mark.parametrize("said", [True, "true", "True"])
def test_success_may_be_a_boolean_or_its_text(said: object) -> None:
    answer = {"success": said, "errorCode": "0000", "data": {"a": 1}}
    assert business_data(answer, "call") == {"a": 1}


@pytest.mark.parametrize("said", [False, "false"])
def test_failure_may_be_a_boolean_or_its_text(said: object) -> None:
    with pytest.raises(SyncError) as error:
        business_data({"success": said, "errorCode": "2001", "message": "x"}, "call")
    assert error.value.code == "TGT_REFUSED"
    with pytest.raises(TokenStale):
        business_data({"success": said, "message": "access_token 已过期"}, "call")


def test_an_answer_without_success_is_not_taken_for_one() -> None:
    with pytest.raises(SyncError) as error:
        business_data({"errorCode": "0000"}, "call")
    assert error.value.code == "TGT_BAD_ANSWER"


@pytest.mark.parametrize("address", ["flagship", "ftp://a", "http://u:p@a", "http://a/?x=1"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(InvalidSetting):
        connection_to(address)


def test_secrets_are_in_no_representation() -> None:
    connection = connection_to("http://a")
    assert connection.app_secret not in repr(connection)
