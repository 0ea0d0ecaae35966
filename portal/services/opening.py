"""Opening a data source: the one place where its settings become the clients that reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import requests

from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.sources import form_of
from portal.sync.sources.kind import CA_FOLDER, Opening, OpenSource
from portal.sync.tls import file_trusting

__all__ = ["CA_FOLDER", "OpenSource", "open_source", "settings_of"]


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
    form = form_of(source, box)
    connection = form.connection()
    if connection is not None and patience is not None:
        connection = replace(
            connection,
            connect_timeout=min(connection.connect_timeout, patience),
            read_timeout=min(connection.read_timeout, patience),
        )
    return form.of_kind.open(
        Opening(
            values=form.values,
            connection=connection,
            profile=form.connector_profile(),
            home=home,
            on_answer=on_answer,
            patience=patience,
        )
    )


def settings_of(source: DataSource, home: Path) -> object:
    """Equal as long as what was opened still fits; written CAs that were removed come back."""
    if source.ca_pem:
        file_trusting(source.ca_pem, home / CA_FOLDER)
    return (
        source.kind,
        source.settings,
        source.settings_box,
        source.base_url,
        source.client_id,
        source.secret_box,
        source.download_hosts,
        source.profile,
        source.rules,
        source.proxy_box,
        source.ca_pem,
    )
