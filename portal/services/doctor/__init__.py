"""``imgmig doctor``: a look at a whole installation, and what to do about what is found.

One module a family of checks. Each check is done in one place only: what ``/readyz`` and 确保前提
look at is asked of them (:mod:`portal.services.readiness`, :mod:`portal.services.preflight_once`).
"""
