"""What a runtime holds of an installed CPython, laid out in a folder of its own."""

import os
import re
import shutil
from pathlib import Path

from harness.ecosystems.python.runtimes.debian import find_wheels, headers, stand_alone
from harness.ecosystems.python.runtimes.interpreter import Interpreter
from harness.ecosystems.python.runtimes.system import System

HOME = "/app/.heroku/python"
"""Where classic Python buildpacks unpack a runtime; the build settings inside it say so too."""

_LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|tests?|idlelib|tkinter|turtledemo|site-packages|dist-packages)(/|$)"
    r"|(^|/)(EXTERNALLY-MANAGED|sitecustomize\.py|usercustomize\.py|turtle\.py)$"
    r"|(^|/)config-[^/]*/(?!Makefile$)[^/]+$"
    r"|(^|/)lib-dynload/(_test|_ctypes_test|_xx|xx|_tkinter|nis\.)[^/]*$"
    r"|\.(a|o|pyc|pyo|orig)$"
)


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
