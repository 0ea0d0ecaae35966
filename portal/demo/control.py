"""What the demo source tells and is told about itself, beside the contract and without a token.

====== ====================== ====================================================================
GET    ``/_demo/``            the tenant, its credentials and the faults in force
GET    ``/_demo/credentials`` ``{"clientId", "clientSecret"}``
GET    ``/_demo/expected``    ``{"documents", "files", "bytes", "defects": [{"imageNo" (null when
                              the document has none), "defect", "code"}]}``: what a faultless
                              migration finds; the sums include the defective documents
GET    ``/_demo/statistics``  ``{"calls": {"token", "count", "documents", "files"}, "throttled",
                              "bytesSent", "inFlight", "mostInFlight",
                              "repeatedDownloads": {fileId: times}}``; a download counts when file
                              bytes are sent, requests in flight include this one
GET    ``/_demo/faults``      the faults in force
PUT    ``/_demo/faults``      a JSON object replaces them all: what it does not name is off, ``{}``
                              ends all faults; 400 and ``{"error"}`` when it makes no sense
====== ====================== ====================================================================
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from portal.demo.contract import Contract
from portal.demo.faults import Faults
from portal.demo.options import DemoOptions


class Control:
    """The control endpoints of one run."""

    def __init__(self, options: DemoOptions, contract: Contract) -> None:
        self._options = options
        self._contract = contract

    def blueprint(self) -> Blueprint:
        """The routes."""
        routes = Blueprint("control", __name__, url_prefix="/_demo")
        routes.add_url_rule("/", view_func=self.overview)
        routes.add_url_rule("/credentials", view_func=self.credentials)
        routes.add_url_rule("/expected", view_func=self.expected)
        routes.add_url_rule("/statistics", view_func=self.statistics)
        routes.add_url_rule("/faults", view_func=self.faults)
        routes.add_url_rule("/faults", view_func=self.switch_faults, methods=["PUT"])
        return routes

    def overview(self) -> dict[str, Any]:
        """Everything that stays the same during the run, and the faults."""
        options = self._options
        return {
            "documents": options.documents,
            "firstMonth": options.first_month,
            "months": options.months,
            "seed": options.seed,
            "credentials": self.credentials(),
            "faults": self.faults(),
        }

    def credentials(self) -> dict[str, str]:
        """What the login wants."""
        client_id, client_secret = self._options.credentials
        return {"clientId": client_id, "clientSecret": client_secret}

    def expected(self) -> dict[str, Any]:
        """What a faultless migration finds."""
        tenant = self._contract.tenant
        totals = tenant.totals()
        return {
            "documents": totals.documents,
            "files": totals.files,
            "bytes": totals.bytes,
            "defects": tenant.defects(),
        }

    def statistics(self) -> dict[str, Any]:
        """What happened so far."""
        counters = self._contract.traffic.snapshot()
        repeated = counters.pop("repeated")
        name = self._contract.tenant.file_id_at
        return counters | {"repeatedDownloads": {name(at): n for at, n in repeated.items()}}

    def faults(self) -> dict[str, Any]:
        """The faults in force."""
        return asdict(self._contract.gate.faults)

    def switch_faults(self) -> ResponseReturnValue:
        """Replace the faults."""
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            return jsonify(error="a JSON object is wanted"), 400
        try:
            faults = Faults.from_mapping(body)
        except ValueError as error:
            return jsonify(error=str(error)), 400
        self._contract.gate.switch(faults)
        return self.faults()
