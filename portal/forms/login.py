"""The login form."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length


class LoginForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """Name and password."""

    name = StringField(_l("用户名"), validators=[InputRequired(_l("请输入用户名")), Length(max=64)])
    password = PasswordField(
        _l("密码"), validators=[InputRequired(_l("请输入密码")), Length(max=200)]
    )
