"""What the environment says, and the addresses of database, queue and archive in it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from hypothesis import strategies as st

from executor import ExecutorSettings
from portal.errors import SettingsError
from portal.logs.redaction import Redactor
from portal.settings import read_settings
from tests.fuzz.bending import bent_texts
from tests.fuzz.parser import ACCEPTED, REFUSED, Parser

SEEDS: dict[str, list[str]] = {
    "IMGMIG_HOME": ["/tmp/home", "~/home"],
    "PORTAL_DATABASE_URL": [
        "sqlite:////tmp/l.db", "postgresql://me:a-long-password@db/name?sslmode=require",
        "mysql://me:a-long-password@[::1]:3306/name?charset=utf8mb4", "mariadb://h/n",
    ],
    "PORTAL_QUEUE_URL": ["redis://:a-long-password@h:6379/0", "rediss://h", "sqlite:///q.db",
                         "postgresql:///n?host=/run"],
    "PORTAL_ARCHIVE_URL": [
        "file:///archive", "s3://bucket/prefix?endpoint=http://h:9000&region=r&style=path",
        "s3://bucket?ca=/x.pem",
    ],
    "PORTAL_BIND": ["127.0.0.1:8000", "[::1]:80"],
    "PORTAL_WORKERS": ["2"],
    "PORTAL_LOCALE": ["en"],
    "PORTAL_TIMEZONE": ["Asia/Shanghai", "UTC"],
    "PORTAL_BASE_PATH": ["/imgmig", ""],
    "PORTAL_TRUSTED_PROXIES": ["1"],
    "XXL_JOB_ADMIN_ADDRESSES": ["http://a:8080/xxl-job-admin, https://b"],
    "XXL_JOB_EXECUTOR_APPNAME": ["imaging-migration"],
    "XXL_JOB_EXECUTOR_ADDRESS": ["http://10.0.0.1:8000/xxl-job/"],
    "XXL_JOB_LOG_RETENTION_DAYS": ["30"],
    "XXL_JOB_HANDLER_MODULES": ["a.b, c"],
    "XXL_JOB_ALLOW_NO_TOKEN": ["true"],
    "XXL_JOB_LOG_MARKUP": ["plain"],
    "XXL_JOB_ALLOWED_NETWORKS": ["10.0.0.0/8, ::1"],
    "PORTAL_LOG_FORMAT": ["json"],
    "PORTAL_LOG_LEVEL": ["info"],
    "PORTAL_SECRET_KEY": ["x" * 40],
    "PORTAL_SECRET_KEY_FILE": ["/dev/null", "/nowhere"],
    "PORTAL_S3_ACCESS_KEY_ID": ["AKIAX"],
    "PORTAL_S3_SECRET_ACCESS_KEY": ["a-long-secret"],
    "XXL_JOB_ACCESS_TOKEN": ["one, two"],
    "PORTAL_METRICS_TOKEN": ["sixteen-or-more-characters"],
}  # fmt: skip
LOGGED = [
    "GET https://me:word@host/a?sign=abc&x=1", "Authorization: Bearer abcdefgh", "token=abc123",
    '{"clientSecret": "very-secret-one"}', "PORTAL_SECRET_KEY=very-secret-one",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "very-secret-one",
]  # fmt: skip


def _environment(environ: dict[str, str]) -> bool:
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        assert "a-long-password" not in str(error)
        hidden = environ.get("PORTAL_S3_SECRET_ACCESS_KEY", "")
        assert "a-long-secret" not in hidden or hidden not in str(error)
        return REFUSED
    assert 0 < settings.bind_port < 65536
    assert urlsplit(settings.address).scheme == "http"
    assert "word" not in repr(settings)
    ExecutorSettings(
        app_name=settings.app_name,
        address=settings.executor_address,
        admin_addresses=settings.admin_addresses,
        access_tokens=("x",),
        allowed_networks=settings.allowed_networks,
    )
    return ACCEPTED


def _logged(case: tuple[str, list[str]]) -> bool:
    text, secrets = case
    redactor = Redactor()
    for secret in secrets:
        redactor.learn_text(secret)
    redactor.learn_environment({"A_TOKEN": text, "ADDRESS": text})
    said = redactor.redact(text + " and " + "".join(secrets))
    for secret in secrets:
        # One that is an address or an object is hidden in its parts.
        assert len(secret) < 5 or "://" in secret or secret[0] == "{" or secret not in said
    return REFUSED if "***" in said else ACCEPTED


def _variable(texts: list[str]) -> Any:
    # The system hands over no NUL; what is no UTF-8 comes as halves of characters.
    return bent_texts(texts, edits=2).map(lambda text: text.replace("\x00", ""))


_environs = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(texts) | _variable(texts) for name, texts in SEEDS.items()}
)
_few = st.lists(st.sampled_from(sorted(SEEDS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _variable(SEEDS[name]) for name in names})
)
PARSERS = (
    Parser("environment", _few | _environs, _environment),
    Parser(
        "redaction of a log",
        st.tuples(bent_texts(LOGGED), st.lists(bent_texts(["very-secret-one"]), max_size=2)),
        _logged,
    ),
)
