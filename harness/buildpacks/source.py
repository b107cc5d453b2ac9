"""Finds a buildpack by folder, by bundled name, or in a git repository at a revision."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness.buildpacks import Buildpack
from harness.buildpacks.registry import kind_of
from harness.bundled import bundled_buildpacks
from harness.errors import BuildpackError, NoSuchRevisionError
from harness.scenarios.tree import Tree, digest, write_tree
from harness.storage.locks import locked
from harness.storage.store import Store

_URL = re.compile(r"^(https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:")
_GIT_ENV = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def bundled_names() -> tuple[str, ...]:
    """The names of the buildpacks that ship with the harness."""
    folder = bundled_buildpacks()
    return tuple(sorted(path.parent.parent.name for path in folder.glob("*/bin/compile")))


def resolve(spec: str, *, store: Store, into: Path) -> Buildpack:
    """Brings a buildpack's files into a folder of their own.

    Args:
        spec: A folder, a bundled name, or a git URL or local repository followed by `@REF`.
        store: Where clones of remote repositories are kept.
        into: A folder for the files; it is made.

    Raises:
        BuildpackError: Nothing is there, or git cannot bring it.
    """
    target = into / hashlib.sha256(spec.encode()).hexdigest()[:16]
    revision = found_as = ""
    if spec in bundled_names():
        _copy(bundled_buildpacks() / spec, target, follow=True)
    elif not _URL.match(spec) and Path(spec).is_dir():
        # Seen to first: copying some other folder, such as a home, would take long.
        kind_of(Path(spec), spec=f"--buildpack {spec}")
        # The bundled ones, and those with a fault below them, have links to what they share.
        bundled = bundled_buildpacks() in Path(spec).resolve().parents
        _copy(Path(spec), target, follow=bundled)
    else:
        revision, found_as = _export(spec, store=store, target=target)
    found = kind_of(target, spec=f"--buildpack {spec}")
    return Buildpack(
        spec=spec,
        folder=target,
        revision=revision,
        kind=found.kind,
        kind_identity=found.identity,
        digest=_digest(target),
        found_as=found_as,
    )


def from_tree(name: str, files: Tree, *, into: Path) -> Buildpack:
    """Brings a fixture's files into a folder of their own, as a buildpack.

    Args:
        name: What the scenario calls it.
        files: Its files.
        into: A folder for the files; it is made.

    Raises:
        BuildpackError: They are not a buildpack of a known kind.
    """
    target = into / hashlib.sha256(f"{name} {digest(files)}".encode()).hexdigest()[:16]
    if not target.exists():
        write_tree(files, target)
    found = kind_of(target, spec=f"the scenario's buildpack {name}")
    return Buildpack(
        spec=name,
        folder=target,
        revision="",
        kind=found.kind,
        kind_identity=found.identity,
        digest=_digest(target),
    )


def at_revision(spec: str, revision: str | None) -> str:
    """The spec of the same buildpack at another revision, or of another bundled one.

    Without a revision it is the same spec.

    Raises:
        NoSuchRevisionError: The buildpack is a bundled one, and there is none of that name.
    """
    if not revision:
        return spec
    names = bundled_names()
    if spec in names:
        if revision not in names:
            raise NoSuchRevisionError(
                f"--buildpack {spec}: no bundled buildpack is called {revision!r}",
                hint=f"name one of {', '.join(names)}",
            )
        return revision
    location, _ = _split(spec)
    return f"{location}@{revision}"


def _split(spec: str) -> tuple[str, str]:
    """A repository and its revision; empty where the last `@` only sets off a user name."""
    location, at, ref = spec.rpartition("@")
    user_of_scp_style = ":" in ref
    user_of_url = re.fullmatch(r"\w+://[^/]*", location)
    if not at or not location or user_of_scp_style or user_of_url:
        return spec, ""
    return location, ref


def _copy(folder: Path, target: Path, *, follow: bool) -> None:
    if target.exists():
        return
    ignored = shutil.ignore_patterns(".git")
    shutil.copytree(folder, target, ignore=ignored, symlinks=not follow)
    # A package holds no links to folders, so the scripts of those with a fault lie beside them.
    shared = folder.parent / "lib"
    if follow and shared.is_dir() and not (target / "lib").exists():
        shutil.copytree(shared, target / "lib")


def _export(spec: str, *, store: Store, target: Path) -> tuple[str, str]:
    """Writes a revision's files; gives its SHA, and its name where the spec has another."""
    location, ref = _split(spec)
    if not ref:
        names = ", ".join(bundled_names())
        raise BuildpackError(
            f"--buildpack {spec}: there is no such folder, bundled name or REPOSITORY@REF",
            hint=f"name a folder, a git URL or repository with @REF, or one of: {names}",
        )
    repository = _clone(location, store=store) if _URL.match(location) else Path(location)
    if not repository.is_dir():
        raise BuildpackError(
            f"--buildpack {spec}: there is no repository at {location}",
            hint="name a local git repository or an https:// URL before the @",
        )
    revision, found_as = _revision(repository, ref, spec=spec)
    if not target.exists():
        target.mkdir(parents=True)
        archive = subprocess.run(
            ("git", "-C", str(repository), "archive", "--format=tar", revision),
            env=_environment(), capture_output=True, check=False,
        )  # fmt: skip
        if archive.returncode:
            _git_failed(spec, archive.stderr)
        subprocess.run(
            ("tar", "-x", "--no-same-owner", "-C", str(target)), input=archive.stdout, check=True
        )
    return revision, found_as if found_as != ref else ""


def _clone(url: str, *, store: Store) -> Path:
    """A bare clone of a remote repository, kept and brought up to date."""
    final = store.root / "buildpacks" / hashlib.sha256(url.encode()).hexdigest()[:16]
    final.parent.mkdir(parents=True, exist_ok=True)
    with locked(final.with_suffix(".lock")):
        if final.exists():
            fetch = (
                "fetch",
                "--quiet",
                "--tags",
                "--force",
                "origin",
                "+refs/heads/*:refs/heads/*",
            )
            command = ("git", "-C", str(final), *fetch)
            # Without a network, what is kept still serves; a missing revision is reported.
            subprocess.run(command, env=_environment(), capture_output=True, check=False)
            return final
        with store.staged(final) as staging:
            clone = ("git", "clone", "--quiet", "--bare", url, str(staging))
            done = subprocess.run(clone, env=_environment(), capture_output=True, check=False)
            if done.returncode:
                _git_failed(url, done.stderr)
    return final


def _revision(repository: Path, ref: str, *, spec: str) -> tuple[str, str]:
    """A revision's SHA, and the name by which it was found."""
    # Old releases of some buildpacks are tagged below `archive/`.
    for candidate in (ref, f"archive/{ref}", f"origin/{ref}"):
        command = ("git", "-C", str(repository), "rev-parse", "--verify", "--quiet",
                   "--end-of-options", f"{candidate}^{{commit}}")  # fmt: skip
        found = subprocess.run(command, env=_environment(), capture_output=True, check=False)
        if found.returncode == 0:
            return found.stdout.decode().strip(), candidate
    raise NoSuchRevisionError(
        f"--buildpack {spec}: the repository has no revision {ref!r}",
        hint="name a tag, a branch or a commit that `git tag` or `git log` shows there",
    )


def _git_failed(spec: str, stderr: bytes) -> None:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    raise BuildpackError(
        f"--buildpack {spec}: git failed: {lines[-1] if lines else 'no message'}",
        hint="check the address, and that `git clone` brings it on this machine",
    )


def _environment() -> dict[str, str]:
    return {**os.environ, **_GIT_ENV}


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            what = f"link {path.readlink()}".encode()
        elif path.is_file():
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            what = f"file {mode} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode()
        else:
            continue
        digest.update(str(path.relative_to(folder)).encode("utf-8", "surrogateescape"))
        digest.update(b"\0" + what + b"\n")
    return digest.hexdigest()
