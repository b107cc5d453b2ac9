"""Changes of repositories; git itself says which of them matter."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from dev.fuzz.bench import Bench, Change, Level, Unfit, in_git
from dev.fuzz.tree import CHECKOUT, SUBMODULE, git

Make = Callable[[Bench], Change]

STORED = "git says the same of the checkout: how history is stored and logged is nobody's to see"
NAMES = "tags, settings of branches, and where a shallow history ends, say nothing of HEAD"
UNNATURAL = "git says the same of the checkout, and no two correct builds would differ so"

_GIT = f"{CHECKOUT}/.git"
_ANY = frozenset({Level.DIVERGES, Level.NOTED, Level.SET_ASIDE})
_NO_FAULT = frozenset({Level.NOTED, Level.SET_ASIDE, Level.UNSEEN})


def meaning(checkout: Path) -> tuple[object, ...]:
    """What git says of a checkout: HEAD, worktree, config, hooks, and what is unsound."""
    return (
        _said(checkout, "rev-parse", "HEAD"),
        _said(checkout, "status", "--porcelain", "--ignored", "--untracked-files=all"),
        [line for line in _config(checkout) if not line.startswith("branch.")],
        # Without the names by which it describes their commits.
        re.sub(r" \(.*\)$", "", _said(checkout, "submodule", "status"), flags=re.MULTILINE),
        _unsound(checkout),
        _hooks(checkout),
        _text(checkout, "objects/info/alternates"),
        _text(checkout, "info/attributes"),
    )


def names(checkout: Path) -> tuple[object, ...]:
    """What git calls the commits of a checkout, apart from branches, and how far back it goes."""
    tags = "--format=%(refname) %(objectname) %(*objectname)"
    return (
        _said(checkout, "for-each-ref", tags, "refs/tags"),
        _said(checkout, "rev-list", "--count", "HEAD"),
        [line for line in _config(checkout) if line.startswith("branch.")],
    )


def _config(checkout: Path) -> list[str]:
    return _said(checkout, "config", "--local", "--list").splitlines()


def _said(checkout: Path, *arguments: str) -> str:
    try:
        return git(checkout, *arguments)
    except subprocess.CalledProcessError as error:
        return f"status {error.returncode}"


def _unsound(checkout: Path) -> list[str]:
    """The objects that HEAD reaches, and that are missing or damaged."""
    listed = _said(checkout, "rev-list", "--objects", "--no-object-names", "HEAD").split()
    if any(len(one) != 40 for one in listed):
        return ["history"]
    unsound: list[str] = []
    with subprocess.Popen(
        ("git", "-C", str(checkout), "cat-file", "--batch"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        said, _ = process.communicate("".join(f"{one}\n" for one in listed).encode())
    for name in listed:
        head, _, said = said.partition(b"\n")
        parts = head.split()
        if len(parts) != 3:
            return [*unsound, name]
        size = int(parts[2])
        content, said = said[:size], said[size + 1 :]
        whole = parts[1] + b" " + parts[2] + b"\0" + content
        if hashlib.sha1(whole, usedforsecurity=False).hexdigest() != name:
            unsound.append(name)
    return unsound


def _repository(checkout: Path) -> Path:
    place = checkout / ".git"
    if place.is_file():
        return checkout / place.read_text(errors="replace").removeprefix("gitdir:").strip()
    return place


def _text(checkout: Path, name: str) -> str:
    try:
        return (_repository(checkout) / name).read_text(errors="surrogateescape")
    except OSError:
        return ""


def _hooks(checkout: Path) -> list[tuple[str, bool, bytes]]:
    try:
        found = sorted((_repository(checkout) / "hooks").iterdir())
    except OSError:
        return []
    return [
        (one.name, os.access(one, os.X_OK), one.read_bytes())
        for one in found
        if one.is_file() and one.suffix != ".sample"
    ]


class Told:
    """Whether git says the same of the base and of what was changed."""

    def __init__(self) -> None:
        self._base: dict[tuple[object, Path], tuple[object, ...]] = {}

    def alike(self, bench: Bench, what: Callable[[Path], tuple[object, ...]]) -> bool:
        """Whether it does so of the checkout and of its submodule."""
        for path in (CHECKOUT, SUBMODULE):
            key = what, bench.base / path
            if key not in self._base:
                self._base[key] = what(bench.base / path)
            if what(bench.work / path) != self._base[key]:
                return False
        return True


_TOLD = Told()


def _change(bench: Bench, what: str, paths: set[str], *, natural: bool) -> Change:
    """What git says decides; the comparison may name whatever of the checkout it likes."""
    here = f"{CHECKOUT}/"
    also = frozenset(path for path in (*bench.files, *bench.folders) if path.startswith(here))
    also |= {CHECKOUT, *paths}
    if not _TOLD.alike(bench, meaning):
        return Change(what=what, paths=frozenset(), also=also)
    levels, why = (_NO_FAULT, STORED) if natural else (_ANY | _NO_FAULT, UNNATURAL)
    if not _TOLD.alike(bench, names):
        levels, why = levels & {Level.NOTED, Level.DIVERGES}, NAMES
    return Change(what=what, paths=frozenset(), also=also, levels=levels, why=why)


def _inside(bench: Bench) -> list[str]:
    return [path for path in bench.files if in_git(path) and not path.endswith(".sample")]


def _after(bench: Bench, *arguments: str, submodule: bool = False) -> set[str]:
    """Has git change the checkout; gives the paths that may have changed."""
    bench.touch(CHECKOUT)
    git(bench.work / (SUBMODULE if submodule else CHECKOUT), *arguments)
    return set(bench.below(CHECKOUT, of=bench.work))


# --- any file ------------------------------------------------------------------------------------


def any_bit(bench: Bench) -> Change:
    """A bit of any file of a repository."""
    path = bench.pick(_inside(bench))
    data = bytearray(bench.content(path))
    if not data:
        raise Unfit
    place, bit = bench.rng.randrange(len(data)), bench.rng.randrange(8)
    data[place] ^= 1 << bit
    bench.write(path, bytes(data), keep_time=True)
    return _change(bench, f"bit {bit} of byte {place} of {path!r}", {path}, natural=False)


def cut(bench: Bench) -> Change:
    """Any file of a repository that is shorter, or longer."""
    path = bench.pick(_inside(bench))
    data = bench.content(path)
    changed = bench.rng.choice([b"", data[:-1], data[: len(data) // 2], data + b"\n"])
    if changed == data:
        raise Unfit
    bench.write(path, changed)
    return _change(bench, f"length {len(changed)} of {path!r}", {path}, natural=False)


def removed(bench: Bench) -> Change:
    """Any file or folder of a repository that is gone."""
    folders = [path for path in bench.folders if in_git(path)]
    path = bench.pick([*_inside(bench), *folders])
    inside = set(bench.below(path))
    bench.remove(path)
    return _change(bench, f"the end of {path!r}", {path, *inside}, natural=False)


def mode(bench: Bench) -> Change:
    """The mode of any file of a repository."""
    path = bench.pick(_inside(bench))
    place = bench.touch(path)
    place.chmod(place.stat().st_mode ^ 0o111)
    return _change(bench, f"mode of {path!r}", {path}, natural=False)


def added(bench: Bench) -> Change:
    """A file that is new in a repository."""
    name = bench.rng.choice(
        ["objects/more", "logs/more", "refs/remotes/more", "more", "shallow", "grafts", "gc.log",
         "info/grafts", "info/sparse-checkout", "COMMIT_EDITMSG2", "objects/info/more"]
    )  # fmt: skip
    path = f"{_GIT}/{name}"
    if os.path.lexists(bench.base / path):
        raise Unfit
    bench.touch(path).parent.mkdir(parents=True, exist_ok=True)
    (bench.work / path).write_text("1" * 40 + "\n")
    return _change(bench, f"a new {path!r}", {path}, natural=False)


# --- what git or a person does ---------------------------------------------------------------


def head(bench: Bench) -> Change:
    """HEAD at another branch or commit, or at the same one in another way."""
    to = bench.rng.choice(
        [
            "ref: refs/heads/other\n",
            "ref: refs/heads/topic\n",
            "ref: refs/heads/none\n",
            "same",
            "up",
        ]
    )
    commit = git(bench.base / CHECKOUT, "rev-parse", "HEAD" if to == "same" else "HEAD~1")
    path = f"{_GIT}/HEAD"
    bench.write(path, (to if to.startswith("ref") else commit).encode())
    return _change(bench, f"HEAD: {to!r}", {path}, natural=True)


def ref(bench: Bench) -> Change:
    """A branch, remote branch or tag that is moved, new or gone, packed or not."""
    name = bench.rng.choice(
        ["heads/main", "heads/other", "heads/topic", "heads/new", "remotes/origin/main", "tags/v1",
         "tags/v3", "tags/v4", "tags/new", "remotes/origin/new"]
    )  # fmt: skip
    to = bench.rng.choice(["HEAD~1", "HEAD~2", "HEAD", ""])
    try:
        if to:
            paths = _after(bench, "update-ref", "--no-deref", f"refs/{name}", to)
        else:
            paths = _after(bench, "update-ref", "--no-deref", "-d", f"refs/{name}")
        if bench.rng.random() < 0.5:
            paths |= _after(bench, "pack-refs", "--all")
    except subprocess.CalledProcessError as error:
        raise Unfit from error
    return _change(bench, f"refs/{name}: {to!r}", paths, natural=True)


def stored(bench: Bench) -> Change:
    """The same history, stored in another way."""
    how = bench.rng.choice(
        [("gc", "--quiet", "--prune=now"), ("repack", "-q", "-a", "-d"), ("pack-refs", "--all"),
         ("prune",), ("commit-graph", "write"), ("multi-pack-index", "write"), ("prune-packed",),
         ("reflog", "expire", "--all", "--expire=now"), ("update-index", "--index-version", "4"),
         ("update-server-info",)]
    )  # fmt: skip
    try:
        paths = _after(bench, *how, submodule=bench.rng.random() < 0.3)
    except subprocess.CalledProcessError as error:
        raise Unfit from error
    # No installer runs the last one; others write files whose modes a clone of files has not.
    unnatural = {"update-server-info", "gc", "commit-graph"}
    return _change(bench, f"git {' '.join(how)}", paths, natural=how[0] not in unnatural)


def loose(bench: Bench) -> Change:
    """All objects loose, where some were packed."""
    place = bench.touch(CHECKOUT) / ".git/objects/pack"
    packs = [pack.read_bytes() for pack in place.glob("*.pack")]
    shutil.rmtree(place)
    place.mkdir()
    for pack in packs:
        subprocess.run(
            ("git", "-C", str(bench.work / CHECKOUT), "unpack-objects", "-q"),
            input=pack, check=True,
        )  # fmt: skip
    paths = set(bench.below(CHECKOUT, of=bench.work))
    return _change(bench, "loose objects", paths, natural=True)


def index(bench: Bench) -> Change:
    """The index: read again, without an entry, or with another content."""
    how = bench.rng.choice(
        [("update-index", "--really-refresh"), ("update-index", "--force-remove", "setup.py"),
         ("update-index", "--chmod=+x", "setup.py"), ("update-index", "--assume-unchanged",
          "forms/fields.py"), ("read-tree", "HEAD"), ("read-tree", "HEAD~1")]
    )  # fmt: skip
    try:
        paths = _after(bench, *how)
    except subprocess.CalledProcessError as error:
        raise Unfit from error
    return _change(bench, f"git {' '.join(how)}", paths, natural="--assume-unchanged" not in how)


def fetched(bench: Bench) -> Change:
    """What git logs of what it did last."""
    name = bench.rng.choice(["FETCH_HEAD", "ORIG_HEAD", "logs/HEAD", "logs/refs/heads/main"])
    path = f"{_GIT}/{name}"
    place = bench.touch(path)
    commit = git(bench.base / CHECKOUT, "rev-parse", "HEAD~1").strip()
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a") as file:
        file.write(f"{commit}\n")
    return _change(bench, f"more in {path!r}", {path}, natural=True)


def config(bench: Bench) -> Change:
    """A setting or a remote."""
    how = bench.rng.choice(
        [("remote", "set-url", "origin", "https://other.example.invalid/forms"),
         ("remote", "add", "more", "https://other.example.invalid/forms"),
         ("config", "core.fileMode", "false"), ("config", "user.name", "B"),
         ("config", "core.worktree", "../elsewhere"), ("config", "core.bare", "true"),
         ("config", "alias.x", "status"), ("config", "--unset", "remote.origin.fetch")]
    )  # fmt: skip
    paths = _after(bench, *how)
    return _change(bench, f"git {' '.join(how)}", paths, natural=False)


def hook(bench: Bench) -> Change:
    """A hook."""
    path = f"{_GIT}/hooks/post-checkout"
    place = bench.touch(path)
    place.write_text("#!/bin/sh\nexit 0\n")
    place.chmod(bench.rng.choice([0o755, 0o644]))
    return _change(bench, f"a new {path!r}", {path}, natural=False)


def alternates(bench: Bench) -> Change:
    """Objects that lie elsewhere."""
    path = f"{_GIT}/objects/info/alternates"
    bench.touch(path).write_text(bench.rng.choice(["/nowhere\n", f"{bench.base / _GIT}/objects\n"]))
    if bench.rng.random() < 0.5:
        shutil.rmtree(bench.remove(f"{_GIT}/objects/pack"), ignore_errors=True)
    return _change(bench, f"a new {path!r}", {path, f"{_GIT}/objects/pack"}, natural=False)


def submodule(bench: Bench) -> Change:
    """A submodule that is elsewhere, or not there."""
    how = bench.rng.choice(["another commit", "not there", "another place"])
    if how == "another commit":
        paths = _after(
            bench, "commit", "--quiet", "--allow-empty", "--message", "More", submodule=True
        )
    elif how == "not there":
        bench.touch(CHECKOUT)
        for path in (bench.work / SUBMODULE).iterdir():
            path.unlink()
        paths = set(bench.below(SUBMODULE))
    else:
        paths = _after(bench, "config", "-f", ".gitmodules", "submodule.vendor/theme.url", "x")
    return _change(bench, f"submodule: {how}", paths, natural=False)


def worktree(bench: Bench) -> Change:
    """The worktree at another commit."""
    paths = _after(bench, "checkout", "--quiet", bench.rng.choice(["HEAD~1", "v2", "other"]))
    paths |= set(bench.below(CHECKOUT))
    return _change(bench, "another checkout", paths, natural=False)


KINDS: dict[str, Make] = {
    "git: a bit of any file": any_bit,
    "git: any file, cut": cut,
    "git: anything, gone": removed,
    "git: a mode": mode,
    "git: any file, new": added,
    "git: HEAD": head,
    "git: a reference": ref,
    "git: stored otherwise": stored,
    "git: loose objects": loose,
    "git: the index": index,
    "git: a log": fetched,
    "git: a setting": config,
    "git: a hook": hook,
    "git: alternates": alternates,
    "git: a submodule": submodule,
    "git: a checkout": worktree,
}
