"""How a sample is drawn from a sealed manifest and the auditor's nonce; pure, see ADR 12.

Nobody can steer it: who makes the manifest does not know the nonce, and who gives the nonce does
so after the manifest was sealed.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import BinaryIO

Stratum = bytes


def key_of(manifest_sha256: str, nonce: str, line: bytes) -> str:
    """A document's key; ``line`` without its LF."""
    return hashlib.sha256(f"{manifest_sha256}\n{nonce}\n".encode() + line).hexdigest()


def stratum_of(line: bytes) -> Stratum:
    """The document type as it stands in the line."""
    return line.split(b"\t")[2]


def seats(sizes: Mapping[Stratum, int], wanted: int) -> dict[Stratum, int]:
    """How many documents of each stratum are drawn; they add up to ``wanted``, or to all there are.

    In proportion to the sizes, the largest remainders rounded up; then a stratum without a seat
    gets one from the stratum with most, as long as that one has two. Among equals the larger
    stratum comes first, then the one whose code has the smaller bytes.
    """
    order = sorted(sizes, key=lambda stratum: (-sizes[stratum], stratum))
    total = sum(sizes.values())
    wanted = min(wanted, total)
    if not total:
        return {}
    given = {stratum: wanted * sizes[stratum] // total for stratum in order}
    by_remainder = sorted(order, key=lambda stratum: -(wanted * sizes[stratum] % total))
    for stratum in by_remainder[: wanted - sum(given.values())]:
        given[stratum] += 1
    for stratum in order:
        richest = max(order, key=given.__getitem__)
        if not given[stratum] and given[richest] > 1:
            given[stratum], given[richest] = 1, given[richest] - 1
    return given


def draw(
    manifest_sha256: str, nonce: str, lines: Iterable[bytes], given: Mapping[Stratum, int]
) -> list[tuple[str, bytes]]:
    """Keys and lines with the smallest keys of each stratum, ordered by key.

    The order of the lines is of no matter. Memory grows with the sample, not with the manifest.

    :param lines: of documents, without their LF
    :param given: what :func:`seats` gave
    """
    kept: dict[Stratum, list[tuple[int, bytes]]] = {stratum: [] for stratum in given}
    for line in lines:
        stratum = stratum_of(line)
        heap, room = kept[stratum], given[stratum]
        entry = (-int(key_of(manifest_sha256, nonce, line), 16), line)
        if len(heap) < room:
            heapq.heappush(heap, entry)
        elif room and entry > heap[0]:
            heapq.heapreplace(heap, entry)
    chosen = [(f"{-number:064x}", line) for heap in kept.values() for number, line in heap]
    return sorted(chosen)


def survey(manifest: BinaryIO) -> tuple[str, Counter[Stratum]]:
    """A manifest's SHA-256, and how many documents of each type it has; read from its beginning."""
    digest, sizes = hashlib.sha256(), Counter[Stratum]()
    for number, line in enumerate(manifest):
        digest.update(line)
        if number:
            sizes[stratum_of(line.rstrip(b"\n"))] += 1
    return digest.hexdigest(), sizes
