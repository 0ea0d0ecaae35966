"""备份与恢复: a copy of the ledger that restores into any database, and of what belongs to it."""
