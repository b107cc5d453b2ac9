"""The Python of a Debian or Ubuntu suite, packed as a runtime."""

import tempfile
from pathlib import Path

from harness.ecosystems.python.runtimes.interpreter import read_interpreter
from harness.ecosystems.python.runtimes.pack import pack_runtime
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.stack.bootstrap import Bootstrap, OnLine, quiet, unpack, write_tar
from harness.stack.distro import distro_of, find_archive
from harness.stack.image import Image
from harness.stack.processes import Processes
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
    with tempfile.TemporaryDirectory(prefix="cache-harness-") as folder:
        root = Path(folder) / "root"
        extract_suite(suite, root, minor=minor, on_line=on_line)
        return pack_runtime(
            read_interpreter(root / "usr", root=root, minor=minor or None),
            store,
            image=image,
            origin=origin_of(suite),
            on_demand=on_demand,
        )


def extract_suite(
    suite: str,
    root: Path,
    *,
    minor: str = "",
    on_line: OnLine = quiet,
    processes: Processes | None = None,
) -> None:
    """Extracts the packages of a suite's Python, and those that they depend on.

    Args:
        suite: The suite's code name.
        root: The folder that becomes the root of the tree; it is made.
        minor: As in `3.14`, where the suite's own default is not meant.
        on_line: Called with each line of progress.
        processes: Those that may be ended from elsewhere, which then counts as a failure.

    Raises:
        ImageError: The packages are unavailable.
    """
    bootstrap = Bootstrap(
        archive=find_archive(suite),
        packages=(f"python{minor or 3}-venv", f"libpython{minor or 3}-dev"),
        install=False,
    )
    root.mkdir(parents=True)
    tar = root.with_name(f"{root.name}.tar")
    write_tar(bootstrap, tar, on_line=on_line, processes=processes)
    unpack(tar, root)
    tar.unlink()


def origin_of(suite: str) -> str:
    """What people call the origin of a runtime from a suite, as in `Debian bookworm`."""
    return f"{(distro_of(suite) or '').capitalize()} {suite}".strip()
