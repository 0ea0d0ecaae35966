"""Which passwords are good enough."""

from __future__ import annotations

import secrets

from portal.errors import NotAllowed

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
_FEWEST_CHARACTERS = 5

# What is tried first by those who guess; compared without case, spaces and marks.
_COMMON = """
password password1 password12 password123 password1234 passw0rd passw0rd1 passw0rd123 p4ssword
adminadmin admin123456 admin1234 admin12345 administrator administrator1 admin888888 adminpass
letmein123 welcome123 welcome1234 changeme123 changeit123 default123 rootroot root123456
qwertyuiop qwerty123456 qwerty12345 qwertyuiop123 1qaz2wsx3edc 1q2w3e4r5t 1q2w3e4r5t6y
qazwsxedc123 zaq12wsx asdfghjkl123 iloveyou123 abcdefghij abc1234567 abcd123456 a123456789
aa123456789 woaini1314 woaini520 woaini1314520 5201314520 1314520520 kingdee123 kingdee1234
kingdee12345 kingdee123456 kingdee888 piaozone123 piaozone123456 fapiaoyun123 yingxiang123
imgmig1234 imaging123 xxljob123456 defaulttoken zkuizkui
""".split()  # noqa: SIM905 - so many words read better as text
_RUNS = "0123456789" * 3 + " " + "9876543210" * 3 + " abcdefghijklmnopqrstuvwxyz"


class WeakPassword(NotAllowed):
    """A password that is guessed too soon; the text says why, without it."""


def random_password() -> str:
    """A password nobody has to invent: 16 characters, about 95 bits."""
    return secrets.token_urlsafe(12)


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
    plain = "".join(letter for letter in password.casefold() if letter.isalnum())
    repeated = len(set(password)) < _FEWEST_CHARACTERS
    if repeated or plain in _COMMON or (plain and plain in _RUNS):
        raise WeakPassword("这个密码太常见，请换一个", "this password is too common")
    if user_name.casefold() in plain and len(plain) - len(user_name) < _FEWEST_CHARACTERS:
        raise WeakPassword("密码不能就是用户名", "a password is more than its user's name")
