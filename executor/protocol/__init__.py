"""The xxl-job wire between an admin and an executor, without any IO.

Standard library only: bytes come in as frozen dataclasses (:mod:`.inbound`), what goes to an
admin leaves as plain dictionaries (:mod:`.outbound`), and every text an admin compares or shows
has its one place (:mod:`.texts`). Which versions differ how stands in :mod:`.dialects`; what the
oldest ones post instead of JSON, in :mod:`.rpc` and :mod:`.hessian`.
"""
