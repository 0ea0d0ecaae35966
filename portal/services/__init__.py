"""Business functions on a ledger session: plain verbs, one topic a module."""
