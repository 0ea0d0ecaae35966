"""Which place an address means: a folder, a bucket, or a web address; and the settings of one."""

from __future__ import annotations

from pathlib import Path

from portal.errors import InvalidSetting
from portal.outbound.rule import AddressForbidden, rule
from portal.sync.sources.files.base import FilePlace, FileStore
from portal.sync.sources.files.folder import FolderFiles
from portal.sync.sources.files.s3 import S3Files, s3_base_url
from portal.sync.sources.files.web import WebFiles
from portal.sync.sources.kind import Opening, Setting, Values
from portal.sync.sources.targets import Address

_WEB = ("http://", "https://")


def check_store(text: str) -> None:
    """Refuse what is neither a folder nor a bucket.

    :raises InvalidSetting: saying what is allowed
    """
    if text.startswith("s3://"):
        _check_host(s3_base_url(text))
    elif not text.startswith("/") or ".." in text.split("/"):
        raise InvalidSetting(
            "须为文件夹的绝对路径（如 /data/export），或 s3://桶/前缀",
            "must be a folder's absolute path, such as /data/export, or s3://bucket/prefix",
        )


def check_place(text: str) -> None:
    """Refuse what is no place of files; a web address is one.

    :raises InvalidSetting: saying what is allowed
    """
    if text.startswith(_WEB):
        _check_host(text)
    else:
        check_store(text)


def is_web(text: str) -> bool:
    """Whether a place is a web address."""
    return text.startswith(_WEB)


def base_url_of(text: str) -> str | None:
    """What of a place is reached by HTTP."""
    if text.startswith("s3://"):
        return s3_base_url(text)
    return text if is_web(text) else None


def shown(text: str) -> str:
    """A place as lists show it."""
    return text.partition("?")[0]


def store_at(text: str, opening: Opening) -> FileStore:
    """The folder or bucket."""
    if text.startswith("s3://"):
        return S3Files(text, opening)
    return FolderFiles(Path(text), opening.home)


def place_at(text: str, opening: Opening) -> FilePlace:
    """The folder, bucket or web address."""
    return WebFiles(opening) if is_web(text) else store_at(text, opening)


def base_url_of_place(values: Values) -> str | None:
    """The same of the setting ``place``."""
    return base_url_of(values["place"])


#: The keys of a bucket, for a kind whose ``place`` may be one.
S3_SETTINGS = (
    Setting(
        "access_key_id",
        "S3 Access Key ID",
        "S3 access key id",
        "文件在 S3 时填写；留空则使用主机上 AWS 的通用凭据。",
        "For files on S3; left empty, the usual AWS credentials of the host are used.",
        required=False,
    ),
    Setting(
        "secret_access_key",
        "S3 Secret Access Key",
        "S3 secret access key",
        required=False,
        secret=True,
        goes_to="place",
    ),
)


def _check_host(url: str) -> None:
    try:
        host = Address.parse(url).host
        rule.check_host(host)
    except AddressForbidden:
        raise InvalidSetting("该地址不允许连接", "that address may not be connected to") from None
    except ValueError:
        raise InvalidSetting("地址无效", "the address is not valid") from None
