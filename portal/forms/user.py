"""用户: adding and changing accounts, and one's own."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, RadioField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from portal.formatting import role_name
from portal.models import Role
from portal.services.passwords import LONGEST_PASSWORD


def _roles() -> list[tuple[str, str]]:
    return [(role.value, role_name(role)) for role in Role]


class NewUserForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """A new account; without a password one is made up."""

    name = StringField(_l("用户名"), validators=[InputRequired(_l("请输入用户名")), Length(max=64)])
    role = RadioField(_l("角色"), default=Role.OPERATOR.value)
    password = PasswordField(_l("密码"), validators=[Length(max=LONGEST_PASSWORD)])

    def offer(self) -> None:
        """Fill the choices."""
        self.role.choices = _roles()


class RoleForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """Another role."""

    role = RadioField(_l("角色"))

    def offer(self) -> None:
        """Fill the choices."""
        self.role.choices = _roles()


class ResetForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """A new password for somebody; without one, it is made up."""

    password = PasswordField(_l("新密码"), validators=[Length(max=LONGEST_PASSWORD)])


class OwnPasswordForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """One's own password."""

    old = PasswordField(_l("原密码"), validators=[InputRequired(_l("请输入原密码"))])
    new = PasswordField(
        _l("新密码"),
        validators=[InputRequired(_l("请输入新密码")), Length(max=LONGEST_PASSWORD)],
    )
    again = PasswordField(
        _l("再输入一次新密码"), validators=[EqualTo("new", message=_l("两次输入的新密码不同"))]
    )
