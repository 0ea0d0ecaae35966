"""Which ZooKeeper the older settings are read from."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.errors import InvalidSetting
from portal.language import language
from portal.sync.sources.old_settings import USUAL_PATH
from portal.sync.sources.zookeeper_place import LONGEST, ZooKeeperPlace


class ZooKeeperForm(FlaskForm):  # type: ignore[misc] # flask-wtf has no types
    """Which ZooKeeper, where in it, and who one is there; the password is never shown again."""

    address = StringField(
        _l("ZooKeeper 地址"), validators=[InputRequired(_l("请输入地址")), Length(max=LONGEST)]
    )
    path = StringField(_l("路径"), default=USUAL_PATH, validators=[Length(max=LONGEST)])
    user = StringField(_l("用户名"), validators=[Length(max=LONGEST)])
    password = PasswordField(_l("密码"), validators=[Length(max=LONGEST)])

    def place(self) -> ZooKeeperPlace | None:
        """Where to read, or None with the reasons at the fields."""
        if not self.validate():
            return None
        user, password = (self.user.data or "").strip(), self.password.data or ""
        if bool(user) != bool(password) or ":" in user:
            self.user.errors = [_("用户名和密码须一起填写，用户名中没有冒号")]
            return None
        login = f"{user}:{password}" if user else ""
        try:
            ZooKeeperPlace.parse(self.address.data)
        except InvalidSetting as error:
            self.address.errors = [error.text(language())]
            return None
        try:
            return ZooKeeperPlace.parse(self.address.data, self.path.data or "", login)
        except InvalidSetting as error:
            self.path.errors = [error.text(language())]
            return None
