"""Python runtimes: installed CPythons, packed as the archives that a buildpack downloads."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from packaging.version import Version

from harness.ecosystems.python.runtimes.archives import write_archives
from harness.ecosystems.python.runtimes.compiled import compile_folder
from harness.ecosystems.python.runtimes.debian import find_wheels, headers, stand_alone
from harness.ecosystems.python.runtimes.interpreter import (
    Interpreter,
    host_prefixes,
    installed_minors,
    read_interpreter,
)
from harness.ecosystems.python.runtimes.pip import pack_pip
from harness.ecosystems.python.runtimes.system import System
from harness.errors import HarnessError, RuntimeArchiveError
from harness.stack.bootstrap import Bootstrap, OnLine, quiet, unpack, write_tar
from harness.stack.distro import SUITES, distro_of, find_archive
from harness.stack.image import Image
from harness.storage.store import Store

HOME = "/app/.heroku/python"
"""Where classic Python buildpacks unpack a runtime; the build settings inside it say so too."""

FORMAT = 2
"""Goes up when the same prefix would be packed otherwise."""

ARCHIVES = ("runtime.tar.gz", "runtime.tar.zst", "pip.tar.zst")
"""What is served of a runtime, as `harness.ecosystems.serving.Route.serves` has it."""

_OLDEST = 9
"""Python 3.9 is the oldest whose `compileall` can leave out where it ran."""

_LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|tests?|idlelib|tkinter|turtledemo|site-packages|dist-packages)(/|$)"
    r"|(^|/)(EXTERNALLY-MANAGED|sitecustomize\.py|usercustomize\.py|turtle\.py)$"
    r"|(^|/)config-[^/]*/(?!Makefile$)[^/]+$"
    r"|(^|/)lib-dynload/(_test|_ctypes_test|_xx|xx|_tkinter|nis\.)[^/]*$"
    r"|\.(a|o|pyc|pyo|orig)$"
)

_CHECK = """
import importlib, json, os, site, sys, sysconfig
import ctypes, ensurepip, hashlib, ssl, venv, zlib
folder = sysconfig.get_path("purelib")
expected = os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2])
packages = os.path.join(expected, "site-packages")
assert os.path.dirname(os.__file__) == expected, ("stdlib", os.__file__)
assert folder == sysconfig.get_path("platlib") == packages, ("sysconfig", folder)
assert packages in sys.path, ("sys.path", sys.path)
assert site.getsitepackages()[0] == packages, ("site", site.getsitepackages())
assert not [p for p in sys.path if not p.startswith(sys.prefix)], ("sys.path", sys.path)
if sys.version_info < (3, 12):
    import warnings
    warnings.simplefilter("ignore")
    from distutils.sysconfig import get_python_lib
    assert get_python_lib() == packages, ("distutils", get_python_lib())
wheels = os.listdir(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
assert [w for w in wheels if w.startswith("pip-%s-" % ensurepip.version())], ("pip", wheels)
for name in sorted(os.listdir(os.path.join(expected, "lib-dynload"))):
    importlib.import_module(name.partition(".")[0])
print("well")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A kept runtime: one tree, as two archives with the prefix's contents at their root, and pip.

    Attributes:
        version: As in `3.11.7`.
        digest: The sha256 of the tar that both compress, in hex.
        origin: Where it was packed from, for people.
        bundled: Shared libraries in its `lib/` that the image lacks. A build finds these, and a
            shared libpython, by `LD_LIBRARY_PATH=<prefix>/lib`, as Heroku's buildpacks set it.
        left_out: Its extension modules that need a newer glibc than the image's, and so are not
            in it: `termios (GLIBC_2.42)`.
        on_demand: Whether it was made because builds asked for it. It counts where they do so, and
            nowhere else.
        gz: `python-X.Y.Z.tar.gz`.
        gz_sha256: Its sha256 in hex.
        zst: `python-X.Y.Z.tar.zst`.
        zst_sha256: Its sha256 in hex.
        pip: `pip-for-X.Y.Z.tar.zst`: the pip whose wheel it brings, unpacked and compiled for it.
        pip_sha256: Its sha256 in hex.
    """

    version: str
    digest: str
    origin: str
    bundled: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    on_demand: bool = False
    gz: Path
    gz_sha256: str
    zst: Path
    zst_sha256: str
    pip: Path
    pip_sha256: str

    @property
    def minor(self) -> str:
        """As in `3.11`."""
        return ".".join(self.version.split(".")[:2])

    def archive(self, kind: str) -> tuple[Path, str]:
        """The file, and its sha256, that a route serves: see `harness.ecosystems.serving.Route`."""
        return {
            "runtime.tar.gz": (self.gz, self.gz_sha256),
            "runtime.tar.zst": (self.zst, self.zst_sha256),
            "pip.tar.zst": (self.pip, self.pip_sha256),
        }[kind]


def pack_runtime(
    prefix: Path,
    store: Store,
    *,
    image: Image | None = None,
    root: Path = Path("/"),
    minor: str | None = None,
    origin: str = "",
    on_demand: bool = False,
) -> Runtime:
    """Packs an installed CPython and keeps the archives.

    The packed tree is run before it is kept: with the image's libraries where there is an image,
    else with those of its own system.

    Args:
        prefix: A prefix (`/usr`, `/usr/local`, one of a version manager's) or an executable.
        store: Where the archives are kept.
        image: The image that builds run in; what its system lacks is bundled.
        root: The root of the system that the prefix belongs to.
        minor: As in `3.11`, where a prefix has several.
        origin: Where it comes from, for people; the prefix where empty.
        on_demand: Whether it counts only where builds ask for it.

    Raises:
        RuntimeArchiveError: The prefix cannot be packed, or what was packed does not run.
        StoreError: The store cannot be written.
    """
    interpreter = read_interpreter(prefix, root=root, minor=minor)
    if int(interpreter.minor.partition(".")[2]) < _OLDEST:
        raise RuntimeArchiveError(
            f"{prefix} is Python {interpreter.version}, which is too old to be packed",
            hint=f"pack a Python 3.{_OLDEST} or newer",
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
                "origin": origin or str(prefix),
                "bundled": bundled,
                "left_out": left_out,
                "on_demand": on_demand,
            }
            digest = _keep(store, interpreter, tree, facts)
    except OSError as error:
        raise RuntimeArchiveError(
            f"cannot pack {prefix}: {error}",
            hint="see that it is readable and that the store has room, then try again",
        ) from error
    runtime = next((kept for kept in available_runtimes(store) if kept.digest == digest), None)
    if runtime is None:
        raise RuntimeArchiveError(
            f"the runtime {_name(interpreter.version, digest)} in {store.runtimes} is not whole",
            hint="remove that folder, then run the command again",
        )
    if image is not None:
        _mark(runtime, image).touch()
    return runtime


def lay_out(
    interpreter: Interpreter, tree: Path, *, target: System, wheels: tuple[Path, ...] = ()
) -> tuple[str, ...]:
    """Copies what a runtime needs of an installed CPython to a new folder.

    Returns:
        The names of the shared libraries that were bundled because `target` lacks them.
    """
    stdlib = tree / "lib" / interpreter.stdlib.name
    (tree / "bin").mkdir(parents=True)
    program = tree / "bin" / f"python{interpreter.minor}"
    shutil.copyfile(interpreter.program, program)
    program.chmod(0o755)
    for name in ("python", "python3"):
        (tree / "bin" / name).symlink_to(program.name)
    _copy_tree(interpreter.stdlib, stdlib)
    (stdlib / "site-packages").mkdir()
    for folder in headers(interpreter):
        _copy_tree(folder, tree / "include" / folder.name)
    for library in sorted(interpreter.prefix.glob("lib/libpython*.so*")):
        if re.fullmatch(rf"libpython(3|{re.escape(interpreter.minor)}t?)\.so.*", library.name):
            _copy(library, tree / "lib" / library.name)

    if interpreter.debian:
        stand_alone(stdlib, interpreter)
    bundle = stdlib / "ensurepip" / "_bundled"
    if not list(bundle.glob("pip-*.whl")):
        bundle.mkdir(parents=True, exist_ok=True)
        for wheel in find_wheels(interpreter, wheels):
            shutil.copyfile(wheel, bundle / wheel.name)
    _rewrite_prefix(interpreter, stdlib)
    return _bundle(interpreter, tree, target)


def leave_out(tree: Path, interpreter: Interpreter, target: System) -> tuple[str, ...]:
    """Removes the extension modules of a laid out tree that need a newer glibc than the target's.

    A program that imports one finds that it is not there, as on a Python built without it.

    Returns:
        Their names, with what each needs.
    """
    if target == interpreter.system:
        return ()
    found = []
    for file in sorted((tree / "lib" / interpreter.stdlib.name / "lib-dynload").glob("*.so")):
        needs = target.lacks(file)
        if needs:
            file.unlink()
            found.append(f"{file.name.partition('.')[0]} ({', '.join(needs)})")
    return tuple(found)


def check(tree: Path, *, version: str, system: System) -> None:
    """Runs a packed tree with the libraries of a system.

    Raises:
        RuntimeArchiveError: It does not start there, an extension module does not load, or it
            would install packages elsewhere than into its own site-packages.
    """
    program = tree / "bin" / f"python{'.'.join(version.split('.')[:2])}"
    done = system.run((str(program), "-I", "-B", "-c", _CHECK), (tree / "lib",))
    if done.returncode or done.stdout.strip() != "well":
        lines = done.stderr.strip().splitlines()[-4:] or [f"status {done.returncode}"]
        raise RuntimeArchiveError(
            f"Python {version}, packed, does not work with the system at {system.root}:\n"
            + "\n".join(f"  {line}" for line in lines),
            hint="pack one that was built on an older system, or build an image of a newer suite "
            "(cache-harness image build --suite NAME)",
        )


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
        ImageError: The packages cannot be had.
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
            root / "usr",
            store,
            image=image,
            root=root,
            minor=minor or None,
            origin=f"{name} {suite}".strip(),
            on_demand=on_demand,
        )


def available_runtimes(store: Store) -> tuple[Runtime, ...]:
    """Every kept runtime, newest version first; of one version the one packed last comes first."""
    found: list[tuple[Version, float, Runtime]] = []
    for file in store.runtimes.glob("*/runtime.json"):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                continue
            version = str(facts["version"])
            runtime = Runtime(
                version=version,
                digest=str(facts["digest"]),
                origin=str(facts["origin"]),
                bundled=tuple(map(str, facts["bundled"])),
                left_out=tuple(map(str, facts.get("left_out", ()))),
                on_demand=bool(facts.get("on_demand", False)),
                gz=file.parent / f"python-{version}.tar.gz",
                gz_sha256=str(facts["gz"]),
                zst=file.parent / f"python-{version}.tar.zst",
                zst_sha256=str(facts["zst"]),
                pip=file.parent / f"pip-for-{version}.tar.zst",
                pip_sha256=str(facts["pip"]),
            )
            packed = file.stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if all(each.is_file() for each in (runtime.gz, runtime.zst, runtime.pip)):
            found.append((_order(version), packed, runtime))
    return tuple(runtime for *_, runtime in sorted(found, key=lambda f: f[:2], reverse=True))


def ensure_runtimes(
    store: Store, image: Image, *, wanted: int = 3, least: int = 2, on_line: OnLine = quiet
) -> tuple[Runtime, ...]:
    """Runtimes of different minor versions that work in an image, packed now where none is kept.

    Taken are the image's own Python, then those of other suites of its distribution,
    then the host's: nothing need be installed for it.

    Args:
        store: Where they are kept.
        image: The image that builds run in.
        wanted: How many minor versions to aim for.
        least: How many there must be.
        on_line: Called with each line of progress.

    Returns:
        One runtime of each minor version, newest first.

    Raises:
        RuntimeArchiveError: There are fewer than `least`; it says why each candidate failed.
    """
    with packing(store):
        return _ensure(store, image, wanted, least, on_line)


@contextmanager
def packing(store: Store) -> Iterator[None]:
    """Holds the kept runtimes: of workers that come at once, one packs, and the others find what
    it packed.

    Raises:
        RuntimeArchiveError: The store cannot be written.
    """  # noqa: D205
    try:
        store.runtimes.mkdir(parents=True, exist_ok=True)
        with FileLock(store.runtimes / ".lock"):
            yield
    except OSError as error:
        raise RuntimeArchiveError(
            f"cannot keep runtimes in {store.runtimes}: {error}",
            hint="free some room, or choose another folder with --store DIR",
        ) from error


def _ensure(
    store: Store, image: Image, wanted: int, least: int, on_line: OnLine
) -> tuple[Runtime, ...]:
    """Takes the kept runtimes and packs more, one candidate after the other."""
    chosen: dict[str, Runtime] = {}
    failures: list[str] = []
    for runtime in available_runtimes(store):
        if runtime.on_demand:
            continue
        if runtime.minor not in chosen and works(runtime, image):
            chosen[runtime.minor] = runtime
    for name, pack in _candidates(store, image, on_line):
        if len(chosen) >= wanted:
            break
        try:
            packed = pack(frozenset(chosen))
        except HarnessError as error:
            failures.append(f"{name}: {error.message}")
            on_line(f"{name}: {error.message.splitlines()[0]}")
            continue
        if packed is not None:
            on_line(f"packed Python {packed.version} of {name}")
            chosen.setdefault(packed.minor, packed)
    if len(chosen) < least:
        raise RuntimeArchiveError(
            f"{least} minor versions of Python are needed, and there are {len(chosen)}:\n"
            + "\n".join(f"  {failure}" for failure in failures),
            hint="pack another CPython: cache-harness runtime pack PREFIX",
        )
    return tuple(sorted(chosen.values(), key=lambda r: _order(r.version), reverse=True))


Pack = Callable[[frozenset[str]], Runtime | None]


def _candidates(store: Store, image: Image, on_line: OnLine) -> Iterator[tuple[str, Pack]]:
    """Where more Pythons may come from; each is packed unless its minor version is there."""

    def from_image(there: frozenset[str]) -> Runtime | None:
        minors = installed_minors(image.rootfs / "usr")
        if not minors or minors[-1] in there:
            return None
        return pack_runtime(
            image.rootfs / "usr", store, image=image, root=image.rootfs, origin=image.tag
        )

    yield "the image", from_image

    family = distro_of(image.suite)
    for suite in SUITES.get(family or "", ()):
        if suite != image.suite:
            yield (
                suite,
                lambda _there, suite=suite: suite_runtime(  # type: ignore[misc]
                    store, suite, image=image, on_line=on_line
                ),
            )

    for prefix in host_prefixes():
        for minor in reversed(installed_minors(prefix)):

            def from_host(
                there: frozenset[str], prefix: Path = prefix, minor: str = minor
            ) -> Runtime | None:
                if minor in there or int(minor.partition(".")[2]) < _OLDEST:
                    return None
                return pack_runtime(prefix, store, image=image, minor=minor)

            yield f"{prefix} (Python {minor})", from_host


def works(runtime: Runtime, image: Image) -> bool:
    """Whether a kept runtime works in an image; that it does is remembered beside it."""
    mark = _mark(runtime, image)
    if mark.exists():
        return True
    with tempfile.TemporaryDirectory(prefix="cache-harness-") as folder:
        tree = Path(folder)
        unpack(runtime.gz, tree)
        try:
            check(tree, version=runtime.version, system=System(root=image.rootfs))
        except RuntimeArchiveError:
            return False
    mark.touch()
    return True


def _mark(runtime: Runtime, image: Image) -> Path:
    return runtime.zst.parent / f"works-in-{image.digest[:12]}"


def _image_wheels(image: Image | None) -> tuple[Path, ...]:
    folder = "usr/share/python-wheels"
    return (*((image.rootfs / folder,) if image else ()), Path("/", folder))


def _copy_tree(source: Path, target: Path) -> None:
    """Copies a folder less what a runtime does not need; links that lead out become files."""
    for folder, names, files in os.walk(source):
        inside = Path(folder).relative_to(source)
        names[:] = [name for name in names if not _left_out(inside / name)]
        (target / inside).mkdir(parents=True, exist_ok=True)
        for name in (*files, *(n for n in names if (Path(folder) / n).is_symlink())):
            if not _left_out(inside / name):
                _copy(Path(folder) / name, target / inside / name)


def _left_out(path: Path) -> bool:
    return _LEFT_OUT.search(path.as_posix()) is not None


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        link = source.readlink()
        if len(link.parts) == 1 and link.name != source.name:
            target.unlink(missing_ok=True)
            target.symlink_to(link)
            return
    if source.is_file():
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _rewrite_prefix(interpreter: Interpreter, stdlib: Path) -> None:
    """Writes `HOME` where the build settings name the prefix that Python was configured with."""
    own = re.compile(rf"/usr/(lib|include)/(python{re.escape(interpreter.minor)})\b")
    for file in (*stdlib.glob("_sysconfigdata*.py"), *stdlib.glob("config-*/Makefile")):
        if file.is_symlink():
            continue
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        configured = re.search(r"(?m)^(?:\s*'prefix': '|prefix=\s*)(/[^'\s]*)", text)
        named = {str(interpreter.prefix), configured[1] if configured else ""} - {"", "/"}
        for prefix in sorted(named, key=len, reverse=True):
            if prefix == "/usr":
                # Much of the system is below it; only Python's own folders move.
                text = own.sub(rf"{HOME}/\1/\2", text)
            else:
                text = re.sub(rf"{re.escape(prefix)}(?![\w.-])", HOME, text)
        file.write_text(text, encoding="utf-8", errors="surrogateescape")


def _bundle(interpreter: Interpreter, tree: Path, target: System) -> tuple[str, ...]:
    """Copies the shared libraries that the target lacks into `lib/`, and names them.

    An extension module whose library is missing where Python was installed cannot be loaded
    there either, and is left out.
    """
    dynload = tree / "lib" / f"python{interpreter.minor}" / "lib-dynload"
    originals = {
        extension: interpreter.stdlib / "lib-dynload" / extension.name
        for extension in sorted(dynload.glob("*.so"))
    }
    programs = (interpreter.program, *sorted(interpreter.prefix.glob("lib/libpython3*.so.*")))
    own = {library.name for library in (tree / "lib").glob("*.so*")}
    missing: dict[str, Path] = {}
    for copy, original in (*((None, program) for program in programs), *originals.items()):
        links = interpreter.system.links(original)
        if copy is not None and None in links.values() and not set(links) <= own:
            unknown = [name for name, path in links.items() if path is None and name not in own]
            if unknown:
                copy.unlink()
                continue
        for name, path in links.items():
            foreign = target != interpreter.system
            wanted = foreign or (path is not None and path.is_relative_to(interpreter.prefix))
            if path and wanted and name not in own and not target.has_library(name):
                missing[name] = path
    for name, path in missing.items():
        shutil.copyfile(path, tree / "lib" / name)
        (tree / "lib" / name).chmod(0o644)
    return tuple(sorted(missing))


def _compile(interpreter: Interpreter, tree: Path) -> None:
    """Compiles the standard library, as a runtime's maker does: a build then need not, and leaves
    no trace there of which modules it happened to import."""  # noqa: D205, D209
    compile_folder(
        tree / "lib" / f"python{interpreter.minor}",
        root=tree,
        place=HOME,
        marker="__pycache__/os.*.pyc",
        program=tree / "bin" / f"python{interpreter.minor}",
        system=interpreter.system,
        called=f"the standard library of {interpreter.prefix}",
    )


def _keep(store: Store, interpreter: Interpreter, tree: Path, facts: dict[str, object]) -> str:
    """Writes the archives into the store with what is told of them, where the same bytes are not
    there yet."""  # noqa: D205, D209
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


def _order(version: str) -> Version:
    return Version(version)
