"""``imgmig demo-manifest``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from portal.cli.demo_source import demo_options, tenant_options
from portal.cli.opening import say
from portal.demo.tables import write_tables
from portal.errors import NotAllowed


@click.command("demo-manifest")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@tenant_options
def command(folder: Path, **tenant: Any) -> None:
    """写出示例文件夹：文件、清单、数据库 Write a folder of files, its manifest and a database."""
    try:
        documents, files = write_tables(demo_options(tenant), folder)
    except OSError as error:
        raise NotAllowed(
            f"不能写入 {folder}：须为新建的或空的文件夹",
            f"cannot write to {folder}: name a new or empty folder ({error.strerror or error})",
        ) from error
    say(f"{documents} 份单据 documents，{files} 个文件 files: {folder}")
