from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portal.sync.tls import check_authorities, file_trusting
from tests.certificates import Authority

NOW = datetime.now(UTC)


def test_certificates_that_will_do(tmp_path: Path) -> None:
    check_authorities(Authority(tmp_path).pem + Authority(tmp_path).pem, NOW)


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem
    for text in ("", "hello", pem[:200], pem.replace("CERTIFICATE", "X509 CRL")):
        with pytest.raises(ValueError, match="private CA: no readable certificate"):
            check_authorities(text, NOW)


def test_a_private_key_is_not_kept(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    with pytest.raises(ValueError, match="private CA: holds a private key"):
        check_authorities(Authority(tmp_path).pem + key, NOW)


def test_one_that_is_not_valid_now_is_refused_by_name(tmp_path: Path) -> None:
    both = Authority(tmp_path).pem + Authority(tmp_path, days=-1).pem
    with pytest.raises(ValueError, match=r"内网根证书 \d+ expired on "):
        check_authorities(both, NOW)
    with pytest.raises(ValueError, match=r"内网根证书 \d+ is not valid before "):
        check_authorities(Authority(tmp_path).pem, NOW - timedelta(days=90))


def test_the_file_is_its_owners_alone_and_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    path = Path(file_trusting("pem 1", folder))
    written = path.stat()
    assert written.st_mode & 0o777 == 0o600
    assert file_trusting("pem 1", folder) == str(path)
    assert path.stat().st_ino == written.st_ino
    assert file_trusting("pem 2", folder) != str(path)


def test_a_file_that_was_spoilt_is_written_again(tmp_path: Path) -> None:
    path = Path(file_trusting("pem", tmp_path))
    path.write_text("pe")
    assert Path(file_trusting("pem", tmp_path)).read_text() == "pem"
    path.unlink()
    assert Path(file_trusting("pem", tmp_path)).read_text() == "pem"


def test_many_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=file_trusting, args=("x" * 100_000, tmp_path)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = tmp_path.iterdir()
    assert file.read_text() == "x" * 100_000
