"""Builds a release from a project's files, in a sandbox, and keeps it."""

import hashlib
import json
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name

from harness.ecosystems.python.releases import hooks
from harness.ecosystems.python.releases.build_system import read_build_system
from harness.ecosystems.python.releases.kept import keep_release, kept_release
from harness.ecosystems.serving import Workshop
from harness.errors import ReleaseError
from harness.internet import Release
from harness.internet.archives import EPOCH
from harness.sandboxes import End, Job, Limits, Mount, Sandbox
from harness.scenarios.tree import Tree, digest, write_tree
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


def build_release(
    tree: Tree,
    workshop: Workshop,
    *,
    label: str,
    tools: tuple[Release, ...],
    store: Store,
) -> Release:
    """Returns a project's release, building it unless it is kept from an earlier time.

    The build's hooks are code under test: they run in the sandbox, without any network, and find
    only the given tools.

    Args:
        tree: The project, a `pyproject.toml` or a `setup.py` at its root.
        workshop: Where it is built; the image must have `python3`, 3.8 or newer.
        label: What an error calls it, such as `forms@fixed`.
        tools: What its build may require, and pip.
        store: Where it is kept, by the digest of tree, tools and recipe.

    Raises:
        ReleaseError: The project does not build, or what it builds is not a release.
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
            tempfile.TemporaryDirectory(prefix="release-", dir=workshop.scratch) as work,
        ):
            out = _build(tree, label, tools, workshop.sandbox, Path(work))
            keep_release(out, staging, label)
    return kept_release(final)


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
            Mount(source=Path(hooks.__file__), target=f"{PLACE}/build_hooks.py"),
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
