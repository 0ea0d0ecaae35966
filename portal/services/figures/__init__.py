"""What the ledger tells a monitor: ``/metrics``.

Counters that are kept anyway, and rows of which there are few. Nothing here goes through
documents, so a ledger of a million is asked as quickly as an empty one.
"""
