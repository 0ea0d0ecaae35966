"""Which passwords are good enough.

Long ones are, unless they are what is guessed first: a few common words with a number, somebody's
name, keys beside each other, a date or one piece over and over. What is judged is what is left of
a password when it is read as those read it who guess.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from functools import lru_cache

from portal.errors import NotAllowed
from portal.services.common_words import NUMBERS, ROWS, WORDS

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
_FEWEST_CHARACTERS = 5
# Letters that are not explained by anything common: with so many it is somebody's own.
_OWN = 5
# So many common words one behind the other are a sentence, which few would guess.
_A_SENTENCE = 4
# Keys beside each other, from so many on.
_A_WALK = 3
_WRITTEN_FOR = str.maketrans("@4301!$5|", "aaeoiissl")
_AMONG_LETTERS = re.compile(r"(?<=[a-z])[@4301!$5|]{1,2}(?=[a-z])|^[@$](?=[a-z])")
_LETTERS = re.compile(r"[^\W\d_]+")
# What follows a word to satisfy a rule: a year, a date, a round number, a few digits.
_FEW_DIGITS = 4
_DATE = re.compile(
    r"(19|20)\d\d(0?[1-9]|1[0-2])([0-2]?\d|3[01])|([0-2]\d|3[01])(0\d|1[0-2])(19|20)\d\d"
)


class WeakPassword(NotAllowed):
    """A password that is guessed too soon; the text says why, without it."""


def random_password() -> str:
    """A password nobody has to invent: 16 characters, about 95 bits."""
    while _is_common((password := secrets.token_urlsafe(12)).casefold(), WORDS):
        pass  # chance made words of it, once in millions
    return password


def check_password(password: str, user_name: str) -> None:
    """Refuse what is guessed too soon.

    :raises WeakPassword: saying what is wrong with it, without it
    """
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword(
            f"密码至少 {SHORTEST_PASSWORD} 个字符",
            f"a password has at least {SHORTEST_PASSWORD} characters",
        )
    if len(password) > LONGEST_PASSWORD:
        raise WeakPassword(
            f"密码至多 {LONGEST_PASSWORD} 个字符",
            f"a password has at most {LONGEST_PASSWORD} characters",
        )
    plain = password.casefold()
    if plain.isdecimal() and len(plain) < 2 * SHORTEST_PASSWORD:
        raise WeakPassword("密码不能只有数字", "a password of digits alone is too common")
    if len(set(plain)) < _FEWEST_CHARACTERS or _is_repeated(plain) or _is_common(plain, WORDS):
        raise WeakPassword("这个密码太常见，请换一个", "this password is too common")
    if _is_common(plain, WORDS | {*_LETTERS.findall(user_name.casefold()), user_name.casefold()}):
        raise WeakPassword("密码不能就是用户名", "a password is more than its user's name")


def _is_repeated(plain: str) -> bool:
    """Whether it is one short piece over and over, as ``abc1abc1abc1``."""
    return any(
        plain == (plain[:size] * len(plain))[: len(plain)] for size in range(1, len(plain) // 2 + 1)
    )


def _is_common(plain: str, words: Collection[str]) -> bool:
    """Whether nothing is left that has to be guessed, in either way of reading it."""
    return any(_own_part(read, words) < _OWN for read in {plain, _letters_for(plain)})


def _letters_for(plain: str) -> str:
    """With letters for the signs that stand for them, as in ``p@ssw0rd``."""
    return _AMONG_LETTERS.sub(lambda found: found[0].translate(_WRITTEN_FOR), plain)


def _own_part(plain: str, words: Collection[str]) -> int:
    """How many characters neither words nor walks nor usual numbers explain."""
    left = _without_walks(plain)
    own = used = 0
    for piece in re.findall(r"[^\W\d_]+|\d+", left):
        if piece.isdecimal():
            own += 0 if _is_usual(piece) else len(piece)
        else:
            unexplained, count = _explained(piece, frozenset(words))
            own, used = own + unexplained, used + count
    return own + (_OWN if used >= _A_SENTENCE else 0)


def _is_usual(number: str) -> bool:
    is_short = len(number) <= _FEW_DIGITS or len(set(number)) < 3
    return is_short or number in NUMBERS or _DATE.fullmatch(number) is not None


def _without_walks(plain: str) -> str:
    """With what lies side by side on a keyboard taken out."""
    lines = [line for row in ROWS for line in (row, row[::-1])]
    left, at = [], 0
    while at < len(plain):
        longest = at
        for end in range(at + _A_WALK, len(plain) + 1):
            if not any(plain[at:end] in line for line in lines):
                break
            longest = end
        # Of words, three letters are often beside each other in the alphabet.
        is_walk = longest - at > _A_WALK or (longest > at and not plain[at:longest].isalpha())
        left.append(" " if is_walk else plain[at])
        at = longest if is_walk else at + 1
    return "".join(left)


@lru_cache(maxsize=64)
def _explained(piece: str, words: frozenset[str]) -> tuple[int, int]:
    """The fewest letters that are left of a piece cut into common words, and of how many words."""
    best: list[tuple[int, int]] = [(0, 0)]
    longest = max(map(len, words))
    for end in range(1, len(piece) + 1):
        left, used = best[end - 1]
        ways = [(left + 1, used)]
        for begin in range(max(0, end - longest), end):
            if piece[begin:end] in words:
                ways.append((best[begin][0], best[begin][1] + 1))
        best.append(min(ways))
    return best[-1]
