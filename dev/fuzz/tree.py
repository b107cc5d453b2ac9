"""A tree as a build leaves it: real wheels, compiled in each way, checkouts, data, an app."""

import json
import os
import py_compile
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.ecosystems.python.tools.single import fetch_tool
from harness.storage.store import Store

# Those that are for every Python, since what is kept of them is shared by all.
WHEELS: Final = (
    "packaging==24.2", "idna==3.10", "certifi==2024.8.30", "urllib3==2.2.3", "click==8.1.7",
    "jinja2==3.1.4", "six==1.16.0", "requests==2.32.3", "whitenoise==6.8.2",
    "itsdangerous==2.2.0", "zipp==3.21.0", "colorama==0.4.6",
)  # fmt: skip

PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
TAG: Final = sys.implementation.cache_tag
PREFIX: Final = ".heroku/python"
LIBRARY: Final = f"{PREFIX}/lib/{PYTHON}"
SITE: Final = f"{LIBRARY}/site-packages"
CHECKOUT: Final = ".heroku/src/forms"
SUBMODULE: Final = f"{CHECKOUT}/vendor/theme"

VENV: Final = "venv/pyvenv.cfg"

BUILD: Final = "/tmp/build_1"  # noqa: S108 - a name in files
EARLIER: Final = "/tmp/build_0"  # noqa: S108
"""The build dirs of the tree's build and of one before it."""

VENV_LINES: Final = (
    f"home = {BUILD}/.heroku/python/bin",
    "include-system-site-packages = false",
    f"executable = {BUILD}/.heroku/python/bin/python",
    f"command = {BUILD}/.heroku/python/bin/python -m venv {BUILD}/venv",
)
TIME: Final = 1_700_000_000
"""When all files were modified, in seconds since the epoch."""
CAPABILITY: Final = bytes.fromhex("0100000200200000000000000000000000000000")
"""CAP_NET_RAW, as the kernel keeps it."""

_HASHED: Final = {
    "requests": py_compile.PycInvalidationMode.CHECKED_HASH,
    "click": py_compile.PycInvalidationMode.UNCHECKED_HASH,
}
_TIMED: Final = py_compile.PycInvalidationMode.TIMESTAMP


def make(root: Path, *, store: Store) -> None:
    """Makes the tree in a new folder.

    Args:
        root: The folder.
        store: Where wheels are kept; what is missing is fetched from the operator's index.

    Raises:
        ReleaseError: A wheel cannot be fetched.
    """
    (root / SITE).mkdir(parents=True)
    _install(root, store)
    _library(root)
    _checkout(root)
    _editable(root)
    _from_git(root)
    _by_uv(root)
    _data(root)
    _app(root)
    _unlike(root)
    for path in sorted(root.rglob("*")):
        if not path.is_symlink():
            os.utime(path, (TIME, TIME))
    _compile(root)
    _attributes(root)


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Writes a file and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


def record_line(name: str, content: bytes) -> str:
    """A line of RECORD that is true of a file."""
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"


def _install(root: Path, store: Store) -> None:
    wheels = [fetch_tool(pin, store=store).files[0].path for pin in WHEELS]
    pin = next(pin for pin in BASE_TOOLS if pin.startswith("pip=="))
    pip = fetch_tool(pin, store=store).files[0].path
    command = (
        sys.executable, f"{pip}/pip", "install", "--quiet", "--no-index", "--no-deps",
        "--no-compile", "--ignore-installed", "--no-warn-script-location",
        "--disable-pip-version-check", f"--prefix={root / PREFIX}", *map(str, wheels),
    )  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name[:4] != "PIP_"}
    subprocess.run(command, check=True, env=environment)


def _library(root: Path) -> None:
    """Some of the standard library, and an interpreter of a few bytes."""
    own = Path(json.__file__).parent.parent
    for name in ("json", "html", "wsgiref"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(own / name, root / LIBRARY / name, ignore=ignored)
    for name in ("ast.py", "bisect.py", "this.py"):
        shutil.copyfile(own / name, root / LIBRARY / name)
    programs = root / PREFIX / "bin"
    write(programs / PYTHON, b"\x7fELF" + bytes(range(256)) * 40, 0o755)
    (programs / "python3").symlink_to(PYTHON)
    (programs / "python").symlink_to("python3")
    write(root / PREFIX / "include" / PYTHON / "pyconfig.h", "#define HAVE_FORK 1\n")
    write(root / PREFIX / "lib/pkgconfig/python3.pc", f"prefix={BUILD}/{PREFIX}\n")


def git(folder: Path, *arguments: str) -> str:
    """What git says, with no settings but the repository's own."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C",
        "GIT_AUTHOR_DATE": f"{TIME} +0000", "GIT_COMMITTER_DATE": f"{TIME} +0000",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.invalid",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.invalid",
    }  # fmt: skip
    settings = (
        "-c", "protocol.file.allow=always", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
        "-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false",
    )  # fmt: skip
    done = subprocess.run(
        ("git", "-C", str(folder), *settings, *arguments),
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode("utf-8", "surrogateescape")


def _checkout(root: Path) -> None:
    """A clone with packed and loose objects, branches, tags and a submodule."""
    away = root.parent / f"{root.name}-forks"
    theme, forms = away / "theme", away / "forms"
    # Names that do not hold the place, so that objects are the same in each run.
    host = "https://git.example.invalid/"
    here_for = ("-c", f"url.{away}/.insteadOf={host}")
    for fork in (theme, forms):
        fork.mkdir(parents=True)
        git(fork, "init", "--quiet")
    write(theme / "theme.css", "body { color: black }\n")
    _commit(theme, "Begin")
    write(forms / "forms/__init__.py", "VERSION = 1\n")
    write(forms / "forms/fields.py", "def field(name):\n    return name.upper()\n")
    write(forms / "forms/templates/field.html", "<input>\n")
    write(forms / "setup.py", "from setuptools import setup\nsetup(name='forms')\n")
    write(forms / ".gitignore", "__pycache__/\n*.egg-info/\n")
    _commit(forms, "Begin")
    git(forms, *here_for, "submodule", "--quiet", "add", f"{host}theme", "vendor/theme")
    _commit(forms, "Add the theme")
    git(forms, "tag", "v1")
    git(forms, "branch", "old")
    write(forms / "forms/fields.py", "def field(name):\n    return name.lower()\n")
    _commit(forms, "Bump")
    git(forms, "tag", "-a", "v2", "-m", "v2")
    git(forms, "gc", "--quiet")
    here = root / CHECKOUT
    here.parent.mkdir(parents=True, exist_ok=True)
    git(root, *here_for, "clone", "--quiet", "--recurse-submodules", f"{host}forms", str(here))
    # Loose objects and references beside the packed ones.
    write(here / "forms/fields.py", "def field(name):\n    return name.strip().lower()\n")
    _commit(here, "Strip")
    git(here, "branch", "other", "HEAD~1")
    git(here, "tag", "v3")
    git(here, "pack-refs", "--all")
    git(here, "branch", "topic", "HEAD~2")
    git(here, "tag", "v4", "HEAD~1")
    # Nothing leads to it.
    (root / "loose").write_text("unreachable\n")
    git(here, "hash-object", "-w", str(root / "loose"))
    (root / "loose").unlink()
    write(here / "forms.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: forms\nVersion: 1.0\n")
    shutil.rmtree(away)


def _commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def _distribution(root: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """The metadata of a distribution, with its RECORD."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    held = {
        **{path: content for path, content in files.items() if "/" in path},
        **{f"{info}/{path}": content for path, content in files.items() if "/" not in path},
        f"{info}/INSTALLER": b"pip\n",
        f"{info}/METADATA": metadata.encode(),
    }
    lines = [record_line(path, content) for path, content in held.items()]
    for path, content in held.items():
        write(root / SITE / path, content)
    write(root / SITE / info / "REQUESTED", "")
    write(root / SITE / info / "RECORD", "\n".join([*lines, f"{info}/RECORD,,"]) + "\n")


def _editable(root: Path) -> None:
    url = {"url": f"file://{BUILD}/{CHECKOUT}", "dir_info": {"editable": True}}
    write(root / SITE / "__editable__.forms-1.0.pth", f"{BUILD}/{CHECKOUT}\n")
    _distribution(root, "forms", "1.0", {"direct_url.json": json.dumps(url).encode()})


def _from_git(root: Path) -> None:
    url = {
        "url": "https://git.example.invalid/badge.git",
        "vcs_info": {"vcs": "git", "commit_id": "1" * 40, "requested_revision": "main"},
        "subdirectory": "python",
    }
    files = {
        "direct_url.json": json.dumps(url).encode(),
        "badge/__init__.py": b"TEXT = 'badge'\nNUMBERS = {1, 2, 3}\n",
        "badge/data/badge.svg": b"<svg/>\n",
        "badge/real.py": b"def real():\n    return 1\n",
    }
    _distribution(root, "badge", "2.0", files)
    (root / SITE / "badge/alias.py").symlink_to("real.py")


def _by_uv(root: Path) -> None:
    url = {"url": f"file://{BUILD}/vendor/wheel", "dir_info": {}}
    stamp = {"secs_since_epoch": TIME, "nanos_since_epoch": 7}
    noted = {"timestamp": stamp, "commit": "2" * 40, "tags": None, "env": {"A": "1"},
             "directories": {"src": stamp}}  # fmt: skip
    files = {
        "direct_url.json": json.dumps(url).encode(),
        "uv_cache.json": json.dumps(noted).encode(),
        "wheely/__init__.py": b"import wheely.inner\n",
        "wheely/inner.py": b"PATH = '/tmp/build_1/data'\n",
    }
    _distribution(root, "wheely", "3.0", files)


def _data(root: Path) -> None:
    prefix = root / PREFIX
    write(prefix / "share/badge/badge.conf", "colour = black\n")
    write(prefix / "share/man/man1/badge.1", ".TH badge\n")
    write(prefix / "etc/badge/badge.ini", "[badge]\nsize = 1\n")
    (prefix / "share/empty").mkdir()
    write(prefix / "bin/badge", f"#!{BUILD}/{PREFIX}/bin/python\nprint(1)\n", 0o755)


def _app(root: Path) -> None:
    write(root / ".profile.d/python.sh", f'export PATH="$HOME/{PREFIX}/bin:$PATH"\n')
    write(root / "Procfile", "web: python app.py\n")
    write(root / "requirements.txt", "badge==2.0\n")
    write(root / "app.py", "from badge import TEXT\nprint(TEXT)\n")
    write(root / "manage.py", "#!/usr/bin/env python\nprint(2)\n", 0o755)
    for name in ("style.css", "script.js", "style.0a1b2c.css"):
        write(root / "staticfiles" / name, f"/* {name} */\n" * 200)
    write(root / "staticfiles/staticfiles.json", '{"paths": {"style.css": "style.0a1b2c.css"}}\n')
    write(root / "large.bin", bytes(range(256)) * 2000)
    write(root / "empty.txt", "")
    write(root / VENV, "".join(f"{line}\n" for line in VENV_LINES))


def _unlike(root: Path) -> None:
    """Names, links, modes and kinds of files that few trees have."""
    odd = root / "odd"
    odd.mkdir()
    names = (
        b"caf\xc3\xa9.txt", b"cafe\xcc\x81.txt", b"caf\xe9.txt", b"two\nlines", b" space ",
        b"-dash", b"back\\slash", b"Case", b"case",
    )  # fmt: skip
    for name in names:
        write(odd / os.fsdecode(name), name + b"\n")
    for mode in (0o600, 0o400, 0o755, 0o4755, 0o2755, 0o666, 0o640):
        write(odd / f"mode-{mode:o}", f"{mode:o}\n", mode)
    (odd / "sticky").mkdir()
    (odd / "sticky").chmod(0o1777)
    (odd / "nothing").mkdir()
    write(odd / "twin-1", "twins\n")
    (odd / "twin-2").hardlink_to(odd / "twin-1")
    (odd / "to-file").symlink_to("../app.py")
    (odd / "to-folder").symlink_to("../staticfiles")
    (odd / "to-nothing").symlink_to("not/there")
    (odd / "absolute").symlink_to(f"{BUILD}/app.py")
    (odd / "circle").symlink_to("circle")
    os.mkfifo(odd / "pipe")
    write(odd / "repository.git/objects/file", "a bare name\n")
    write(root / SITE / "badge/templates/.git/objects/page.html", "<p>no repository</p>\n")


def _compile(root: Path) -> None:
    for source in sorted(root.rglob("*.py")):
        path = source.relative_to(root)
        if path.parts[0] == "odd" or path.name == "setup.py":
            continue
        mode = next((_HASHED[part] for part in path.parts if part in _HASHED), _TIMED)
        compiled(root, str(path), mode)
        if "zipp" in path.parts:
            compiled(root, str(path), mode, optimize=1)
    # Without a source: of use where a source would lie, of none in a __pycache__.
    exc = root / SITE / "itsdangerous/exc.py"
    for place in ("sourceless/__init__.pyc", "sourceless/core.pyc",
                  f"sourceless/__pycache__/lost.{TAG}.pyc", "itsdangerous/exc.pyc"):  # fmt: skip
        (root / SITE / place).parent.mkdir(parents=True, exist_ok=True)
        py_compile.compile(
            str(exc), cfile=str(root / SITE / place), dfile=f"{BUILD}/{SITE}/itsdangerous/exc.py",
            doraise=True, invalidation_mode=_TIMED,
        )  # fmt: skip
    # Outdated: the source was modified since.
    for name in ("itsdangerous/url_safe.py", "itsdangerous/timed.py"):
        os.utime(root / SITE / name, (TIME + 60, TIME + 60))


def compiled(
    root: Path, source: str, mode: py_compile.PycInvalidationMode, *, optimize: int = 0
) -> None:
    """Compiles a source of the tree, as a build in `BUILD` would."""
    folder, _, name = source.rpartition("/")
    level = f".opt-{optimize}" if optimize else ""
    cache = root / folder / "__pycache__" / f"{name.removesuffix('.py')}.{TAG}{level}.pyc"
    py_compile.compile(
        str(root / source), cfile=str(cache), dfile=f"{BUILD}/{source}", doraise=True,
        optimize=optimize, invalidation_mode=mode,
    )  # fmt: skip


def _attributes(root: Path) -> None:
    """Extended attributes, as far as there are any here."""
    with suppress(OSError):
        os.setxattr(root / "app.py", "user.note", b"one")
        os.setxattr(root / "staticfiles", "user.note", b"one")
        os.setxattr(root / PREFIX / "bin" / PYTHON, "security.capability", CAPABILITY)
