"""What a kind of source is: its own settings, how one is opened, what its test tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import requests

from portal.errors import InvalidSetting
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.fetching import Fetcher
from portal.sync.sources.base import Source
from portal.sync.sources.connection import Connection
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import SourceFile
from portal.sync.tls import file_trusting

#: Below the home: the private CAs as files, which the download client needs.
CA_FOLDER = "ca"

#: A kind's own settings by name, secrets among them; those that were not given are empty.
Values: TypeAlias = Mapping[str, str]

_TRIAL = ("access", "count", "listing", "metadata", "presence", "file", "inspection")


def _anything(_value: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a kind; ``lines`` is how many the form shows.

    ``check`` raises :class:`InvalidSetting` for a value that makes no sense. A ``secret`` is
    encrypted at rest and shown nowhere; one that ``goes_to`` another setting is asked for again
    when that names another host.
    """

    name: str
    zh: str
    en: str
    hint_zh: str = ""
    hint_en: str = ""
    check: Callable[[str], object] = _anything
    required: bool = True
    secret: bool = False
    lines: int = 1
    default: str = ""
    goes_to: str | None = None

    def label(self, language: str) -> str:
        """What it is called, in ``zh`` or ``en``."""
        return self.zh if language.startswith("zh") else self.en

    def hint(self, language: str) -> str:
        """What to write there."""
        return self.hint_zh if language.startswith("zh") else self.hint_en


@dataclass(frozen=True, slots=True)
class Opening:
    """What a kind is opened with; nothing may be connected or read before the first use.

    :param connection: how it is reached by HTTP, where it is
    :param home: of the installation
    :param on_answer: sees the head of every answer to a control call
    :param patience: seconds, where somebody waits for the answer; None leaves the usual ones
    """

    values: Values = field(repr=False)
    connection: Connection | None
    profile: ConnectorProfile
    home: Path
    on_answer: Callable[[requests.Response], None] | None = None
    patience: float | None = None

    @property
    def http(self) -> Connection:
        """The connection of a kind that has one."""
        if self.connection is None:
            raise InvalidSetting("没有网络地址", "no address to connect to")
        return self.connection

    def downloader(self) -> Downloader:
        """What downloads by HTTP.

        :raises OSError: when a private CA cannot be written below the home
        """
        return Downloader(download_options(self.http, self.home))


def download_options(connection: Connection, home: Path) -> DownloadOptions:
    """How downloads reach a source.

    :raises OSError: when a private CA cannot be written below the home
    """
    pem = connection.ca_pem
    return DownloadOptions(
        connect_timeout=connection.connect_timeout,
        proxy=connection.proxy,
        ca_file=file_trusting(pem, home / CA_FOLDER) if pem else None,
        envelope=connection.profile.envelope,
    )


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A data source as one process has it open: its control calls, and what fetches its files.

    ``look`` says whether a listed file is there without fetching it; none where that cannot be
    told. It raises what fetching would.
    """

    source: Source
    downloader: Fetcher
    look: Callable[[SourceFile], None] | None = None

    def close(self) -> None:
        """Let go of all connections."""
        self.downloader.close()
        self.source.close()


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source; one that ``has_login`` has address, clientId and clientSecret as well.

    :ivar address: where it is, as it may be shown; ``base_url`` what of it is reached by HTTP
    :ivar trial: the steps of its test, see :mod:`portal.services.source_check`
    :ivar manual: the operators' page about it, below ``docs/zh``
    """

    name: str
    zh: str
    en: str
    open: Callable[[Opening], OpenSource]
    settings: tuple[Setting, ...] = ()
    address: Callable[[Values], str] = lambda _values: ""
    base_url: Callable[[Values], str | None] = lambda _values: None
    trial: tuple[str, ...] = _TRIAL
    has_login: bool = False
    manual: str = ""

    def label(self, language: str) -> str:
        """What it is called, in ``zh`` or ``en``."""
        return self.zh if language.startswith("zh") else self.en

    def complete(self, values: Values) -> dict[str, str]:
        """The values of all its settings, with the defaults of those not given."""
        return {one.name: values.get(one.name) or one.default for one in self.settings}
