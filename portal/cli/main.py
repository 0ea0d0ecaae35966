"""``imgmig``: the command line, its commands loaded only when they are called."""

from __future__ import annotations

import gc
import importlib
import os
import resource
import sys

import click

from portal import __version__

# name → (module in portal.cli, one line of help); kept here so that --help imports nothing.
COMMANDS = {
    "up": ("up", "启动全部进程 Start web, workers and agent together."),
    "web": ("web", "启动网页与执行器接口 Serve the portal and the executor."),
    "worker": ("worker", "启动工作进程 Run the workers under one supervisor."),
    "agent": ("agent", "启动代理进程 Run the agent: heartbeats, callbacks, sweeps."),
    "pusher": ("pusher", "启动推送进程 Push archived documents on; a worker starts it by itself."),
    "ready": ("ready", "能否工作 Whether it can work: for systemd, Docker and people."),
    "demo": ("demo", "演示一次真实迁移 Perform a real migration from the demo source."),
    "demo-source": ("demo_source", "启动演示源 Serve the demo source."),
    "demo-target": ("demo_target", "启动演示目标 Serve the demo target, a flagship system."),
    "demo-manifest": (
        "demo_manifest",
        "写出示例清单与数据库 Write a sample manifest, files, database.",
    ),
    "key": ("key", "密钥 The secret key: replace it."),
    "db": ("db", "账本结构 The ledger's schema."),
    "user": ("user", "用户 Accounts."),
    "source": ("source", "数据源 Data sources."),
    "target": ("target", "推送目标 Targets that archived documents are pushed on to."),
    "preflight": ("preflight", "确保前提 Check what a migration needs, from this host."),
    "batch": ("batch", "迁移批次 Batches."),
    "month": ("month", "各月同步情况 Months across all batches."),
    "document": ("document", "影像单据 Where a document is; the archived ones."),
    "export": ("export", "导出 Export what the ledger knows: XLSX, CSV or JSONL."),
    "audit": ("audit", "操作日志 The audit trail: verify it, print its anchor."),
    "verify": ("verify", "重读归档并核对 Re-read the archive and compare it with the ledger."),
    "reconcile": ("reconcile", "与源端对账 Reconcile months with their source."),
    "sample": ("sample", "随机抽查 Samples of sealed manifests."),
    "doctor": ("doctor", "检查整个系统 Check the whole installation and say what to do."),
    "backup": ("backup", "备份账本与归档 Back up ledger and archive, while everything runs."),
    "restore": ("restore", "恢复到空的系统并核对 Restore a backup into an empty installation."),
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        # What is loaded stays: to look for garbage in it again and again was a fifth of the start.
        gc.disable()
        module = importlib.import_module(f"portal.cli.{COMMANDS[cmd_name][0]}")
        gc.freeze()
        gc.enable()
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("命令 Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="imgmig")
def imgmig() -> None:
    """影像迁移门户 Imaging Migration Portal."""


def main() -> None:
    """Run a command; what goes wrong is said in a sentence, a program error also kept in a file."""
    # What a process knows when it crashes, it does not leave on a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.umask(0o027)  # ledger, queue and archive are not for everybody on the machine
    try:
        sys.exit(imgmig(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:  # the edge of the program: everything is told, nothing is lost
        from portal.cli.failures import report  # noqa: PLC0415 - only when needed

        sys.exit(report(error))


if __name__ == "__main__":
    main()
