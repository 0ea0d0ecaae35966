"""The WSGI application, for any server: ``gunicorn wsgi:app``."""

from portal.app import create_app

app = create_app()
