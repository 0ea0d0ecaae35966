from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.archive_place import S3Keys, S3Place
from portal.errors import SettingsError
from portal.settings import read_settings


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return str(caught.value)


def test_everything_has_a_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_settings({})
    home = tmp_path / "var"
    assert settings.home == home
    assert settings.database_url == f"sqlite:///{home}/ledger.db"
    assert settings.queue_url == f"sqlite:///{home}/queue.db"
    assert settings.archive_place == home / "archive"
    assert (settings.bind_host, settings.bind_port) == ("127.0.0.1", 8000)
    assert settings.executor_address == "http://127.0.0.1:8000/xxl-job/"
    assert (settings.app_name, settings.locale) == ("imaging-migration", "zh_Hans_CN")
    assert str(settings.timezone) == "Asia/Shanghai"
    assert (settings.workers, settings.admin_addresses) == (2, ())
    assert not settings.allow_no_token
    assert not home.exists()


def test_an_empty_value_is_none() -> None:
    assert read_settings({"PORTAL_WORKERS": "", "PORTAL_LOCALE": " "}).workers == 2


def test_every_value_is_read() -> None:
    settings = read_settings(
        {
            "IMGMIG_HOME": "/srv/imgmig",
            "PORTAL_DATABASE_URL": "postgresql://u:p@db/imgmig",
            "PORTAL_QUEUE_URL": "sqlite:////srv/q.db",
            "PORTAL_ARCHIVE_URL": "file:///srv/archive",
            "PORTAL_BIND": "0.0.0.0:9000",
            "PORTAL_WORKERS": "8",
            "PORTAL_LOCALE": "en",
            "PORTAL_TIMEZONE": "UTC",
            "PORTAL_BASE_PATH": "/imaging",
            "PORTAL_TRUSTED_PROXIES": "1",
            "XXL_JOB_ADMIN_ADDRESSES": "http://a:8080/xxl-job-admin, https://b/xxl-job-admin",
            "XXL_JOB_ACCESS_TOKEN": "one, two",
            "XXL_JOB_EXECUTOR_APPNAME": "影像扫描执行器",
            "XXL_JOB_EXECUTOR_ADDRESS": "http://10.0.0.5:9000/xxl-job/",
            "XXL_JOB_LOG_RETENTION_DAYS": "7",
            "XXL_JOB_HANDLER_MODULES": "site.jobs",
            "XXL_JOB_ALLOW_NO_TOKEN": "true",
        }
    )
    assert settings.database_url == "postgresql+psycopg://u:p@db/imgmig"
    assert settings.queue_url == "sqlite:////srv/q.db"
    assert settings.archive_place == Path("/srv/archive")
    assert settings.address == "http://127.0.0.1:9000/imaging"
    assert settings.admin_addresses == ("http://a:8080/xxl-job-admin", "https://b/xxl-job-admin")
    assert settings.access_tokens() == ("one", "two")
    assert settings.handler_modules == ("site.jobs",)
    assert settings.base_path == "/imaging"
    assert settings.allow_no_token


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_DATABASE_URL", "oracle://u@h/d"),
        ("PORTAL_DATABASE_URL", "sqlite:///"),
        ("PORTAL_DATABASE_URL", "mysql://u@h"),
        ("PORTAL_DATABASE_URL", "mysql://u@h/"),
        ("PORTAL_DATABASE_URL", "mysql:///d"),
        ("PORTAL_DATABASE_URL", "mysql://u@h/d/e"),
        ("PORTAL_DATABASE_URL", "mariadb://u@h:99999/d"),
        ("PORTAL_DATABASE_URL", "mysql://u@h/d?charset=utf8"),
        ("PORTAL_DATABASE_URL", "mysql://u@h/d?charset="),
        ("PORTAL_DATABASE_URL", "mysql+pymysql://u@h/d"),
        ("PORTAL_QUEUE_URL", "/var/queue.db"),
        ("PORTAL_QUEUE_URL", "amqp://host/1"),
        ("PORTAL_QUEUE_URL", "redis:///0"),
        ("PORTAL_QUEUE_URL", "redis://host:0/0"),
        ("PORTAL_QUEUE_URL", "redis://host/queue"),
        ("PORTAL_QUEUE_URL", "postgresql:///imgmig"),
        ("PORTAL_ARCHIVE_URL", "file://server/share"),
        ("PORTAL_ARCHIVE_URL", "/srv/archive"),
        ("PORTAL_ARCHIVE_URL", "s3://"),
        ("PORTAL_ARCHIVE_URL", "s3://Bucket"),
        ("PORTAL_ARCHIVE_URL", "s3://key:secret@bucket/prefix"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket/a/../b"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket?endpoint=minio:9000"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket?endpoint=http://minio:9000/path"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket?endpoint=http://key:secret@minio:9000"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket?style=other"),
        ("PORTAL_ARCHIVE_URL", "s3://bucket?regoin=cn"),
        ("PORTAL_S3_SECRET_ACCESS_KEY_FILE", "/nowhere/key"),
        ("PORTAL_S3_ACCESS_KEY_ID", "without its secret"),
        ("PORTAL_S3_SECRET_ACCESS_KEY", "without its id"),
        ("PORTAL_BIND", "8000"),
        ("PORTAL_BIND", "127.0.0.1:0"),
        ("PORTAL_BIND", "127.0.0.1:65536"),
        ("PORTAL_BIND", "127.0.0.1:" + "9" * 5000),
        ("PORTAL_WORKERS", "0"),
        ("PORTAL_WORKERS", "65"),
        ("PORTAL_WORKERS", "two"),
        ("PORTAL_WORKERS", "-1"),
        ("PORTAL_WORKERS", "9" * 5000),
        ("PORTAL_LOCALE", "de"),
        ("PORTAL_TIMEZONE", "Asia/Atlantis"),
        ("PORTAL_TIMEZONE", "../../etc/passwd"),
        ("PORTAL_BASE_PATH", "imaging"),
        ("PORTAL_BASE_PATH", "/imaging/"),
        ("PORTAL_TRUSTED_PROXIES", "11"),
        ("XXL_JOB_ADMIN_ADDRESSES", "admin:8080"),
        ("XXL_JOB_ADMIN_ADDRESSES", "http://a, ftp://b"),
        ("XXL_JOB_EXECUTOR_ADDRESS", "http://host:99999/"),
        ("XXL_JOB_EXECUTOR_ADDRESS", "http://[::1/"),
        ("XXL_JOB_EXECUTOR_ADDRESS", "http:///xxl-job/"),
        ("XXL_JOB_EXECUTOR_APPNAME", "abc"),
        ("XXL_JOB_EXECUTOR_APPNAME", "a" * 65),
        ("XXL_JOB_LOG_RETENTION_DAYS", "2"),
        ("XXL_JOB_ALLOW_NO_TOKEN", "maybe"),
        ("PORTAL_SECRET_KEY_FILE", "/nowhere/key"),
        ("PORTAL_SECRET_KEY", "short"),
    ],
)
def test_nonsense_is_refused_with_its_name(name: str, value: str) -> None:
    assert name in refusal(**{name: value})


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("mysql://u:p@h:3307/d", "mysql+pymysql://u:p@h:3307/d?charset=utf8mb4"),
        ("mariadb://u:p%40@h/d", "mysql+pymysql://u:p%40@h/d?charset=utf8mb4"),
        ("mysql://u@[::1]/d", "mysql+pymysql://u@[::1]/d?charset=utf8mb4"),
        ("mysql://u@h/d?charset=utf8mb4", "mysql+pymysql://u@h/d?charset=utf8mb4"),
        ("mysql://h/d?ssl_ca=/a.pem", "mysql+pymysql://h/d?ssl_ca=/a.pem&charset=utf8mb4"),
    ],
)
def test_mariadb_and_mysql_are_spoken_to_in_utf8mb4(given: str, used: str) -> None:
    assert read_settings({"PORTAL_DATABASE_URL": given}).database_url == used


def test_a_refusal_says_what_is_allowed() -> None:
    assert "a whole number from 1 to 64" in refusal(PORTAL_WORKERS="many")
    assert "'many'" in refusal(PORTAL_WORKERS="many")


@pytest.mark.parametrize(
    "value", ["mysql://u:hunter2@h", "oracle://u:hunter2@h/d", "u:hunter2@h/d"]
)
def test_a_refusal_shows_no_password(value: str) -> None:
    text = refusal(PORTAL_DATABASE_URL=value)
    assert "hunter2" not in text
    assert "postgresql://" in text


@pytest.mark.parametrize("name", ["PORTAL_WORKER", "XXL_JOB_TOKEN", "IMGMIG_HOMES"])
def test_an_unknown_name_is_refused(name: str) -> None:
    text = refusal(**{name: "1"})
    assert name in text
    assert "PORTAL_WORKERS" in text


def test_names_of_others_and_of_tests_are_left_alone() -> None:
    read_settings({"PATH": "/bin", "IMGMIG_TEST_POSTGRESQL": "x", "PORTALX": "1"})


NAMES = st.sampled_from(
    ["PORTAL_DATABASE_URL", "PORTAL_QUEUE_URL", "PORTAL_ARCHIVE_URL", "PORTAL_BIND",
     "PORTAL_WORKERS", "PORTAL_LOCALE", "PORTAL_TIMEZONE", "PORTAL_BASE_PATH",
     "XXL_JOB_ADMIN_ADDRESSES", "XXL_JOB_EXECUTOR_ADDRESS", "XXL_JOB_EXECUTOR_APPNAME",
     "XXL_JOB_ALLOW_NO_TOKEN", "PORTAL_SECRET_KEY"]
)  # fmt: skip
#: What an environment can hold at all.
VALUES = st.text(st.characters(exclude_characters="\x00", codec="utf-8"))
PREFIXES = st.sampled_from(
    ["", "http://", "sqlite:///", "file://", "postgresql://", "mysql://", "1:", "["]
)


@given(NAMES, PREFIXES, VALUES)
def test_any_text_is_either_read_or_refused(name: str, prefix: str, value: str) -> None:
    try:
        read_settings({name: prefix + value})
    except SettingsError as refused:
        assert name in str(refused)  # noqa: PT017 - either way is fine


def test_an_ipv6_host_is_bracketed_where_it_stands_in_a_url() -> None:
    settings = read_settings({"PORTAL_BIND": "[::1]:8000"})
    assert settings.bind_host == "::1"
    assert settings.address == "http://[::1]:8000"
    assert settings.executor_address == "http://[::1]:8000/xxl-job/"


def test_secrets_are_made_once_and_kept_for_their_owner_only(tmp_path: Path) -> None:
    environ = {"IMGMIG_HOME": str(tmp_path / "home")}
    settings = read_settings(environ)
    key, (token,) = settings.secret_key(), settings.access_tokens()
    again = read_settings(environ)
    assert (again.secret_key(), again.access_tokens()) == (key, (token,))
    assert len(key) >= 32
    assert key != token
    for name in ("secret.key", "executor.token"):
        assert (tmp_path / "home" / name).stat().st_mode & 0o777 == 0o600
    assert key not in repr(settings)
    assert sorted(os.listdir(tmp_path / "home")) == ["executor.token", "secret.key"]


def test_two_first_starts_at_once_get_the_same_secret(tmp_path: Path) -> None:
    settings = read_settings({"IMGMIG_HOME": str(tmp_path)})
    together = threading.Barrier(8)
    keys: list[str] = []

    def start() -> None:
        together.wait()
        keys.append(settings.secret_key())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_secret_that_is_set_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 32 + "\n")
    home = tmp_path / "home"
    for environ, key in (
        ({"PORTAL_SECRET_KEY": "k" * 32}, "k" * 32),
        ({"PORTAL_SECRET_KEY_FILE": str(file)}, "f" * 32),
    ):
        settings = read_settings({"IMGMIG_HOME": str(home), **environ})
        assert settings.secret_key() == key
        assert key not in repr(settings)
    assert not home.exists()
    both = {"PORTAL_SECRET_KEY": "k" * 32, "PORTAL_SECRET_KEY_FILE": str(file)}
    assert "PORTAL_SECRET_KEY_FILE" in refusal(**both)


def test_no_token_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    environ = {"IMGMIG_HOME": str(tmp_path / "home"), "XXL_JOB_ALLOW_NO_TOKEN": "1"}
    assert read_settings(environ).access_tokens() == ()
    assert not (tmp_path / "home").exists()


def test_the_executors_own_settings() -> None:
    settings = read_settings({"XXL_JOB_ALLOWED_NETWORKS": "10.0.0.0/8, fd00::/8"})
    assert [str(network) for network in settings.allowed_networks] == ["10.0.0.0/8", "fd00::/8"]
    assert (settings.job_queue_limit, settings.drain_seconds) == (100, 30)
    assert (settings.stop_grace_seconds, settings.log_markup) == (10, "lookalike")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XXL_JOB_ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("XXL_JOB_ALLOWED_NETWORKS", "everywhere"),
        ("XXL_JOB_QUEUE_LIMIT", "0"),
        ("XXL_JOB_DRAIN_SECONDS", "-1"),
        ("XXL_JOB_STOP_GRACE_SECONDS", "601"),
        ("XXL_JOB_LOG_MARKUP", "html"),
        ("XXL_JOB_ADMIN_PROTOCOL", "2.0"),
    ],
)
def test_nonsense_for_the_executor_is_refused(name: str, value: str) -> None:
    assert name in refusal(**{name: value})


def test_an_archive_on_s3_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the-secret\n")
    settings = read_settings(
        {
            "PORTAL_ARCHIVE_URL": "s3://imaging/归档/a b?endpoint=http://minio:9000&region=cn-north-1&style=virtual&ca=/etc/ca.pem",
            "PORTAL_S3_ACCESS_KEY_ID": "the-id",
            "PORTAL_S3_SECRET_ACCESS_KEY_FILE": str(tmp_path / "key"),
        }
    )
    assert settings.archive_place == S3Place(
        bucket="imaging",
        prefix="归档/a b",
        endpoint="http://minio:9000",
        region="cn-north-1",
        is_virtual=True,
        ca_file="/etc/ca.pem",
    )
    assert settings.s3_keys() == S3Keys("the-id", "the-secret")
    assert "the-secret" not in repr(settings) + repr(settings.s3_keys()) + str(vars(settings))


def test_a_bucket_alone_is_one_of_aws() -> None:
    found = read_settings({"PORTAL_ARCHIVE_URL": "s3://imaging", "AWS_REGION": "eu-west-1"})
    assert found.archive_place == S3Place(
        bucket="imaging",
        prefix="",
        endpoint="https://s3.eu-west-1.amazonaws.com",
        region="eu-west-1",
    )
    assert found.s3_keys() is None
