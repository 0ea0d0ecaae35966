"""The recipe by which an outsider draws the same sample again: a Python program, as text."""

from __future__ import annotations

_RECIPE = """\
import hashlib, sys
nonce, n = {nonce}, {size}
data = open(sys.argv[1], "rb").read()
seal = hashlib.sha256(data).hexdigest()
assert seal == "{seal}", "not the sealed manifest"
strata = {{}}
for line in data.split(b"\\n")[1:-1]:
    key = hashlib.sha256(f"{{seal}}\\n{{nonce}}\\n".encode() + line).hexdigest()
    strata.setdefault(line.split(b"\\t")[2], []).append((key, line))
kinds = sorted(strata, key=lambda kind: (-len(strata[kind]), kind))
total = sum(map(len, strata.values()))
seats = {{kind: n * len(strata[kind]) // total for kind in kinds}}
rest = sorted(kinds, key=lambda kind: -(n * len(strata[kind]) % total))
for kind in rest[: n - sum(seats.values())]:
    seats[kind] += 1
for kind in kinds:
    richest = max(kinds, key=seats.get)
    if not seats[kind] and seats[richest] > 1:
        seats[kind], seats[richest] = 1, seats[richest] - 1
chosen = [one for kind in kinds for one in sorted(strata[kind])[: seats[kind]]]
for key, line in sorted(chosen):
    sys.stdout.buffer.write(b"\\t".join(line.split(b"\\t")[:2]) + b"\\n")
"""


def recipe(manifest_sha256: str, nonce: str, size: int) -> str:
    """A program that takes the manifest's path and prints resource and image number of the sample.

    They are printed as they stand in the manifest, a line each, in the order of their keys.
    """
    return _RECIPE.format(nonce=ascii(nonce), size=size, seal=manifest_sha256)
