"""The WSGI application, for any server: ``gunicorn wsgi:app``."""

from portal.app import create_app
from portal.cli.opening import log_to
from portal.settings import read_settings

settings = read_settings()
log_to("web", settings)
app = create_app(settings)
