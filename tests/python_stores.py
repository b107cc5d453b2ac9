"""Stores that hold runtimes and build tools, without any of them being one."""

import json
from collections.abc import Mapping
from hashlib import sha256

from harness.ecosystems.python.runtimes.runtime import FORMAT
from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.storage.store import Store

RUNTIMES: Mapping[str, bool] = {"3.13.5": False, "3.11.2": False, "3.14.8": True}
"""The versions of kept runtimes, and whether they were made because builds asked for them."""


def keep_runtimes(store: Store, versions: Mapping[str, bool] = RUNTIMES) -> None:
    """Keeps runtimes whose archives hold their names."""
    for version, on_demand in versions.items():
        folder = store.runtimes / version
        folder.mkdir(parents=True)
        archives = {
            "gz": f"python-{version}.tar.gz",
            "zst": f"python-{version}.tar.zst",
            "pip": f"pip-for-{version}.tar.zst",
        }
        for name in archives.values():
            (folder / name).write_text(name)
        facts = {
            "format": FORMAT, "version": version, "digest": version, "origin": "a test",
            "bundled": [], "on_demand": on_demand,
        }  # fmt: skip
        digests = {kind: sha256(name.encode()).hexdigest() for kind, name in archives.items()}
        (folder / "runtime.json").write_text(json.dumps({**facts, **digests}))


def keep_tools(store: Store, *pins: str) -> None:
    """Keeps the wheels that every build is offered, and those that an operator pins for 3.11."""
    kept = {pin: pin.replace("==", "-") for pin in BASE_TOOLS}
    kept |= {pin: f"{pin.replace('==', '-')}-for-some-of-3.11" for pin in pins}
    for pin, folder_name in kept.items():
        name, _, version = pin.partition("==")
        folder = store.tools / folder_name
        folder.mkdir(parents=True)
        wheel = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        (folder / wheel).write_bytes(pin.encode())
