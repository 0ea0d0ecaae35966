"""The kind: its settings, and how one is opened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from portal.sync.sources.files.choosing import (
    S3_SETTINGS,
    base_url_of_place,
    check_place,
    is_web,
    place_at,
    shown,
    store_at,
)
from portal.sync.sources.kind import Opening, OpenSource, Setting, SourceKind, Values
from portal.sync.sources.rows import SourceFile
from portal.sync.sources.sql.database import SourceDatabase, check_address, shown_address
from portal.sync.sources.sql.query import check_query
from portal.sync.sources.sql.table import QueryTable
from portal.sync.sources.sql.template import check_template
from portal.sync.sources.tables.source import TableSource
from portal.sync.sources.tables.spools import Spools


def _opened(opening: Opening) -> OpenSource:
    values = opening.values
    place, for_web = values["place"], is_web(values["place"])
    files = place_at(place, opening)
    told = [values["database"], values["query"], values["file"], for_web, asdict(opening.profile)]
    what = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    table = QueryTable(
        SourceDatabase(values["database"]),
        values["query"],
        values["file"],
        opening.profile,
        Spools(opening.home, what, opening.patience),
        for_web=for_web,
    )
    source = TableSource(table, files, opening.profile)
    if for_web:
        return OpenSource(source, files.fetcher())
    store = store_at(place, opening)

    def look(file: SourceFile) -> None:
        store.look(file.download_url or "")

    return OpenSource(source, files.fetcher(), look)


def _address(values: Values) -> str:
    return f"{shown_address(values['database'])} · {shown(values['place'])}"


KIND = SourceKind(
    name="sql",
    zh="数据库与文件",
    en="Database and files",
    open=_opened,
    settings=(
        Setting(
            "database",
            "数据库地址",
            "Database address",
            "如 postgresql://用户:密码@主机:5432/库、mysql://用户:密码@主机/库、"
            "sqlite:////data/imaging.db。请用只读账号；整个地址加密保存，不再显示。",
            "Such as postgresql://user:password@host:5432/name, mysql://user:password@host/name or "
            "sqlite:////data/imaging.db. Use a read-only account; all of it is kept encrypted.",
            check=check_address,
            secret=True,
        ),
        Setting(
            "query",
            "查询",
            "Query",
            "一条 SELECT，每行一个文件，用 AS 给出列名（如 scanBillNo、collectTime、fileType）；"
            "可用 :from_date、:to_date 限定采集时间，数据多时应当使用。",
            "One SELECT, a row for each file, its columns named with AS (scanBillNo, collectTime, "
            "fileType …); :from_date and :to_date bound the time of collection, which large "
            "tables need.",
            check=check_query,
            lines=10,
        ),
        Setting(
            "place",
            "文件夹、S3 或网址",
            "Folder, S3 or web address",
            "文件所在：文件夹（如 /data/export）、s3://桶/前缀?endpoint=…，或 https://主机/路径。",
            "Where the files are: a folder such as /data/export, s3://bucket/prefix?endpoint=…, or "
            "https://host/path.",
            check=check_place,
        ),
        Setting(
            "file",
            "文件位置",
            "Where a file is",
            "在其中的路径，{列名} 由该行的值代替，如 {path} 或 {fileId}.{fileSuffix}。",
            "Its path there, {column} standing for the row's value: {path}, or "
            "{fileId}.{fileSuffix}.",
            check=check_template,
            default="{path}",
        ),
        *S3_SETTINGS,
    ),
    address=_address,
    base_url=base_url_of_place,
    manual="数据库数据源.md",
)
