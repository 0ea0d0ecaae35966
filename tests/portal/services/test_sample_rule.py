"""The rule by which a sample is drawn, and the lines it is drawn from."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.services.manifest_lines import (
    ManifestDocument,
    ManifestFile,
    document_line,
    head_line,
    in_order,
    read_line,
)
from portal.services.sample_recipe import recipe
from portal.services.sample_rule import draw, key_of, seats, stratum_of, survey

SEAL = "5e" * 32
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SIZES = st.dictionaries(st.binary(min_size=1, max_size=3), st.integers(1, 60), max_size=6)
FILES = st.builds(
    ManifestFile, TEXT, st.integers(0, 99), TEXT, st.integers(0, 10**12), st.just("a" * 64)
)
DOCUMENTS = st.builds(ManifestDocument, TEXT, TEXT, TEXT, st.lists(FILES, max_size=3).map(tuple))


def lines_of(sizes: dict[bytes, int]) -> list[bytes]:
    kinds = {kind: b"t%d" % number for number, kind in enumerate(sizes)}
    return [b"EAS\tX%d\t%s" % (n, kinds[kind]) for kind in sizes for n in range(sizes[kind])]


@given(DOCUMENTS)
def test_a_line_says_the_document_and_nothing_breaks_it(document: ManifestDocument) -> None:
    line = document_line(document)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert not set(line[:-1]) & (set(range(32)) - {9} | {127})
    read = read_line(line)
    assert (read.resource, read.image_no, read.type_code) == (
        document.resource,
        document.image_no,
        document.type_code,
    )
    assert list(read.files) == in_order(document.files)


def test_the_bytes_are_these() -> None:
    files = (
        ManifestFile("invoice", 2, "f-2", 7, "b" * 64),
        ManifestFile("cover", 1, "f%1", 5, "c"),
    )
    document = ManifestDocument("EAS", "影像\t1\n", "FY\x7f", files)
    assert document_line(document) == (
        "EAS\t影像%091%0A\tFY%7F\tcover\t1\tf%251\t5\tc\tinvoice\t2\tf-2\t7\t".encode()
        + b"b" * 64
        + b"\n"
    )
    assert head_line("源", "2024-01", "", "FYBX") == (
        "imgmig-manifest-1\t源\t2024-01\t\tFYBX\n".encode()
    )


@pytest.mark.parametrize(
    "line", [b"EAS\tX1\n", b"EAS\tX1\tT\tcover\n", b"EAS\tX1\tT\ta\tb\tc\td\te"]
)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"manifest|invalid literal"):
        read_line(line)


@given(SIZES, st.integers(1, 400))
def test_the_seats_add_up_and_every_stratum_has_one_if_it_can(
    sizes: dict[bytes, int], wanted: int
) -> None:
    given_seats = seats(sizes, wanted)
    total = sum(sizes.values())
    assert sum(given_seats.values()) == min(wanted, total)
    assert all(0 <= given_seats[kind] <= sizes[kind] for kind in given_seats)
    if wanted >= len(sizes):
        assert all(given_seats.values())
    exact = {kind: min(wanted, total) * size / total for kind, size in sizes.items()}
    if all(share >= 1 for share in exact.values()):
        assert all(abs(given_seats[kind] - exact[kind]) < 1 for kind in sizes)
    assert given_seats == seats(dict(reversed(sizes.items())), wanted)


def test_seats_are_in_proportion() -> None:
    assert seats({b"A": 90, b"B": 10}, 10) == {b"A": 9, b"B": 1}
    assert seats({b"A": 990, b"B": 9, b"C": 1}, 10) == {b"A": 8, b"B": 1, b"C": 1}
    assert seats({b"A": 5, b"B": 5, b"C": 5}, 2) == {b"A": 1, b"B": 1, b"C": 0}
    assert seats({b"A": 3}, 99) == {b"A": 3}
    assert seats({}, 5) == {}


@given(SIZES.filter(bool), st.integers(1, 80), st.text(min_size=8, max_size=12), st.randoms())
def test_what_is_drawn_is_a_part_and_the_order_is_of_no_matter(
    sizes: dict[bytes, int], wanted: int, nonce: str, chance: object
) -> None:
    lines = lines_of(sizes)
    counted = {stratum_of(line): 0 for line in lines}
    for line in lines:
        counted[stratum_of(line)] += 1
    given_seats = seats(counted, wanted)
    nonce = nonce.encode(errors="replace").decode()
    drawn = draw(SEAL, nonce, lines, given_seats)
    assert {line for _, line in drawn} <= set(lines)
    assert len({line for _, line in drawn}) == len(drawn) == min(wanted, len(lines))
    for stratum, count in given_seats.items():
        everyone = sorted(
            (key_of(SEAL, nonce, line), line) for line in lines if stratum_of(line) == stratum
        )
        assert [one for one in drawn if stratum_of(one[1]) == stratum] == everyone[:count]
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert draw(SEAL, nonce, shuffled, given_seats) == drawn


def test_another_nonce_or_another_manifest_draws_others() -> None:
    lines = lines_of({b"A": 500})
    one = draw(SEAL, "a first nonce", lines, {b"t0": 20})
    assert one == draw(SEAL, "a first nonce", lines, {b"t0": 20})
    assert one != draw(SEAL, "another nonce", lines, {b"t0": 20})
    assert one != draw("00" * 32, "a first nonce", lines, {b"t0": 20})
    assert key_of(SEAL, "a first nonce", lines[0]) == (
        hashlib.sha256(f"{SEAL}\na first nonce\n".encode() + lines[0]).hexdigest()
    )


@pytest.mark.parametrize(("sizes", "wanted"), [((700, 90, 3, 1), 40), ((5, 5, 5), 2), ((4, 1), 5)])
def test_the_printed_recipe_draws_the_same(
    tmp_path: Path, sizes: tuple[int, ...], wanted: int
) -> None:
    nonce = "抽查'随机\"串 \\n 2026"
    documents = [
        document_line(ManifestDocument("EAS", f"影像\t{kind}-{n}", f"类%{kind}", ()))
        for kind, size in enumerate(sizes)
        for n in range(size)
    ]
    manifest = head_line("源", "2024-01", "", "") + b"".join(documents)
    digest, strata = survey(io.BytesIO(manifest))
    assert digest == hashlib.sha256(manifest).hexdigest()
    drawn = draw(digest, nonce, [line[:-1] for line in documents], seats(strata, wanted))
    (tmp_path / "m").write_bytes(manifest)
    program = recipe(digest, nonce, len(drawn))
    assert len(program.splitlines()) <= 25
    printed = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "m"], check=True, capture_output=True
    ).stdout
    assert printed.splitlines() == [b"\t".join(line.split(b"\t")[:2]) for _, line in drawn]
    (tmp_path / "m").write_bytes(manifest.replace(b"EAS", b"EAX", 1))
    refused = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "m"], check=False, capture_output=True
    )
    assert refused.returncode
