"""Releases for the sealed index, built from forks: an sdist and a wheel with reproducible bytes."""

import hashlib
import io
import json
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

from packaging.utils import canonicalize_name

from harness.ecosystems.python import build_hooks
from harness.errors import ReleaseError
from harness.internet import Release, ReleaseFile
from harness.internet.archives import EPOCH, Member, tar_gz, zip_stored
from harness.sandboxes import End, Job, Limits, Mount, Sandbox
from harness.scenarios.tree import File, Tree, digest, write_tree
from harness.storage.store import Store

FORMAT = 1
SECONDS = 300
PLACE = "/release"
ENV = (
    ("HOME", "/tmp"),  # noqa: S108 - the sandbox's own
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONHASHSEED", "0"),
    ("SOURCE_DATE_EPOCH", str(EPOCH)),
    ("TMPDIR", "/tmp"),  # noqa: S108 - the sandbox's own
    ("TZ", "UTC"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """The `[build-system]` table of a project (PEP 518, PEP 517)."""

    requires: tuple[str, ...] = ("setuptools>=40.8.0", "wheel")
    backend: str = "setuptools.build_meta:__legacy__"
    path: tuple[str, ...] = ()


def build_release(
    tree: Tree,
    *,
    label: str,
    tools: tuple[Release, ...],
    store: Store,
    sandbox: Sandbox,
    scratch: Path,
) -> Release:
    """Returns a project's release, building it unless it is kept from an earlier time.

    The build's hooks are code under test: they run in the sandbox, without any network, and find
    only the given tools.

    Args:
        tree: The project, a `pyproject.toml` or a `setup.py` at its root.
        label: What an error calls it, such as `forms@fixed`.
        tools: What its build may require, and pip.
        store: Where it is kept, by the digest of tree, tools and recipe.
        sandbox: Its image must have `python3`, 3.8 or newer.
        scratch: An existing folder for the work.

    Raises:
        ReleaseError: The project does not build, or what it builds is no release.
    """
    key = hashlib.sha256(
        json.dumps(
            [FORMAT, digest(tree), sorted(file.sha256 for tool in tools for file in tool.files)]
        ).encode()
    ).hexdigest()
    final = store.releases / key
    if not final.is_dir():
        with (
            store.staged(final) as staging,
            tempfile.TemporaryDirectory(prefix="release-", dir=scratch) as work,
        ):
            out = _build(tree, label, tools, sandbox, Path(work))
            _keep(out, staging, label)
    return _kept(final)


def _build(
    tree: Tree, label: str, tools: tuple[Release, ...], sandbox: Sandbox, work: Path
) -> Path:
    pip = [f for tool in tools if canonicalize_name(tool.project) == "pip" for f in tool.files]
    if not pip:
        raise ReleaseError(
            f"{label} cannot be built without pip among the build tools", hint="add pip==VERSION"
        )
    system = read_build_system(tree, label)
    source, out = work / "source", work / "out"
    out.mkdir()
    write_tree(tree, source)
    spec = {
        "requires": system.requires,
        "backend": system.backend,
        "path": system.path,
        "source": f"{PLACE}/source",
        "tools": f"{PLACE}/tools",
        "pip": f"{PLACE}/tools/{pip[-1].name}",
        "out": f"{PLACE}/out",
    }
    wheels = {file.name: file.path for tool in tools for file in tool.files}
    job = Job(
        argv=("python3", f"{PLACE}/build_hooks.py", "build", json.dumps(spec)),
        env=ENV,
        mounts=(
            Mount(source=Path(build_hooks.__file__), target=f"{PLACE}/build_hooks.py"),
            Mount(source=source, target=f"{PLACE}/source"),
            Mount(source=out, target=f"{PLACE}/out", writable=True),
            *(Mount(source=p, target=f"{PLACE}/tools/{name}") for name, p in wheels.items()),
        ),
        limits=Limits(seconds=SECONDS),
    )
    log = bytearray()
    outcome = sandbox.run(job, on_output=log.extend)
    if outcome.end is not End.EXITED or outcome.status:
        lines = log.decode(errors="backslashreplace").strip().splitlines()[-12:]
        how = f"status {outcome.status}" if outcome.end is End.EXITED else f"its {outcome.end}"
        raise ReleaseError(
            f"the release of {label} does not build ({how}); the log ends:\n"
            + "\n".join(f"  {line}" for line in lines),
            hint="build the fixture by hand with `python -m build`; the harness offers its build"
            f" only {', '.join(f'{tool.project} {tool.version}' for tool in tools)}",
        )
    return out


def read_build_system(tree: Tree, label: str) -> BuildSystem:
    """Returns what a tree's `pyproject.toml` says of its build, or what the standard assumes.

    Raises:
        ReleaseError: The file is no TOML, or the table is not as PEP 518 has it.
    """
    file = tree.entries.get("pyproject.toml")
    if not isinstance(file, File):
        return BuildSystem()
    where = f"{label}'s pyproject.toml"
    try:
        table = tomllib.loads(file.data.decode()).get("build-system")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReleaseError(f"{where}: {error}", hint="mend the fixture") from error
    if table is None:
        return BuildSystem()
    assumed = BuildSystem()
    table = table if isinstance(table, dict) else {}
    requires, path = _strings(table.get("requires")), _strings(table.get("backend-path", []))
    backend = table.get("build-backend", assumed.backend)
    if requires is None or path is None or not isinstance(backend, str):
        raise ReleaseError(
            f"{where}: [build-system] is not as PEP 518 has it: `requires` and `backend-path` are"
            " lists of strings, `build-backend` is a string",
            hint="mend the fixture",
        )
    return BuildSystem(requires=requires, backend=backend, path=path)


def _strings(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _keep(out: Path, staging: Path, label: str) -> None:
    """Repacks what was built, and writes `release.json` beside it."""
    wheels, sdists = sorted(out.glob("*.whl")), sorted(out.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        raise ReleaseError(
            f"the build of {label} left {len(wheels)} wheels and {len(sdists)} sdists",
            hint="its backend must build one of each",
        )
    try:
        wheel = repack_wheel(wheels[0].read_bytes())
        sdist = repack_sdist(sdists[0].read_bytes())
        project, version = _identity(wheel)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError, ValueError, OSError) as error:
        raise ReleaseError(
            f"what the build of {label} left cannot be read: {error}", hint="mend the fixture"
        ) from error
    files = {wheels[0].name: wheel, sdists[0].name: sdist}
    for name, data in files.items():
        (staging / name).write_bytes(data)
    record = {
        "project": project,
        "version": version,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    (staging / "release.json").write_text(json.dumps(record, indent=1))


def _kept(folder: Path) -> Release:
    try:
        record = json.loads((folder / "release.json").read_text())
        return Release(
            project=record["project"],
            version=record["version"],
            files=tuple(
                ReleaseFile(name=name, path=folder / name, sha256=sha256)
                for name, sha256 in sorted(record["files"].items())
            ),
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ReleaseError(
            f"cannot read the kept release {folder}: {error}", hint="remove it and try again"
        ) from error


def repack_wheel(data: bytes) -> bytes:
    """Returns a wheel with the same files, sorted, its own metadata last, RECORD at the very end.

    Contents are untouched, so RECORD stays true; times, compression and who packed it are fixed.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        members = [
            Member(
                path=info.filename,
                data=wheel.read(info),
                executable=bool((info.external_attr >> 16) & 0o111),
            )
            for info in wheel.infolist()
            if not info.is_dir()
        ]
    return zip_stored(sorted(members, key=lambda member: _wheel_order(member.path)))


def _wheel_order(path: str) -> tuple[bool, bool, str]:
    top = path.split("/", 1)[0]
    metadata = top.endswith(".dist-info")
    return metadata, metadata and path == f"{top}/RECORD", path


def repack_sdist(data: bytes) -> bytes:
    """Returns an sdist with the same files and symlinks, sorted, owned by nobody in particular."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(data)) as sdist:
        for info in sdist:
            if info.issym():
                members.append(Member(path=info.name, data=info.linkname.encode(), symlink=True))
            elif stream := sdist.extractfile(info) if not info.isdir() else None:
                members.append(
                    Member(path=info.name, data=stream.read(), executable=bool(info.mode & 0o111))
                )
    return tar_gz(sorted(members, key=lambda member: member.path))


def _identity(wheel: bytes) -> tuple[str, str]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(
            (name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None
        )
        if name is None:
            raise ValueError("the wheel has no METADATA")
        metadata = BytesParser().parsebytes(archive.read(name), headersonly=True)
    if not metadata["Name"] or not metadata["Version"]:
        raise ValueError("the wheel's METADATA names no project and version")
    return canonicalize_name(metadata["Name"]), str(metadata["Version"])
