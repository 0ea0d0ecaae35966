"""Telling people elsewhere: webhooks, chat robots and mail. No Flask and no database in here."""
