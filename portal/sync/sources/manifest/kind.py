"""The kind: its settings, and how one is opened."""

from __future__ import annotations

import json
from dataclasses import asdict

from portal.errors import InvalidSetting
from portal.sync.sources.files.choosing import (
    S3_SETTINGS,
    base_url_of_place,
    check_store,
    shown,
    store_at,
)
from portal.sync.sources.files.paths import BadPath, parts_of
from portal.sync.sources.kind import Opening, OpenSource, Setting, SourceKind
from portal.sync.sources.manifest.table import ManifestTable
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.tables.source import TableSource
from portal.sync.sources.tables.spools import Spools


def _check_name(value: str) -> None:
    try:
        parts_of(value)
    except BadPath as error:
        raise InvalidSetting(error.zh, error.en) from None


def _opened(opening: Opening) -> OpenSource:
    values = opening.values
    store = store_at(values["place"], opening)
    what = json.dumps([values["place"], values["manifest"], asdict(opening.profile)])
    spools = Spools(opening.home, what, opening.patience)
    table = ManifestTable(store, values["manifest"], opening.profile, spools, opening.home)

    def look(file: SourceFile) -> None:
        store.look(file.download_url or "")

    return OpenSource(TableSource(table, store, opening.profile), store.fetcher(), look)


KIND = SourceKind(
    name="manifest",
    zh="清单与文件",
    en="Manifest and files",
    open=_opened,
    settings=(
        Setting(
            "place",
            "文件夹或 S3 地址",
            "Folder or S3 address",
            "文件所在：每台工作主机都能读到的文件夹，如 /data/export；"
            "或 s3://桶/前缀?endpoint=https://主机:端口&region=…",
            "Where the files are: a folder that every worker host can read, such as /data/export, "
            "or s3://bucket/prefix?endpoint=https://host:port&region=…",
            check=check_store,
        ),
        Setting(
            "manifest",
            "清单",
            "Manifest",
            "清单在其中的路径，如 manifest.csv；.jsonl 按 JSONL 读取，其余按 CSV。",
            "Its path there, such as manifest.csv; .jsonl is read as JSONL, anything else as CSV.",
            check=_check_name,
            default="manifest.csv",
        ),
        *S3_SETTINGS,
    ),
    address=lambda values: f"{shown(values['place'])} · {values['manifest']}",
    base_url=base_url_of_place,
    manual="清单数据源.md",
)
