"""Which chores there are, and who performs them.

A performer is idempotent: it may be begun anew after its clerk died. What it returns is kept as
the chore's result; a :class:`portal.errors.SyncError` or ``NotAllowed`` it raises, as the reason
why it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.chores import (
    notifying,
    preflight,
    pushing,
    reconciling,
    sampling,
    scanning,
    source_check,
    zookeeper,
)
from portal.chores.catalogue import read_catalogue
from portal.chores.desk import Perform
from portal.chores.exporting import export
from portal.chores.fetching import fetch
from portal.chores.preview import count_scope
from portal.services import (
    notices,
    preflights,
    push_checking,
    samples,
    scans,
    source_browsing,
    zookeeper_import,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of chore is performed.

    :param quick: somebody looks at the page until it ends, in seconds: it does not wait behind
        chores that take minutes
    """

    perform: Perform
    quick: bool = False


KINDS: Mapping[str, Kind] = {
    scans.CHORE: Kind(scanning.scan),
    notices.CHORE: Kind(notifying.deliver, quick=True),
    source_browsing.CHECK: Kind(source_check.perform, quick=True),
    zookeeper_import.CHORE: Kind(zookeeper.perform, quick=True),
    preflights.CHORE: Kind(preflight.perform, quick=True),
    "catalogue": Kind(read_catalogue, quick=True),
    "preview": Kind(count_scope, quick=True),
    "reconcile": Kind(reconciling.perform),
    "export": Kind(export),
    "fetch": Kind(fetch),
    push_checking.CHORE: Kind(pushing.reconcile),
    push_checking.TEST: Kind(pushing.test, quick=True),
    samples.MANIFEST: Kind(sampling.make_manifest),
    samples.COMPARE: Kind(sampling.compare, quick=True),
}
