"""Revisions of the ledger's schema: the portal's tables and the executor's."""
