"""Settings from the environment (design: names are fixed), read once and refused when wrong."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.archive_place import ALLOWED as ALLOWED_ARCHIVES
from portal.archive_place import S3Keys, S3Place, archive_place
from portal.errors import SettingsError
from portal.logs.starting import FORMATS, LEVELS

PREFIXES = ("IMGMIG_", "PORTAL_", "XXL_JOB_")
LOCALES = ("zh_Hans_CN", "en")
EXECUTOR_PREFIX = "/xxl-job"
SECRET_KEY_FILE = "secret.key"  # noqa: S105 - its name
TOKEN_FILE = "executor.token"  # noqa: S105 - its name
#: Characters of a secret key.
SHORTEST_KEY = 32
# What machines call at the portal's own port, whatever path its pages stand under.
MACHINE_PATHS = (EXECUTOR_PREFIX, "/healthz", "/readyz", "/metrics")
_SUB_PATH = re.compile(r"(/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)+")
# What stands behind a colon in an address that is neither its host nor a port.
_PASSWORD = re.compile(r":(?!/|[0-9]*(?:[/?#]|$))")
_LONGEST_ADDRESS = 255
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Everything a process needs to know before it opens the ledger; no secret in ``repr``."""

    home: Path
    database_url: str
    queue_url: str
    archive_place: Path | S3Place
    bind_host: str
    bind_port: int
    workers: int
    locale: str
    timezone: ZoneInfo
    base_path: str
    trusted_proxies: int
    session_idle: timedelta
    session_lifetime: timedelta
    admin_addresses: tuple[str, ...]
    app_name: str
    executor_address: str
    log_retention_days: int
    handler_modules: tuple[str, ...]
    allow_no_token: bool
    job_queue_limit: int
    stop_grace_seconds: int
    drain_seconds: int
    log_markup: str
    admin_protocol: str
    allowed_networks: tuple[IPv4Network | IPv6Network, ...]
    outbound_networks: tuple[IPv4Network | IPv6Network, ...]
    log_format: str
    log_level: str
    _secret_key: str = ""
    _secret_key_file: Path | None = None
    _s3_keys: S3Keys | None = None
    _access_tokens: tuple[str, ...] = ()
    _metrics_token: str = ""

    def __repr__(self) -> str:
        return f"Settings(home={str(self.home)!r})"

    @property
    def address(self) -> str:
        """Where people open the portal on this host."""
        host = "127.0.0.1" if self.bind_host in _EVERYWHERE else self.bind_host
        return f"http://{_in_url(host)}:{self.bind_port}{self.base_path}"

    def secret_key(self) -> str:
        """The key of sessions and stored secrets; made and kept under the home when not set."""
        return self._secret_key or _kept(self.home / SECRET_KEY_FILE)

    @property
    def given_secret_key(self) -> str:
        """The secret key that the environment gave, or else the home holds; empty for none."""
        file = self.home / SECRET_KEY_FILE
        return self._secret_key or (file.read_text().strip() if file.exists() else "")

    @property
    def keeps_secret_key(self) -> bool:
        """Whether the secret key lies in the home, as the environment gives none."""
        return not self._secret_key

    @property
    def secret_key_file(self) -> Path | None:
        """Where the secret key lies; None when a setting is the key itself."""
        if self.keeps_secret_key:
            return self.home / SECRET_KEY_FILE
        return self._secret_key_file

    def with_secret_key(self, key: str) -> Settings:
        """The same with this secret key; nothing that opens them writes a secret to the home."""
        tokens = self._access_tokens or (secrets.token_urlsafe(32),)
        return replace(self, _secret_key=key, _access_tokens=tokens)

    def s3_keys(self) -> S3Keys | None:
        """The keys of an archive on S3; None when they are found where AWS programs look."""
        return self._s3_keys

    def access_tokens(self) -> tuple[str, ...]:
        """Tokens an admin may show; a random one is made and kept when none is set."""
        if not self.makes_token:
            return self._access_tokens
        return (_kept(self.token_file),)

    def metrics_token(self) -> str:
        """What a monitor must show; empty: none, and only this host may read the figures."""
        return self._metrics_token

    def secrets(self) -> tuple[str, ...]:
        """All of them, for whoever keeps them out of logs."""
        hidden = (self._s3_keys.secret_key,) if self._s3_keys else ()
        return (self.secret_key(), *self.access_tokens(), self.metrics_token(), *hidden)

    @property
    def token_file(self) -> Path:
        """Where the executor's token is kept when none is set."""
        return self.home / TOKEN_FILE

    @property
    def makes_token(self) -> bool:
        """Whether the executor's token is one we make ourselves."""
        return not self._access_tokens and not self.allow_no_token


def _kept(path: Path) -> str:
    """A random secret in a file only its owner may read; two first starters get the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    :raises SettingsError: for an unknown name or a value that makes no sense, naming both
    """
    env = _Environment(os.environ if environ is None else environ)
    home = env.parsed("IMGMIG_HOME", "./var", _home, "a folder")
    region = env.foreign("AWS_REGION") or env.foreign("AWS_DEFAULT_REGION")
    host, port = env.parsed("PORTAL_BIND", "127.0.0.1:8000", _bind, "host:port")
    settings = Settings(
        home=home,
        database_url=env.parsed(
            "PORTAL_DATABASE_URL",
            f"sqlite:///{home / 'ledger.db'}",
            _database_url,
            "sqlite:///path, postgresql://user:password@host/name"
            " or mysql:// or mariadb://user:password@host/name (utf8mb4)",
        ),
        queue_url=env.parsed(
            "PORTAL_QUEUE_URL",
            f"sqlite:///{home / 'queue.db'}",
            _queue_url,
            "sqlite:///path, redis://host:port/number, rediss://… or postgresql://host/name",
        ),
        archive_place=env.parsed(
            "PORTAL_ARCHIVE_URL",
            f"file://{home / 'archive'}",
            lambda value: archive_place(value, usual_region=region),
            ALLOWED_ARCHIVES,
        ),
        bind_host=host,
        bind_port=port,
        workers=env.integer("PORTAL_WORKERS", 2, 1, 64),
        locale=env.choice("PORTAL_LOCALE", LOCALES),
        timezone=env.parsed("PORTAL_TIMEZONE", "Asia/Shanghai", _timezone, "a tz database name"),
        base_path=env.parsed("PORTAL_BASE_PATH", "", _base_path, "empty or /path"),
        trusted_proxies=env.integer("PORTAL_TRUSTED_PROXIES", 0, 0, 10),
        session_idle=timedelta(minutes=env.integer("PORTAL_SESSION_IDLE_MINUTES", 480, 5, 43200)),
        session_lifetime=timedelta(hours=env.integer("PORTAL_SESSION_HOURS", 168, 1, 8760)),
        admin_addresses=env.parsed(
            "XXL_JOB_ADMIN_ADDRESSES", "", _addresses, "http(s)://host:port/path, comma-separated"
        ),
        app_name=env.parsed(
            "XXL_JOB_EXECUTOR_APPNAME", "imaging-migration", _app_name, "4 to 64 characters"
        ),
        executor_address=env.parsed(
            "XXL_JOB_EXECUTOR_ADDRESS",
            f"http://{_in_url(host)}:{port}{EXECUTOR_PREFIX}/",
            _one_address,
            "http(s)://host:port/path",
        ),
        log_retention_days=env.integer("XXL_JOB_LOG_RETENTION_DAYS", 30, 3, 3650),
        handler_modules=env.words("XXL_JOB_HANDLER_MODULES"),
        allow_no_token=env.flag("XXL_JOB_ALLOW_NO_TOKEN"),
        job_queue_limit=env.integer("XXL_JOB_QUEUE_LIMIT", 100, 1, 10000),
        stop_grace_seconds=env.integer("XXL_JOB_STOP_GRACE_SECONDS", 10, 0, 600),
        drain_seconds=env.integer("XXL_JOB_DRAIN_SECONDS", 30, 0, 600),
        log_markup=env.choice("XXL_JOB_LOG_MARKUP", ("lookalike", "escape", "plain")),
        admin_protocol=env.choice("XXL_JOB_ADMIN_PROTOCOL", ("auto", "json", "hessian")),
        allowed_networks=env.parsed(
            "XXL_JOB_ALLOWED_NETWORKS", "", _networks, "10.0.0.0/8, comma-separated"
        ),
        outbound_networks=env.parsed(
            "PORTAL_OUTBOUND_NETWORKS", "", _networks, "169.254.10.0/24, comma-separated"
        ),
        log_format=env.choice("PORTAL_LOG_FORMAT", FORMATS),
        log_level=env.choice("PORTAL_LOG_LEVEL", LEVELS),
        _secret_key=_secret_key(env),
        _secret_key_file=_file_of_key(env),
        _s3_keys=_s3_keys(env),
        _access_tokens=env.words("XXL_JOB_ACCESS_TOKEN"),
        _metrics_token=_metrics_token(env),
    )
    env.refuse_unread()
    _refuse_unreachable(settings)
    return settings


def _home(value: str) -> Path:
    if not value.isprintable():
        raise ValueError(value)
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # of a user who is not there
        raise ValueError(value) from error


def _refuse_unreachable(settings: Settings) -> None:
    """No admin can call an address that means "every address of this host"."""
    host = urlsplit(settings.executor_address).hostname
    if settings.admin_addresses and host in _EVERYWHERE:
        raise _refusal(
            "XXL_JOB_EXECUTOR_ADDRESS",
            settings.executor_address,
            "管理端能访问的地址 an address the admin can reach, http://host:port/xxl-job/",
        )


class _Environment:
    """Reads values by name, remembers which names exist, and words every refusal alike."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._read: set[str] = set()

    def text(self, name: str, default: str) -> str:
        self._read.add(name)
        return self._environ.get(name, "").strip() or default

    def foreign(self, name: str) -> str:
        """A variable that is not ours."""
        return self._environ.get(name, "").strip()

    def parsed(self, name: str, default: str, parse: Callable[[str], T], allowed: str) -> T:
        value = self.text(name, default)
        try:
            return parse(value)
        except ValueError:
            raise _refusal(name, value, allowed) from None

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.text(name, str(default))
        if not _is_number(value) or len(value) > 9 or not lowest <= int(value) <= highest:
            raise _refusal(name, value, f"a whole number from {lowest} to {highest}")
        return int(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise _refusal(name, value, " or ".join(allowed))
        return value

    def flag(self, name: str) -> bool:
        value = self.text(name, "0").lower()
        if value not in ("0", "1", "true", "false"):
            raise _refusal(name, value, "1, true, 0 or false")
        return value in ("1", "true")

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word for raw in self.text(name, "").split(",") if (word := raw.strip()))

    def refuse_unread(self) -> None:
        ours = {
            n for n in self._environ if n.startswith(PREFIXES) and not n.startswith("IMGMIG_TEST_")
        }
        for name in sorted(ours - self._read):
            known = ", ".join(sorted(self._read))
            raise SettingsError(f"未知的设置 unknown setting {name}；可用 allowed: {known}")


def _refusal(name: str, value: str, allowed: str) -> SettingsError:
    may_hold_password = "@" in value or (name.endswith("_URL") and _PASSWORD.search(value))
    shown = "***" if may_hold_password else value
    return SettingsError(f"设置无效 invalid setting {name}={shown!r}；允许 allowed: {allowed}")


def _bind(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not _is_number(port) or len(port) > 5 or not 0 < int(port) < 65536:
        raise ValueError(value)
    return host.strip("[]"), int(port)


def _is_number(text: str) -> bool:
    """Whether the text is plain digits; other scripts' digits are a mistake of the keyboard."""
    return text.isascii() and text.isdecimal()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _database_url(value: str) -> str:
    if value.startswith("postgresql://"):
        return "postgresql+psycopg://" + value.removeprefix("postgresql://")
    if value.startswith(("mysql://", "mariadb://")):
        return _mysql_url("mysql+pymysql://" + value.partition("://")[2])
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return value
    raise ValueError(value)


def _mysql_url(value: str) -> str:
    """With the one character set that holds every character; a smaller one would lose some."""
    parts = urlsplit(value)
    charsets = parse_qs(parts.query, keep_blank_values=True).get("charset", [])
    if not parts.hostname or len(parts.path) < 2 or "/" in parts.path[1:]:
        raise ValueError(value)
    if parts.port == 0 or charsets not in ([], ["utf8mb4"]):
        raise ValueError(value)
    query = parts.query if charsets else "&".join(filter(None, (parts.query, "charset=utf8mb4")))
    return parts._replace(query=query).geturl()


def _queue_url(value: str) -> str:
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return f"sqlite:///{Path(value.removeprefix('sqlite:///')).absolute()}"
    parts = urlsplit(value)
    named = parts.path.removeprefix("/")
    if parts.fragment or parts.port == 0:  # asking for the port refuses any other that is none
        raise ValueError(value)
    if parts.scheme in ("redis", "rediss") and parts.hostname and (not named or _is_number(named)):
        return value
    # The host of a socket on this machine stands in the parameters.
    if parts.scheme == "postgresql" and (parts.hostname or "host=" in parts.query):
        return value
    raise ValueError(value)


def _timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(value) from error


def is_sub_path(path: str) -> bool:
    """Whether a path may stand before all of the portal's: plain segments, no slash at the end."""
    return _SUB_PATH.fullmatch(path) is not None


def _base_path(value: str) -> str:
    if value and (not is_sub_path(value) or f"/{value.split('/')[1]}" in MACHINE_PATHS):
        raise ValueError(value)
    return value


def _one_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError(value)
    # The executor's own rules: the admin keeps no longer one, and compares it as it is written.
    if not value.startswith(("http://", "https://")) or len(value) > _LONGEST_ADDRESS:
        raise ValueError(value)
    if parts.port == 0:  # asking for the port refuses any other that is none
        raise ValueError(value)
    return value


def _addresses(value: str) -> tuple[str, ...]:
    return tuple(_one_address(word) for raw in value.split(",") if (word := raw.strip()))


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(word) for raw in value.split(",") if (word := raw.strip()))


def _app_name(value: str) -> str:
    if not 4 <= len(value) <= 64:
        raise ValueError(value)
    return value


def _secret_key(env: _Environment) -> str:
    key = _secret(env, "PORTAL_SECRET_KEY")
    if key is not None and len(key) < SHORTEST_KEY:
        raise SettingsError("PORTAL_SECRET_KEY 至少 32 个字符 needs at least 32 characters")
    return key or ""


def _file_of_key(env: _Environment) -> Path | None:
    file = env.text("PORTAL_SECRET_KEY_FILE", "")
    return Path(file).absolute() if file else None


def _s3_keys(env: _Environment) -> S3Keys | None:
    access, secret = "PORTAL_S3_ACCESS_KEY_ID", "PORTAL_S3_SECRET_ACCESS_KEY"
    key, hidden = env.text(access, ""), _secret(env, secret)
    if bool(key) != bool(hidden):
        raise SettingsError(f"{access} 与 {secret} 须同时设置 set both or neither")
    return S3Keys(key, hidden) if key and hidden else None


def _secret(env: _Environment, name: str) -> str | None:
    """A secret of the environment, or of the file that ``name_FILE`` names; None for neither."""
    value, file = env.text(name, ""), env.text(f"{name}_FILE", "")
    if value and file:
        raise SettingsError(f"{name} 与 {name}_FILE 只能设置一个 set only one")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise _refusal(f"{name}_FILE", file, "a readable file") from error
    return value or None


def _metrics_token(env: _Environment) -> str:
    token = env.text("PORTAL_METRICS_TOKEN", "")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise SettingsError(
            "PORTAL_METRICS_TOKEN 至少 16 个可见的 ASCII 字符 needs 16 visible ASCII characters"
        )
    return token
