"""What a CPython laid out by Debian needs to be one that stands by itself."""

import re
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness.ecosystems.python.runtimes.interpreter import Interpreter
from harness.errors import RuntimeArchiveError

# `site` is frozen into the interpreter from 3.11 on, so patching it has no effect; but it reads the
# .pth files of the one site folder that it knows in any prefix, and a line of those may import.
_SITE = '''"""Makes site-packages of this prefix the folder for installed packages."""

import os
import site
import sys


def getsitepackages(prefixes=None):
    """The folders for installed packages below each prefix."""
    name = "python%d.%d" % sys.version_info[:2]
    chosen = site.PREFIXES if prefixes is None else prefixes
    return [
        os.path.join(prefix, libdir, name, "site-packages")
        for prefix in dict.fromkeys(chosen)
        if prefix
        for libdir in dict.fromkeys((sys.platlibdir, "lib"))
    ]


site.getsitepackages = getsitepackages
_packages = getsitepackages()
sys.path[:] = [path for path in sys.path if os.path.basename(path) != "dist-packages"]
for _folder in _packages:
    site.addsitedir(_folder)
'''

# The functions after it take their default scheme from it while the module is read.
_CHOICE = "\ndef get_preferred_scheme("
_PREFERRED = """
def _get_preferred_schemes():
    return {"prefix": "posix_prefix", "home": "posix_home", "user": "posix_user"}

"""
_NO_SCHEMES = """

for _name in ("deb_system", "posix_local"):
    _INSTALL_SCHEMES.pop(_name, None)
del _name
"""

_ENSUREPIP = '''"""Installs the wheels that lie beside this file."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["bootstrap", "version"]


def _wheels():
    return sorted(Path(__file__).with_name("_bundled").glob("*.whl"))


def version():
    """The version of the bundled pip."""
    return next(wheel.name.split("-")[1] for wheel in _wheels() if wheel.name.startswith("pip-"))


def bootstrap(*, root=None, upgrade=False, user=False, altinstall=False, default_pip=False,
              verbosity=0):
    """Installs pip (and what else is bundled) into this Python, or below root."""
    if altinstall and default_pip:
        raise ValueError("Cannot use altinstall and default_pip together")
    _bootstrap(root=root, upgrade=upgrade, user=user, altinstall=altinstall,
               default_pip=default_pip, verbosity=verbosity)


def _bootstrap(*, root=None, upgrade=False, user=False, altinstall=False, default_pip=False,
               verbosity=0):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull
    if altinstall or not default_pip:
        environment["ENSUREPIP_OPTIONS"] = "altinstall" if altinstall else "install"
    wheels = [str(wheel) for wheel in _wheels()]
    pip = next(wheel for wheel in wheels if os.path.basename(wheel).startswith("pip-"))
    command = [sys.executable, "-W", "ignore::DeprecationWarning"]
    command += ["-I"] if sys.flags.isolated else []
    command += [os.path.join(pip, "pip"), "install", "--no-cache-dir", "--no-index"]
    command += ["--root", root] if root else []
    command += ["--upgrade"] if upgrade else []
    command += ["--user"] if user else []
    command += ["-" + "v" * verbosity] if verbosity else []
    return subprocess.run(command + wheels, env=environment, check=True).returncode


def _main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m ensurepip")
    parser.add_argument("--version", action="version", version="pip " + version())
    parser.add_argument("-v", "--verbose", action="count", default=0, dest="verbosity")
    parser.add_argument("-U", "--upgrade", action="store_true")
    parser.add_argument("--user", action="store_true")
    parser.add_argument("--root")
    parser.add_argument("--altinstall", action="store_true")
    parser.add_argument("--default-pip", action="store_true")
    return _bootstrap(**vars(parser.parse_args(argv)))
'''


def stand_alone(stdlib: Path, interpreter: Interpreter) -> None:
    """Mends a copy of Debian's standard library, in place, so that it installs into its own prefix.

    Args:
        stdlib: The copy, `lib/python3.N` of the new prefix.
        interpreter: Where it was copied from.

    Raises:
        RuntimeArchiveError: A file is not as Debian is known to write it.
    """
    (stdlib / "_prefix_site.py").write_text(_SITE, encoding="utf-8")
    known = stdlib / "dist-packages"
    known.mkdir()
    (known / "site_packages.pth").write_text("import _prefix_site\n", encoding="utf-8")

    _mend_sysconfig(stdlib, interpreter)
    _mend_distutils(stdlib / "distutils", interpreter)
    (stdlib / "_distutils_system_mod.py").unlink(missing_ok=True)

    ensurepip = stdlib / "ensurepip"
    ensurepip.mkdir(exist_ok=True)
    (ensurepip / "__init__.py").write_text(_ENSUREPIP, encoding="utf-8")
    main_module = "import sys\n\nimport ensurepip\n\nsys.exit(ensurepip._main())\n"
    (ensurepip / "__main__.py").write_text(main_module, encoding="utf-8")
    (ensurepip / "_uninstall.py").unlink(missing_ok=True)


def _mend_sysconfig(stdlib: Path, interpreter: Interpreter) -> None:
    sysconfig = stdlib / "sysconfig.py"
    if not sysconfig.exists():
        sysconfig = stdlib / "sysconfig" / "__init__.py"
    text = sysconfig.read_text(encoding="utf-8")
    if "posix_local" not in text:
        return
    if _CHOICE not in text:
        raise _unknown("sysconfig", interpreter)
    text = text.replace(_CHOICE, _PREFERRED + _CHOICE, 1)
    head, main, tail = text.partition("\nif __name__ == '__main__':")
    sysconfig.write_text(head + _NO_SCHEMES + main + tail, encoding="utf-8")


def _unknown(module: str, interpreter: Interpreter) -> RuntimeArchiveError:
    return RuntimeArchiveError(
        f"{module} of Python {interpreter.version} in {interpreter.stdlib} is not as Debian is "
        "known to change it",
        hint="pack a Python that was built from source or by a version manager",
    )


def _mend_distutils(distutils: Path, interpreter: Interpreter) -> None:
    install = distutils / "command" / "install.py"
    if not install.exists():
        return
    text = install.read_text(encoding="utf-8")
    scheme = "posix_prefix" if 'select_scheme("posix_prefix")' in text else "unix_prefix"
    text, schemes = re.subn(
        r'select_scheme\("(unix|posix)_local"\)', f'select_scheme("{scheme}")', text
    )
    sysconfig = distutils / "sysconfig.py"
    lines, defaults = re.subn(
        r"(?m)^(\s*)is_default_prefix = .*$",
        r"\1is_default_prefix = False",
        sysconfig.read_text(encoding="utf-8"),
    )
    if not schemes or not defaults:
        raise _unknown("distutils", interpreter)
    text += (
        '\nfor _name in ("unix_local", "posix_local", "deb_system"):\n'
        "    INSTALL_SCHEMES.pop(_name, None)\ndel _name\n"
    )
    install.write_text(text, encoding="utf-8")
    sysconfig.write_text(lines, encoding="utf-8")


def headers(interpreter: Interpreter) -> tuple[Path, ...]:
    """The folders with its C headers, the machine's own last: these take precedence."""
    name = f"python{interpreter.minor}"
    include = interpreter.prefix / "include"
    return (include / name, *sorted(include.glob(f"*-linux-gnu*/{name}")))


def find_wheels(interpreter: Interpreter, others: tuple[Path, ...]) -> tuple[Path, ...]:
    """The wheels to bundle: pip, and for 3.11 and older setuptools, from one folder.

    Args:
        interpreter: The Python that they are for; its own system's wheels are tried first.
        others: More folders with wheels.

    Raises:
        RuntimeArchiveError: None of the folders has a pip that works by itself on that Python.
    """
    own = interpreter.system.resolve(Path("/usr/share/python-wheels"))
    for folder in (own, *others):
        pips = [wheel for wheel in sorted(folder.glob("pip-*.whl")) if _usable(wheel, interpreter)]
        # An old Debian's pip was cut up into many wheels; such a one cannot be bundled alone.
        whole = [wheel for wheel in pips if _holds(wheel, "pip/_vendor/requests/__init__.py")]
        if whole:
            tools = [
                wheel
                for wheel in sorted(folder.glob("setuptools-*.whl"))
                if _usable(wheel, interpreter) and _minor(interpreter) < 12
            ]
            return (whole[-1], *tools[-1:])
    raise RuntimeArchiveError(
        f"no wheel of pip for Python {interpreter.version} is available",
        hint="apt-get install python3-venv, or first make the stack image: "
        "cache-harness image build",
    )


def _minor(interpreter: Interpreter) -> int:
    return int(interpreter.minor.partition(".")[2])


def _holds(wheel: Path, name: str) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return name in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _usable(wheel: Path, interpreter: Interpreter) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
        return SpecifierSet(metadata.get("Requires-Python") or "").contains(
            interpreter.version, prereleases=True
        )
    except (OSError, zipfile.BadZipFile, StopIteration, InvalidSpecifier):
        return False
