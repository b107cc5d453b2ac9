"""The pip that comes with a runtime, ready to be run from wherever it is unpacked."""

import zipfile
from pathlib import Path

from harness.ecosystems.python.runtimes.archives import write_zst
from harness.ecosystems.python.runtimes.compiled import Compiler, compile_folder
from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError


def pack_pip(tree: Path, archive: Path, *, version: str, system: System) -> None:
    """Writes the folder `pip` of a runtime's own wheel of pip, compiled for it, as a `.tar.zst`.

    Run from within its wheel, pip is compiled at each start, which takes longer than most of what a
    build asks of it. It is not an installed distribution: the wheel's metadata is left out.

    Args:
        tree: The runtime, `ensurepip/_bundled/pip-*.whl` in its standard library.
        archive: What is written.
        version: The runtime's, as in `3.11.7`.
        system: What the runtime is run with.

    Raises:
        RuntimeArchiveError: The wheel is missing, or it does not compile.
    """
    minor = ".".join(version.split(".")[:2])
    bundled = tree / "lib" / f"python{minor}" / "ensurepip" / "_bundled"
    folder = archive.parent / f"pip-for-{version}"
    wheels = sorted(bundled.glob("pip-*.whl"))
    if len(wheels) != 1:
        raise RuntimeArchiveError(
            f"Python {version} brings {len(wheels)} wheels of pip in its `ensurepip`, not one",
            hint="pack a Python whose `ensurepip` works",
        )
    try:
        with zipfile.ZipFile(wheels[0]) as packed:
            packed.extractall(folder, [n for n in packed.namelist() if n.startswith("pip/")])
    except zipfile.BadZipFile as error:
        raise RuntimeArchiveError(
            f"Python {version} brings {wheels[0].name}, which cannot be read: {error}",
            hint="pack a Python whose `ensurepip` works",
        ) from error
    compile_folder(
        folder / "pip",
        root=folder,
        # Of one place, wherever it is packed; a module's own place is put in when it is loaded.
        place="/",
        marker="__pycache__/__main__.*.pyc",
        compiler=Compiler(program=tree / "bin" / f"python{minor}", system=system),
        called=f"the pip of Python {version}",
    )
    write_zst(folder, archive)
