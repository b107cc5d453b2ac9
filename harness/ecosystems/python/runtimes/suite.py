"""The Python of a Debian or Ubuntu suite, packed as a runtime."""

import tempfile
from pathlib import Path

from harness.ecosystems.python.runtimes.interpreter import read_interpreter
from harness.ecosystems.python.runtimes.pack import pack_runtime
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.stack.bootstrap import Bootstrap, OnLine, quiet, unpack, write_tar
from harness.stack.distro import distro_of, find_archive
from harness.stack.image import Image
from harness.storage.store import Store


def suite_runtime(
    store: Store,
    suite: str,
    *,
    image: Image | None = None,
    minor: str = "",
    on_demand: bool = False,
    on_line: OnLine = quiet,
) -> Runtime:
    """The Python of a Debian or Ubuntu suite, from its packages; nothing is installed.

    Args:
        store: Where it is kept.
        suite: The suite's code name.
        image: The image that builds run in.
        minor: As in `3.14`, where the suite's own default is not meant.
        on_demand: Whether it counts only where builds ask for it.
        on_line: Called with each line of progress.

    Raises:
        ImageError: The packages are unavailable.
        RuntimeArchiveError: That Python does not work in the image.
    """
    bootstrap = Bootstrap(
        archive=find_archive(suite),
        packages=(f"python{minor or 3}-venv", f"libpython{minor or 3}-dev"),
        install=False,
    )
    with tempfile.TemporaryDirectory(prefix="cache-harness-") as folder:
        tar, root = Path(folder) / "suite.tar", Path(folder) / "root"
        root.mkdir()
        write_tar(bootstrap, tar, on_line=on_line)
        unpack(tar, root)
        name = (distro_of(suite) or "").capitalize()
        return pack_runtime(
            read_interpreter(root / "usr", root=root, minor=minor or None),
            store,
            image=image,
            origin=f"{name} {suite}".strip(),
            on_demand=on_demand,
        )
