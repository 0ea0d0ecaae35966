"""Content checks: what a file turns out to be, and whether it is whole.

:mod:`.pool` hands files to child processes (:mod:`.inspector`), which run :mod:`.examine` on each.
Nothing is imported here, so that a child starts fast.
"""
