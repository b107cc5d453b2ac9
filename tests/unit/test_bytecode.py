import importlib.util
import marshal
import struct
from contextlib import suppress
from types import CodeType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyc_samples import SAMPLES, SOURCE, Sample, unpack

from harness.ecosystems.python.bytecode import (
    HEADER,
    MalformedError,
    code_digest,
    header,
    source_hash,
)

VERSIONS = [pytest.param(sample, id=version) for version, sample in SAMPLES.items()]


def compiled(source: str, path: str = "/build/one/m.py") -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def pyc(code: Any, version: int = 4) -> bytes:
    return importlib.util.MAGIC_NUMBER + bytes(HEADER - 4) + marshal.dumps(code, version)


@pytest.mark.parametrize("sample", VERSIONS)
def test_how_objects_are_shared_makes_no_difference(sample: Sample) -> None:
    shared, plain = unpack(sample.shared), unpack(sample.plain)
    assert shared != plain
    assert code_digest(shared) == code_digest(plain)


@pytest.mark.parametrize("sample", VERSIONS)
def test_other_code_makes_a_difference(sample: Sample) -> None:
    assert code_digest(unpack(sample.shared)) != code_digest(unpack(sample.other))


def test_every_version_has_a_digest_of_its_own() -> None:
    assert len({code_digest(unpack(sample.shared)) for sample in SAMPLES.values()}) == len(SAMPLES)


@pytest.mark.parametrize("sample", VERSIONS)
def test_the_build_path_is_left_out_of_file_names_alone(sample: Sample) -> None:
    data = unpack(sample.shared)
    moved = data.replace(b"/build/one/m.py", b"/build/two/m.py")
    assert code_digest(data) != code_digest(moved)
    one, two = ("/build/one",), ("/build/two",)
    assert code_digest(data, build_paths=one) == code_digest(moved, build_paths=two)
    # One of several, as a cached build's files may name any earlier build's.
    assert code_digest(data, build_paths=(*two, *one)) == code_digest(moved, build_paths=two)
    # A file name that the path does not lead is another one, and so is one it is no folder of.
    assert code_digest(data, build_paths=one) != code_digest(moved, build_paths=one)
    longer = data.replace(b"/build/one/m.py", b"/build/xne/m.py")
    assert code_digest(data, build_paths=("/build/o",)) != code_digest(
        longer, build_paths=("/build/x",)
    )


def test_the_build_path_stays_in_other_strings() -> None:
    ours, theirs = (
        pyc(compiled("WHERE = '/build/one/src'", "m.py")),
        pyc(compiled("WHERE = '/build/two/src'", "m.py")),
    )
    one, two = ("/build/one",), ("/build/two",)
    assert code_digest(ours, build_paths=one) != code_digest(theirs, build_paths=two)


@pytest.mark.parametrize(
    ("magic", "source", "digest"),
    [
        # As importlib.util.source_hash of CPython 3.10 and 3.11 gives them.
        (3439, b"x=1\n", "a5895a49575becf9"),
        (3495, b"x=1\n", "f71da1d5f9e80d87"),
        (3495, b"hello world, 0123456789" * 7, "57e936ac2aa5191a"),
    ],
)
def test_a_source_is_hashed_as_its_interpreter_does(magic: int, source: bytes, digest: str) -> None:
    assert source_hash(source, magic=magic).hex() == digest


@given(st.binary(max_size=40))
def test_a_source_is_hashed_as_this_interpreter_does(source: bytes) -> None:
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    assert source_hash(source, magic=magic) == importlib.util.source_hash(source)


def test_interning_makes_no_difference() -> None:
    code = compiled("x = 'two words'")
    interned = pyc(code).replace(b"\xda\x01x", b"\xfa\x01x")
    assert interned != pyc(code)
    assert code_digest(interned) == code_digest(pyc(code))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = b'a'"),
        ("x = 2**70", "x = -2**70"),
        ("x = 2**70", "x = 2**71"),
        ("x = 1j", "x = 2j"),
        ("x = (1, 2)", "x = (2, 1)"),
        ("x = ('a', 'b')", "x = ('ab', '')"),
        ("x = y in {1, 2}", "x = y in {1, 3}"),
        ("x = y in {1, 2}", "x = y in (1, 2)"),
        ("x = None", "x = ..."),
        ("def f(a): pass", "def f(b): pass"),
        ("def f(a): pass", "def f(*, a): pass"),
        ("x = 1", "\nx = 1"),
        ("'doc'", "'other'"),
        ("try: x\nexcept: y", "x; y"),
    ],
)
def test_a_small_change_makes_a_difference(one: str, other: str) -> None:
    for version in (2, 4):
        ours, theirs = (pyc(compiled(source), version) for source in (one, other))
        assert code_digest(ours) != code_digest(theirs)


def test_the_order_in_a_set_makes_no_difference() -> None:
    members = [marshal.dumps(text, 2) for text in ("a", "bb")]
    head = pyc(None)[:HEADER] + b">" + struct.pack("<i", 2)
    assert code_digest(head + b"".join(members)) == code_digest(head + b"".join(members[::-1]))


def test_references_cost_no_more_than_what_they_repeat() -> None:
    """Each of 100 tuples holds the one before it twice: 2**100 objects, were they written out."""
    nested: tuple[object, ...] = ()
    for _ in range(100):
        nested = (nested, nested)
    assert code_digest(pyc(nested)) != code_digest(pyc((nested, nested)))


@pytest.mark.parametrize(
    "code",
    [
        b"",
        b"c",
        b"?",
        b"0",
        b"r\0\0\0\0",
        b"r\xff\xff\xff\xff",
        b"s\xff\xff\xff\xff",
        b"(\xff\xff\xff\x7f",
        b"\xa9\x01r\0\0\0\0",
        b"NN",
        b"(\x01\0\0\0" * 400 + b"N",
        b")\x01" * 400 + b"N",
        b"[\x01\0\0\x000",
        b"{N0",
    ],
)
def test_damaged_code_is_malformed(code: bytes) -> None:
    with pytest.raises(MalformedError):
        code_digest(pyc(None)[:HEADER] + code)


def test_an_unknown_version_is_malformed() -> None:
    with pytest.raises(MalformedError, match="3999"):
        code_digest((3999).to_bytes(2, "little") + b"\r\n" + pyc(None)[4:])


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n" * 9, pyc(None)[: HEADER - 1]])
def test_what_is_no_compiled_file_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        header(data)


def test_the_header_tells_times_from_hashes() -> None:
    found = header(unpack(SAMPLES["3.11"].shared))
    assert found.timed
    assert int.from_bytes(found.stamp, "little") == 1700000000
    assert int.from_bytes(found.size, "little") == len(SOURCE.encode())
    hashed = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)
    assert not header(hashed).timed


@given(data=st.binary(max_size=60), cut=st.integers(0, 600))
def test_random_code_never_fails_otherwise(data: bytes, cut: int) -> None:
    whole = unpack(SAMPLES["3.12"].shared)
    for damaged in (whole[:HEADER] + data, whole[:cut] + data + whole[cut + len(data) :]):
        with suppress(MalformedError):
            assert len(code_digest(damaged)) == 32
