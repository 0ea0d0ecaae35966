"""The application factory: settings, ledger, archive, queue, executor, views, in this order."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect

import migrations
from executor import AdminProtocol, Executor, ExecutorSettings, LogMarkup
from portal import access, browser, formatting, jobs, language, origin, request_watch, sub_path
from portal.dispatching import PortalFlask
from portal.ledger import Ledger, prepare_engine
from portal.ledger_connections import engine_options
from portal.logs.redaction import redactor
from portal.models import Base
from portal.outbound import http
from portal.outbound.rule import rule
from portal.runtime import Portal
from portal.seal_key import SealKey
from portal.secret_box import SecretBox
from portal.services.readiness.standard import readiness_of
from portal.settings import EXECUTOR_PREFIX, Settings, read_settings
from portal.sync.archive.base import Archive
from portal.sync.archive.local import LocalArchive
from portal.sync.archive.s3.archive import S3Archive
from portal.tasks.queue import WorkQueue
from portal.views import (
    account,
    archive,
    audit,
    auth,
    batch_list,
    chores,
    documents,
    errors,
    exports,
    find,
    health,
    home,
    months,
    new_batch,
    notices,
    packages,
    preflight,
    reconcile,
    sample_documents,
    samples,
    scans,
    shared_region,
    sources,
    status,
    targets,
    users,
)
from portal.views import jobs as task_runs

MIGRATIONS = Path(migrations.__file__).parent
# A file of settings or certificates is the largest thing that anybody sends; as in nginx's part.
LARGEST_REQUEST = 6 << 20


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from the settings, or from the environment.

    :raises SettingsError: see :func:`portal.settings.read_settings`
    """
    settings = settings or read_settings()
    redactor.learn_environment(os.environ)
    redactor.learn(*settings.secrets())
    redactor.learn_address(settings.database_url)
    redactor.learn_address(settings.queue_url)
    for address in settings.admin_addresses:
        redactor.learn_address(address)
    rule.allow(settings.outbound_networks)
    app = PortalFlask("portal")
    # Asked for once: the file that keeps it may be replaced at any moment.
    secret_key = settings.secret_key()
    app.config["SECRET_KEY"] = secret_key
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_url)
    db = SQLAlchemy(app, metadata=Base.metadata)
    Migrate(app, db, directory=str(MIGRATIONS))
    with app.app_context():
        prepare_engine(db.engine)
        ledger = Ledger(db.engine)
    ledger.origin = origin.origin
    queue = WorkQueue(settings.queue_url)
    executor = _build_executor(settings, ledger, queue)
    archive_store = _archive(settings)
    app.extensions["portal"] = Portal(
        settings=settings,
        ledger=ledger,
        archive=archive_store,
        box=SecretBox(secret_key),
        seal_key=SealKey(secret_key),
        queue=queue,
        executor=executor,
        readiness=readiness_of(ledger, archive_store, probe_queue=queue.probe, home=settings.home),
    )
    CSRFProtect(app)
    executor.init_app(app, prefix=EXECUTOR_PREFIX)
    browser.init_app(app)
    sub_path.init_app(app, base_path=settings.base_path, trusted_proxies=settings.trusted_proxies)
    executor.on_kill(jobs.release_batches)
    executor.observe(jobs.record_run)
    executor.on_forget(jobs.forget_run)
    language.init_app(app, default=settings.locale, timezone=str(settings.timezone))
    formatting.init_app(app)
    access.init_app(app)
    shared_region.init_app(app)
    views = (
        auth,
        home,
        batch_list,
        new_batch,
        months,
        archive,
        documents,
        find,
        packages,
        exports,
        task_runs,
        sources,
        targets,
        preflight,
        users,
        account,
        chores,
        notices,
        scans,
        audit,
        reconcile,
        samples,
        sample_documents,
        status,
        health,
    )
    # The routes of one blueprint may stand in several modules.
    for blueprint in dict.fromkeys(view.bp for view in views):
        app.register_blueprint(blueprint)
    errors.init_app(app)
    app.extensions["portal.requests"] = request_watch.init_app(app, settings)
    return app


def _archive(settings: Settings) -> Archive:
    place = settings.archive_place
    if isinstance(place, Path):
        return LocalArchive(place)
    return S3Archive(place, settings.s3_keys(), settings.home / "scratch")


def _build_executor(settings: Settings, ledger: Ledger, queue: WorkQueue) -> Executor:
    return Executor(
        ExecutorSettings(
            app_name=settings.app_name,
            address=settings.executor_address,
            access_tokens=settings.access_tokens(),
            admin_addresses=settings.admin_addresses,
            allow_no_token=settings.allow_no_token,
            handler_modules=("portal.jobs.data_sync", *settings.handler_modules),
            timezone=settings.timezone,
            queue_limit=settings.job_queue_limit,
            stop_grace_seconds=settings.stop_grace_seconds,
            drain_seconds=settings.drain_seconds,
            log_markup=LogMarkup(settings.log_markup),
            admin_protocol=AdminProtocol(settings.admin_protocol),
            log_retention=timedelta(days=settings.log_retention_days),
            allowed_networks=settings.allowed_networks,
            trusted_proxies=settings.trusted_proxies,
        ),
        begin=ledger.write,
        read=ledger.read,
        again=ledger.again,
        enqueue=queue.look_at_run,
        told=queue.runs_told,
        conceal=redactor.redact,
        session=http.session,
    )
