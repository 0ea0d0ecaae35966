"""How passwords are kept, and compared in a time that tells nothing about whose they are."""

from __future__ import annotations

from werkzeug.security import check_password_hash, generate_password_hash

#: scrypt with N = 2^15, r = 8, p = 3: 32 MB and about a fifth of a second a try.
METHOD = "scrypt:32768:8:3"
# What older releases made, and what is left to be spent on one of theirs.
_OLDER, _LEFT = "scrypt:32768:8:1", "scrypt:32768:8:2"
_NOBODYS = "0" * 128


def hash_password(password: str) -> str:
    """A hash with a salt of its own, which says how it was made."""
    return generate_password_hash(password, METHOD)


def is_weaker(kept: str) -> bool:
    """Whether a hash was made in another way than would be chosen today."""
    return kept.partition("$")[0] != METHOD


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; never of an account that there is not.

    That takes as long for an account that there is not, and for one whose hash is an older one.
    """
    right = check_password_hash(kept or f"{METHOD}$nobody${_NOBODYS}", password)
    if kept is not None and kept.partition("$")[0] == _OLDER:
        check_password_hash(f"{_LEFT}$older${_NOBODYS}", password)
    return right and kept is not None
