"""Packs an installed CPython as a runtime, and keeps it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.ecosystems.python.runtimes.archives import write_archives
from harness.ecosystems.python.runtimes.check import check, works_mark
from harness.ecosystems.python.runtimes.compiled import Compiler, compile_folder
from harness.ecosystems.python.runtimes.interpreter import Interpreter
from harness.ecosystems.python.runtimes.layout import HOME, lay_out, leave_out
from harness.ecosystems.python.runtimes.pip import pack_pip
from harness.ecosystems.python.runtimes.runtime import FORMAT, Runtime, available_runtimes
from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError
from harness.stack.image import Image
from harness.storage.locks import locked
from harness.storage.store import Store

OLDEST = 9
"""Python 3.9 is the oldest whose `compileall` can leave out where it ran."""


def pack_runtime(
    interpreter: Interpreter,
    store: Store,
    *,
    image: Image | None = None,
    origin: str = "",
    on_demand: bool = False,
) -> Runtime:
    """Packs an installed CPython and keeps the archives.

    The packed tree is run before it is kept: with the image's libraries where there is an image,
    else with those of its own system.

    Args:
        interpreter: The CPython, from `read_interpreter`.
        store: Where the archives are kept.
        image: The image that builds run in; what its system lacks is bundled.
        origin: Where it comes from, for people; its prefix where empty.
        on_demand: Whether it counts only where builds ask for it.

    Raises:
        RuntimeArchiveError: It cannot be packed, or what was packed does not run.
        StoreError: The store cannot be written.
    """
    if int(interpreter.minor.partition(".")[2]) < OLDEST:
        raise RuntimeArchiveError(
            f"{interpreter.prefix} is Python {interpreter.version}, which is too old to be packed",
            hint=f"pack a Python 3.{OLDEST} or newer",
        )
    target = System(root=image.rootfs) if image else interpreter.system
    try:
        with store.scratch(store.runtimes) as folder:
            tree = folder / "python"
            bundled = lay_out(interpreter, tree, target=target, wheels=_image_wheels(image))
            left_out = leave_out(tree, interpreter, target)
            _compile(interpreter, tree)
            check(tree, version=interpreter.version, system=target)
            facts = {
                "version": interpreter.version,
                "origin": origin or str(interpreter.prefix),
                "bundled": bundled,
                "left_out": left_out,
                "on_demand": on_demand,
            }
            digest = _keep(store, interpreter, tree, facts)
    except OSError as error:
        raise RuntimeArchiveError(
            f"cannot pack {interpreter.prefix}: {error}",
            hint="check that it is readable and that the store has room, then try again",
        ) from error
    runtime = next((kept for kept in available_runtimes(store) if kept.digest == digest), None)
    if runtime is None:
        raise RuntimeArchiveError(
            f"the runtime {_name(interpreter.version, digest)} in {store.runtimes} is incomplete",
            hint="remove that folder, then run the command again",
        )
    if image is not None:
        works_mark(runtime, image).touch()
    return runtime


@contextmanager
def packing(store: Store, *, wait: bool = True) -> Iterator[None]:
    """Holds the kept runtimes: of workers that come at once, one packs, and the others find what
    it packed.

    Args:
        store: Where they are kept.
        wait: Whether to wait for another worker.

    Raises:
        BlockingIOError: Another worker packs, and `wait` is false.
        RuntimeArchiveError: The store cannot be written.
    """  # noqa: D205
    try:
        store.runtimes.mkdir(parents=True, exist_ok=True)
        with locked(store.runtimes / ".lock", wait=wait):
            yield
    except BlockingIOError:
        raise
    except OSError as error:
        raise RuntimeArchiveError(
            f"cannot store runtimes in {store.runtimes}: {error}",
            hint="free some room, or choose another folder with --store DIR",
        ) from error


def _image_wheels(image: Image | None) -> tuple[Path, ...]:
    folder = "usr/share/python-wheels"
    return (*((image.rootfs / folder,) if image else ()), Path("/", folder))


def _compile(interpreter: Interpreter, tree: Path) -> None:
    """Compiles the standard library, as a runtime's maker does: a build then need not, and leaves
    no trace there of which modules it happened to import."""  # noqa: D205, D209
    compile_folder(
        tree / "lib" / f"python{interpreter.minor}",
        root=tree,
        place=HOME,
        marker="__pycache__/os.*.pyc",
        compiler=Compiler(
            program=tree / "bin" / f"python{interpreter.minor}", system=interpreter.system
        ),
        called=f"the standard library of {interpreter.prefix}",
    )


def _keep(store: Store, interpreter: Interpreter, tree: Path, facts: dict[str, object]) -> str:
    """Stores the archives and a record of them, unless the same bytes are stored already."""
    version = interpreter.version
    gz, zst = (tree.parent / f"python-{version}.tar.{kind}" for kind in ("gz", "zst"))
    pip = tree.parent / f"pip-for-{version}.tar.zst"
    digest = write_archives(tree, gz, zst)
    pack_pip(tree, pip, version=version, system=interpreter.system)
    final = store.runtimes / _name(version, digest)
    facts = facts | {
        "format": FORMAT,
        "digest": digest,
        "gz": _sha256(gz),
        "zst": _sha256(zst),
        "pip": _sha256(pip),
    }
    if not final.exists():
        with store.staged(final) as staging:
            for archive in (gz, zst, pip):
                archive.rename(staging / archive.name)
            (staging / "runtime.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return digest


def _name(version: str, digest: str) -> str:
    """What a runtime's folder is called."""
    return f"{version}-{digest[:12]}-{FORMAT}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
