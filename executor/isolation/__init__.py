"""Handlers in a process of their own, which ends when it must, with everything it started.

The worker (:mod:`.parent`) starts a guardian (:mod:`.guardian`), which forks the process the
handler runs in (:mod:`.child`). The guardian adopts what the handler leaves behind, so that it can
end it; it ends itself when the worker dies, because the worker's end of a pipe closes then.
"""
