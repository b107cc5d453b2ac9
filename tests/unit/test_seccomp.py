"""The filter of system calls, run as the kernel would run it."""

import struct

import pytest

from harness.sandboxes.bubblewrap.seccomp import system_call_filter

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KEYCTL = {"x86_64": 250, "aarch64": 219}
REFUSED, ALLOWED = 0x0005_0001, 0x7FFF_0000


def run(code: bytes, *, number: int, architecture: int) -> int:
    """What a filter returns for a system call: classic BPF, as far as it is used."""
    data = struct.pack("=iIQ6Q", number, architecture, *range(7))
    steps = list(struct.iter_unpack("=HBBI", code))
    value = place = 0
    while True:
        kind, then, otherwise, constant = steps[place]
        place += 1
        if kind == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
        elif kind in {0x15, 0x35}:
            holds = value == constant if kind == 0x15 else value >= constant
            place += then if holds else otherwise
        else:
            assert kind == 0x06
            return constant


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_keyrings_and_their_like_are_refused_and_nothing_else(machine: str) -> None:
    code = system_call_filter(machine)
    verdicts = {
        number: run(code, number=number, architecture=ARCHITECTURES[machine])
        for number in range(600)
    }
    refused = {number for number, verdict in verdicts.items() if verdict == REFUSED}
    assert set(verdicts.values()) == {REFUSED, ALLOWED}
    assert KEYCTL[machine] in refused
    assert len(refused) == 9


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("architecture", [0x40000003, 0x40000028, 0])
def test_another_architecture_s_numbers_are_no_way_round(machine: str, architecture: int) -> None:
    for number in (0, 1, KEYCTL[machine], 288):
        assert run(system_call_filter(machine), number=number, architecture=architecture) == REFUSED


def test_neither_are_those_of_x32() -> None:
    for number in (0, 250):
        way_round = number | 0x4000_0000
        assert (
            run(system_call_filter("x86_64"), number=way_round, architecture=0xC000003E) == REFUSED
        )


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    assert system_call_filter("riscv64") == b""
