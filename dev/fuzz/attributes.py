"""Changes of extended attributes."""

import os
from collections.abc import Callable

from dev.fuzz.bench import Bench, Change, Level, Unfit
from dev.fuzz.tree import CAPABILITY

Make = Callable[[Bench], Change]

MACHINE_S = "such attributes are the machine's, and no platform deploys them"

_ACL = bytes.fromhex(
    "0200000001000600ffffffff02000400d204000004000400ffffffff10000400ffffffff20000400ffffffff"
)
"""An access list that lets one more user read."""


def _change(bench: Bench, paths: list[str], name: str, values: list[bytes | None]) -> str:
    path = bench.pick(paths)
    place = bench.touch(path)
    value = bench.rng.choice(values)
    try:
        if value is None:
            os.removexattr(place, name)
        else:
            os.setxattr(place, name, value)
    except OSError as error:  # not there, not on this file system, or for root alone
        raise Unfit from error
    return path


def own(bench: Bench) -> Change:
    """A `user.` attribute: new, gone, or of another value."""
    held = ["app.py", "staticfiles"]
    some = bench.rng.choice([held, [*bench.files, *bench.folders]])
    name = bench.rng.choice(["user.note", "user.other", "user.n\xf6te"])
    path = _change(bench, some, name, [None, b"", b"two", b"\0\xff"])
    return Change(what=f"{name} of {path!r}", paths=bench.same_file(path))


def capability(bench: Bench) -> Change:
    """What a program may do."""
    held = [path for path in bench.files if "/bin/python" in path]
    some = bench.rng.choice([held, bench.files])
    other = CAPABILITY.replace(b"\x20", b"\x04")
    path = _change(bench, some, "security.capability", [None, CAPABILITY, other])
    return Change(what=f"the capability of {path!r}", paths=bench.same_file(path))


def access_list(bench: Bench) -> Change:
    """Who may read a file."""
    path = _change(bench, bench.files, "system.posix_acl_access", [_ACL])
    # It changes the mode's middle part as well.
    return Change(what=f"the access list of {path!r}", paths=bench.same_file(path))


def machine_s(bench: Bench) -> Change:
    """An attribute of the machine's."""
    path = _change(bench, [*bench.files, *bench.folders], "trusted.overlay.origin", [b"x"])
    return Change(
        what=f"trusted.overlay.origin of {path!r}", paths=frozenset({path}),
        levels=frozenset({Level.UNSEEN}), why=MACHINE_S,
    )  # fmt: skip


KINDS: dict[str, Make] = {
    "attributes: of a user": own,
    "attributes: a capability": capability,
    "attributes: an access list": access_list,
    "attributes: the machine's": machine_s,
}
