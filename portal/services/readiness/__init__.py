"""Can this installation work? What ``/readyz``, ``imgmig ready`` and the page 运行状态 ask.

One module a family of checks: :mod:`ledger`, :mod:`stores`, :mod:`room`. A family is a function
that returns :class:`~portal.services.readiness.checks.Check` rows and may take as long as it
takes; :mod:`watching` keeps it to a time limit, and its answer for a moment. :mod:`standard`
names them all.
"""
