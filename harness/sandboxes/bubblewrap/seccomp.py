"""System calls that no build has a use for, refused by a filter, as newer Docker engines do."""

import platform
import struct
from typing import Final

# Keyrings (the session's secrets of whoever started the harness), and ways into the kernel that
# need no privilege: add_key request_key keyctl, perf_event_open, bpf, userfaultfd, io_uring_*.
_REFUSED: Final = {
    "x86_64": (248, 249, 250, 298, 321, 323, 425, 426, 427),
    "aarch64": (217, 218, 219, 241, 280, 282, 425, 426, 427),
}
# linux/audit.h
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32: Final = 0x4000_0000
_EPERM: Final = 0x0005_0001  # SECCOMP_RET_ERRNO and the error
_ALLOW: Final = 0x7FFF_0000

# linux/bpf_common.h: load a word, jump if equal or greater-or-equal, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data


def system_call_filter(machine: str | None = None) -> bytes:
    """The filter (seccomp(2), classic BPF) that bwrap's `--seccomp` takes.

    Args:
        machine: A name as of uname(2); this machine's unless given.

    Returns:
        The program, or nothing for a machine whose numbers are not known here. What the filter
        refuses fails with EPERM, and so does all that comes by another architecture's numbers.
    """
    machine = platform.machine() if machine is None else machine
    if machine not in _REFUSED:
        return b""
    tests = [(_EQUAL, number) for number in _REFUSED[machine]]
    if machine == "x86_64":
        tests.insert(0, (_AT_LEAST, _X32))
    # Each test jumps over those that are left, and over ALLOW, to the refusal at the end.
    left = len(tests)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, left + 2, _ARCHITECTURES[machine]),
        (_LOAD, 0, 0, _NUMBER),
        *((code, left - place, 0, value) for place, (code, value) in enumerate(tests)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
