"""Opening a data source: the one place where its settings become the clients that reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.sources import connection_of
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.sources.base import Source
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.tls import file_trusting

#: Below the home: the private CAs as files, which the download client needs.
CA_FOLDER = "ca"


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A data source as one process has it open: its control calls and its downloads."""

    source: Source
    downloader: Downloader

    def close(self) -> None:
        """Let go of all connections."""
        self.downloader.close()
        self.source.close()


def open_source(
    source: DataSource,
    box: SecretBox,
    home: Path,
    *,
    on_answer: Callable[[requests.Response], None] | None = None,
    patience: float | None = None,
) -> OpenSource:
    """Open a data source; nothing is connected before the first use.

    :param home: of the installation
    :param on_answer: sees the head of every answer to a control call
    :param patience: seconds for a connection and for every wait for bytes, where somebody waits
        for the answer; None leaves the usual ones
    :raises SecretUnreadable: when a secret was stored with another key
    :raises OSError: when a private CA cannot be written below the home
    """
    connection = connection_of(source, box)
    if patience is not None:
        connection = replace(
            connection,
            connect_timeout=min(connection.connect_timeout, patience),
            read_timeout=min(connection.read_timeout, patience),
        )
    return OpenSource(
        source=PiaozoneSource(connection, on_answer=on_answer),
        downloader=Downloader(download_options(connection, home)),
    )


def download_options(connection: Connection, home: Path) -> DownloadOptions:
    """How the downloads reach the source.

    :raises OSError: when a private CA cannot be written below the home
    """
    pem = connection.ca_pem
    return DownloadOptions(
        connect_timeout=connection.connect_timeout,
        proxy=connection.proxy,
        ca_file=file_trusting(pem, home / CA_FOLDER) if pem else None,
        envelope=connection.profile.envelope,
    )


def settings_of(source: DataSource, home: Path) -> object:
    """Equal as long as what was opened still fits; written CAs that were removed come back."""
    if source.ca_pem:
        file_trusting(source.ca_pem, home / CA_FOLDER)
    return (
        source.base_url,
        source.client_id,
        source.secret_box,
        source.download_hosts,
        source.profile,
        source.rules,
        source.proxy_box,
        source.ca_pem,
    )
