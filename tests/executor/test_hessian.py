"""Hessian 2: the examples of its specification, everything there and back, and rubbish."""

from __future__ import annotations

import math
import random
import struct
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.protocol.hessian import (
    HessianError,
    Long,
    Record,
    TypedList,
    TypedMap,
    decode,
    encode,
)
from executor.protocol.hessian.values import CHUNK, DEPTH, ITEMS

CAR = b"C\x0bexample.Car\x92\x05color\x05model"
GOLDEN: list[tuple[bytes, Any]] = [
    (b"N", None),
    (b"T", True),
    (b"F", False),
    (b"\x90", 0),
    (b"\x80", -16),
    (b"\xbf", 47),
    (b"\xc8\x00", 0),
    (b"\xc0\x00", -2048),
    (b"\xc7\x00", -256),
    (b"\xcf\xff", 2047),
    (b"\xd4\x00\x00", 0),
    (b"\xd0\x00\x00", -262144),
    (b"\xd7\xff\xff", 262143),
    (b"I\x00\x00\x00\x00", 0),
    (b"I\x00\x00\x01\x2c", 300),
    (b"I\x80\x00\x00\x00", -(2**31)),
    (b"\xe0", Long(0)),
    (b"\xd8", Long(-8)),
    (b"\xef", Long(15)),
    (b"\xf8\x00", Long(0)),
    (b"\xf0\x00", Long(-2048)),
    (b"\xf7\x00", Long(-256)),
    (b"\xff\xff", Long(2047)),
    (b"\x3c\x00\x00", Long(0)),
    (b"\x38\x00\x00", Long(-262144)),
    (b"\x3f\xff\xff", Long(262143)),
    (b"\x59\x00\x00\x01\x2c", Long(300)),
    (b"\x59\x80\x00\x00\x00", Long(-(2**31))),
    (b"L\x00\x00\x00\x00\x00\x00\x01\x2c", Long(300)),
    (b"L\x80\x00\x00\x00\x00\x00\x00\x00", Long(-(2**63))),
    (b"\x5b", 0.0),
    (b"\x5c", 1.0),
    (b"\x5d\x00", 0.0),
    (b"\x5d\x80", -128.0),
    (b"\x5d\x7f", 127.0),
    (b"\x5e\x00\x00", 0.0),
    (b"\x5e\x80\x00", -32768.0),
    (b"\x5e\x7f\xff", 32767.0),
    (b"\x5f\x41\x44\x00\x00", 12.25),
    (b"D\x40\x28\x80\x00\x00\x00\x00\x00", 12.25),
    (b"\x4a\x00\x00\x00\xd0\x4b\x92\x84\xb8", datetime(1998, 5, 8, 9, 51, 31, tzinfo=UTC)),
    (b"\x4b\x00\xe3\x83\x8f", datetime(1998, 5, 8, 9, 51, tzinfo=UTC)),
    (b"\x20", b""),
    (b"\x23\x01\x02\x03", b"\x01\x02\x03"),
    (b"\x34\x03abc", b"abc"),
    (b"B\x00\x03abc", b"abc"),
    (b"A\x00\x02ab\x21c", b"abc"),
    (b"\x00", ""),
    (b"\x05hello", "hello"),
    (b"\x01\xc3\x83", "\u00c3"),
    (b"\x02\xe5\xbd\xb1\xe5\x83\x8f", "影像"),
    (b"\x02\xed\xa0\xbd\xed\xb8\x80", "😀"),  # two units of three bytes each
    (b"\x30\x05hello", "hello"),
    (b"\x31\x00" + b"x" * 256, "x" * 256),
    (b"S\x00\x05hello", "hello"),
    (b"R\x00\x07hello, S\x00\x05world", "hello, world"),
    (b"R\x00\x01\xed\xa0\xbd\x01\xed\xb8\x80", "😀"),  # a pair that two pieces share
    (b"\x72\x04[int\x90\x91", TypedList("[int", [0, 1])),
    (b"V\x04[int\x92\x90\x91", TypedList("[int", [0, 1])),
    (b"U\x04[int\x90\x91Z", TypedList("[int", [0, 1])),
    (b"\x57\x90\x91Z", [0, 1]),
    (b"\x7a\x90\x91", [0, 1]),
    (b"\x58\x92\x90\x91", [0, 1]),
    (b"\x7a\x71\x04[int\x90\x71\x90\x91", [TypedList("[int", [0]), TypedList("[int", [1])]),
    (b"H\x91\x03fee\xa0\x03fie\xc9\x00\x03foeZ", {1: "fee", 16: "fie", 256: "foe"}),
    (b"M\x03car\x05color\x03redZ", TypedMap("car", {"color": "red"})),
    (
        CAR + b"\x60\x03red\x08corvette",
        Record("example.Car", {"color": "red", "model": "corvette"}),
    ),
    (
        b"\x7a" + CAR + b"O\x90\x03red\x08corvette\x60\x05green\x05civic",
        [
            Record("example.Car", {"color": "red", "model": "corvette"}),
            Record("example.Car", {"color": "green", "model": "civic"}),
        ],
    ),
    (CAR + b"C\x01E\x90\x61", Record("E")),
]


@pytest.mark.parametrize(("data", "value"), GOLDEN, ids=lambda item: repr(item)[:40])
def test_examples_of_the_specification(data: bytes, value: Any) -> None:
    found = decode(data)
    assert (found, type(found)) == (value, type(value))
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (-17, b"\xc7\xef"),
        (48, b"\xc8\x30"),
        (-2049, b"\xd3\xf7\xff"),
        (2048, b"\xd4\x08\x00"),
        (262144, b"I\x00\x04\x00\x00"),
        (2**31, b"L\x00\x00\x00\x00\x80\x00\x00\x00"),
        (Long(16), b"\xf8\x10"),
        (Long(-9), b"\xf7\xf7"),
        (Long(2048), b"\x3c\x08\x00"),
        (Long(1_700_000_000_000), b"L\x00\x00\x01\x8b\xcf\xe5\x68\x00"),
        (-0.0, b"D\x80\x00\x00\x00\x00\x00\x00\x00"),
        ("影像😀", b"\x04\xe5\xbd\xb1\xe5\x83\x8f\xed\xa0\xbd\xed\xb8\x80"),
        ("x" * 32, b"\x30\x20" + b"x" * 32),
        ("x" * 1024, b"S\x04\x00" + b"x" * 1024),
        ([0] * 8, b"\x58\x98" + b"\x90" * 8),
        (TypedList("[object", [None]), b"\x71\x07[objectN"),
    ],
)
def test_values_are_written_in_their_shortest_form(value: Any, data: bytes) -> None:
    assert encode(value) == data


def test_seventeenth_class_needs_the_long_form() -> None:
    records = [Record(f"C{number}", {"n": number}) for number in range(40)]
    data = encode(records)
    assert b"O\xa0" in data
    assert decode(data) == records


def test_shared_containers_stay_shared_and_circles_stay_circles() -> None:
    inner: list[Any] = [1]
    found = decode(encode([inner, inner, {"again": inner}]))
    assert found[0] is found[1] is found[2]["again"]
    record = Record("Node", {"next": None})
    record.fields["next"] = record
    found = decode(encode(record))
    assert found.fields["next"] is found
    assert decode(b"\x79\x51\x90")[0] is not None  # a list that holds itself


texts = st.text(st.characters(exclude_categories=()), max_size=40)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Long),
    st.floats(allow_nan=False),
    st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    st.binary(max_size=40),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=10),
        st.builds(TypedList, texts, st.lists(inner, max_size=10)),
        st.dictionaries(texts, inner, max_size=4),
        st.builds(TypedMap, texts, st.dictionaries(st.integers(0, 9), inner, max_size=4)),
        st.builds(Record, texts, st.dictionaries(texts, inner, max_size=4)),
    ),
    max_leaves=30,
)


def joined(value: Any) -> Any:  # noqa: PLR0911
    """What comes back of a text in which two lone surrogates stand side by side: the pair."""
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        case Record():
            fields = {joined(name): joined(member) for name, member in value.fields.items()}
            return Record(joined(value.class_name), fields)
        case TypedList():
            return TypedList(joined(value.type_name), [joined(item) for item in value])
        case TypedMap():
            members = {key: joined(member) for key, member in value.items()}
            return TypedMap(joined(value.type_name), members)
        case list():
            return [joined(item) for item in value]
        case dict():
            return {joined(key): joined(member) for key, member in value.items()}
    return value


@settings(deadline=None)
@given(values)
def test_everything_comes_back(value: Any) -> None:
    assert decode(encode(value)) == joined(value)


@pytest.mark.parametrize("count", [CHUNK - 1, CHUNK, CHUNK + 1, 70_000, 200_001])
@pytest.mark.parametrize("character", ["x", "é", "影", "😀"])
def test_long_texts_and_binaries(character: str, count: int) -> None:
    text = "a" + character * count
    assert decode(encode(text)) == text
    data = text.encode()
    assert decode(encode(data)) == data


def test_a_pair_is_never_written_in_two_pieces() -> None:
    data = encode("a" + "😀" * CHUNK)
    length = struct.unpack(">H", data[1:3])[0]
    assert (data[:1], length) == (b"R", CHUNK - 1)


def test_pairs_cost_no_call_each() -> None:
    """A stranger's body can be full of them, and is read before its token."""
    text = "😀" * 200_000
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        come_back = decode(encode(text))
    finally:
        sys.setprofile(None)
    assert come_back == text
    assert calls < 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Z",
        b"\x40",
        b"NN",
        b"\x05hell",
        b"\x01\xff",
        b"\x01\x80",
        b"\x01\xf0\x9f\x98\x80",  # UTF-8 of one character, where Hessian has two units
        b"\x02\xf0\x9f\x98\x80",
        b"\x01\xc1\x81",  # overlong
        b"I\x00\x00",
        b"\x4a\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x51\x90",
        b"\x51\x8f",
        b"\x60",
        b"O\x90",
        b"C\x01A\x8f\x60",
        b"C\x01A\xd7\xff\xff\x60",
        b"C\x90\x90\x60",
        b"\x58I\x7f\xff\xff\xff",
        b"\x58\xe1N",  # the length is a long
        b"V\x90\x90",  # a type that was never named
        b"\x57N",
        b"HN",
        b"HNZ",
        b"H\x78NZ",  # a list as a key
        b"R\x00\x01aN",
        b"A\x00\x01aN",
        b"\x79" * 100_000,
        b"\x57" + b"N" * (ITEMS + 1) + b"Z",
        b"C\x01A\x90" * (ITEMS + 1),
    ],
    ids=lambda data: repr(data)[:40],
)
def test_junk_is_refused_with_the_declared_error(data: bytes) -> None:
    with pytest.raises(HessianError):
        decode(data)


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, 2**63, Long(-(2**63) - 1), datetime(2026, 1, 1), 1j],  # noqa: DTZ001
)
def test_what_has_no_form_is_not_written(value: Any) -> None:
    with pytest.raises(HessianError):
        encode([value])


def test_depth_is_bounded_in_both_directions() -> None:
    deep: Any = 1
    for _level in range(DEPTH):
        deep = [deep]
    assert decode(encode(deep)) == deep
    with pytest.raises(HessianError):
        encode([deep])
    with pytest.raises(HessianError):
        decode(b"\x79" * (DEPTH + 1) + b"\x91")


def test_dates_of_other_zones_are_the_same_moment() -> None:
    moment = datetime(2026, 11, 23, 8, 0, 0, 123000, tzinfo=timezone(timedelta(hours=8)))
    assert decode(encode(moment)) == moment


def test_not_a_number_stays_one() -> None:
    assert math.isnan(decode(encode(math.nan)))


def throw(chance: random.Random, seeds: list[bytes]) -> None:
    """One piece of rubbish, from noise to a body that is nearly right."""
    match chance.randrange(4):
        case 0:
            data = bytes(chance.randbytes(chance.randrange(60)))
        case 1:
            data = bytes(chance.choices(b"CORSHMUVWXYZQNTIL\x60\x70\x78\x90\x91\x01", k=40))
        case 2:
            whole = chance.choice(seeds)
            data = whole[: chance.randrange(len(whole))]
        case _:
            bent = bytearray(chance.choice(seeds))
            for _flip in range(chance.randrange(1, 6)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            data = bytes(bent)
    try:
        value = decode(data)
    except HessianError:
        return
    try:
        again = encode(value)
    except HessianError:  # a reference made it deeper than it was read
        return
    decode(again)


def pelt(seed: int, count: int) -> None:
    chance = random.Random(seed)
    seeds = [data for data, _value in GOLDEN]
    seeds.append(encode([Record("A", {"b": TypedList("[c", [TypedMap("d", {1: "影😀"})])})]))
    for number in range(count):
        state = chance.getstate()
        try:
            throw(chance, seeds)
        except Exception as error:  # pragma: no cover
            raise AssertionError(f"seed {seed}, number {number}: {state}") from error


def test_2_000_pieces_of_rubbish() -> None:
    pelt(random.randrange(10**9), 2_000)


@pytest.mark.faults
def test_100_000_pieces_of_rubbish() -> None:
    pelt(20261123, 100_000)


@pytest.mark.faults
@settings(max_examples=5_000, deadline=None)
@given(values)
def test_everything_comes_back_many_times(value: Any) -> None:
    assert decode(encode(value)) == joined(value)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except HessianError:
        return
