"""``imgmig key``: the secret key, and replacing it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed, SettingsError, SyncError
from portal.key_derivation import fingerprint
from portal.key_file import KeyFile
from portal.models import utc_now
from portal.settings import SHORTEST_KEY, Settings, read_settings

if TYPE_CHECKING:
    from portal.runtime import Portal
    from portal.services.key_rotation import Rotation

_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("key")
def command() -> None:
    """密钥 The secret key."""


@command.command()
@click.option(
    "--new-key-file",
    type=_READABLE,
    help="含有新密钥的文件；密钥由 PORTAL_SECRET_KEY 给出时必须 A file that holds the new key; "
    "needed when the key is given by PORTAL_SECRET_KEY.",
)
@as_json
def rotate(new_key_file: Path | None, as_json: bool) -> None:
    """更换密钥，保存的凭据改用新密钥加密 Replace the secret key, and encrypt secrets anew.

    中断后再执行一次即可。仍用旧密钥的进程会自己结束；所有人须重新登录。

    Run it again when it was interrupted. Processes that still use the old key end by themselves;
    everybody has to log in again.
    """
    settings = read_settings()
    given = None if new_key_file is None else _read(new_key_file)
    with opened(settings, any_key=True) as portal:
        rotation, is_in_place = _rotate(portal, settings, given)
    if as_json:
        say_json(_report(rotation, is_in_place=is_in_place))
    else:
        _tell(rotation, settings, is_in_place=is_in_place)


def _rotate(portal: Portal, settings: Settings, given: str | None) -> tuple[Rotation | None, bool]:
    """What was done, None when it had been done before; and whether the new key is in its place.

    :raises SyncError: SECRET_KEY_DIFFERS, KEY_FILE_UNWRITABLE
    """
    from portal.services import key_rotation, same_keys  # noqa: PLC0415

    file = _own_file(settings, given)
    old = settings.given_secret_key
    staged = file.staged() if file is not None else None
    with portal.ledger.read() as session:
        noted = same_keys.noted_key(session)
    if noted is None:  # nothing was ever started here
        same_keys.check(portal.ledger, portal.keys(), now=utc_now())
    elif noted != fingerprint(old):
        # The ledger has moved on: an interrupted rotation is finished, nothing else is.
        if noted not in {fingerprint(key) for key in (staged, given) if key is not None}:
            raise SyncError("SECRET_KEY_DIFFERS", here=fingerprint(old), ledger=noted)
        return None, _finish(file, staged, given, noted)
    new = given or staged or secrets.token_urlsafe(32)
    if fingerprint(new) == fingerprint(old):
        return None, True
    if file is not None:
        file.stage(new)
    by = actor()
    rotation = portal.ledger.transact(
        lambda session: key_rotation.rotate(session, old, new, by=by, now=utc_now())
    )
    if file is not None:
        file.swap()
    return rotation, file is not None


def _own_file(settings: Settings, given: str | None) -> KeyFile | None:
    """The file to be replaced; None when somebody else sees to the key.

    :raises NotAllowed: when nobody says what the new key is
    """
    place = settings.secret_key_file
    if settings.keeps_secret_key and place is not None:
        return KeyFile(place)
    if given is not None:
        return None
    if place is None:
        raise NotAllowed(
            "密钥由 PORTAL_SECRET_KEY 给出：请把新密钥写入文件，用 --new-key-file 指定",
            "the key is given by PORTAL_SECRET_KEY: name a file that holds the new one "
            "with --new-key-file",
        )
    return KeyFile(place)


def _finish(file: KeyFile | None, staged: str | None, given: str | None, noted: str) -> bool:
    """Put the key in its place that the ledger has already; whether it is there now."""
    if file is None:
        return False
    if given is not None and fingerprint(given) == noted != fingerprint(staged or ""):
        file.stage(given)
    file.swap()
    return True


def _read(path: Path) -> str:
    """
    :raises SettingsError: for what is too short for a key
    """
    key = path.read_text().strip()
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{path} 至少 {SHORTEST_KEY} 个字符 needs at least as many characters")
    return key


def _report(rotation: Rotation | None, *, is_in_place: bool) -> dict[str, object]:
    if rotation is None:
        return {"rotated": False, "in_place": is_in_place}
    return {
        "rotated": True,
        "in_place": is_in_place,
        "secrets": rotation.secrets,
        "unreadable": rotation.unreadable,
        "seal": rotation.seal,
    }


def _tell(rotation: Rotation | None, settings: Settings, *, is_in_place: bool) -> None:
    if rotation is None:
        say("账本已使用新密钥 the ledger has the new key already")
    else:
        say(f"已更换密钥 replaced；重新加密的凭据 secrets encrypted anew: {rotation.secrets}")
        if rotation.unreadable:
            say(
                f"旧密钥也无法解密，保持原样，须重新填写 unreadable before, to be entered again: "
                f"{rotation.unreadable}"
            )
    if not is_in_place:
        name = "PORTAL_SECRET_KEY" if settings.secret_key_file is None else "PORTAL_SECRET_KEY_FILE"
        say(f"现在把 {name} 改为新密钥，再启动 now give the new key by {name} and start again")
    say(
        "各主机须用新密钥；仍用旧密钥的进程会自己结束，所有人须重新登录 "
        "all hosts need the new key; processes with the old one end, and everybody logs in again"
    )
