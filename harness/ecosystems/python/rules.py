"""The only differences of content that are set aside, each under a rule with a name."""

import csv
import json
import posixpath
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from harness.ecosystems.python.bytecode import HEADER, MalformedError, code_digest, header

LARGEST: Final = 32 * 1024 * 1024
"""Files of more bytes are compared as they are."""

_LARGEST_PACK: Final = 256 * 1024 * 1024
_COLUMNS = 3
_STAMP = {"secs_since_epoch", "nanos_since_epoch"}
_ONLY_TOLD = {"command", "executable"}

ReadFile = Callable[[str], bytes]
"""Gives a regular file's content by its path in the manifest."""


class Rule(StrEnum):
    """Why a difference between what two builds installed is no divergence.

    Set aside, as nobody who uses the app could notice it:

    - `pyc-mtime`: compiled code that names another modification time of its source (PEP 552).
      Whether Python would use it is compared by itself.
    - `pyc-refs`: equal compiled code that shares its objects in another way.
    - `pyc-name`: equal compiled code that names another path of its source, in a `__pycache__`:
      the import system puts the path there at which the source is.
    - `record-lines`: RECORD lines, equal but for the hash of a file that was itself set aside,
      where each side's line is true of its file.
    - `uv-times`: when the files of a folder were changed that uv installed from, in the
      `uv_cache.json` that it leaves. Every checkout has new times, whatever the cache did.
    - `git-store`: how a repository stores and logs its history: packs, logs, the times in its
      index. What it is, and whether all that its HEAD reaches is there, is compared
      (`harness.trees.git`).

    Noted, as it is true and worth a line, and no fault by itself:

    - `build-path`: a file of the cached build names the build dir of an earlier build, where the
      clean build's names its own: in the `url` of `direct_url.json`, in RECORD, in the file names
      of compiled code without a source, or in how a virtual environment was made (`pyvenv.cfg`).
      Never in what an import reads, such as a `.pth` file or a finder.
    - `git-history`: what a repository calls its commits, and how far back it has them: its branches
      and tags, and whether HEAD is on a branch. Any two clones of one repository may differ in it.
    - `pyc-own`: compiled files that the cached build made itself, and whose sources it wrote again
      afterwards. Python does not use them; in a clean build it does where both happened within
      one second, which is what bytecode names. Nothing that was restored has a part in it.
    - `pyc-clean`: compiled files that Python would use in the cached build, and not in the clean
      one, which is the slower of the two.
    """

    PYC_MTIME = "pyc-mtime"
    PYC_REFS = "pyc-refs"
    PYC_NAME = "pyc-name"
    RECORD_LINES = "record-lines"
    UV_TIMES = "uv-times"
    GIT_STORE = "git-store"
    BUILD_PATH = "build-path"
    GIT_HISTORY = "git-history"
    PYC_CLEAN = "pyc-clean"
    PYC_OWN = "pyc-own"


NOTED: Final = {
    Rule.BUILD_PATH: "names the build dir of an earlier build",
    Rule.GIT_HISTORY: "names commits otherwise than in a clean build",
    Rule.PYC_OWN: "was compiled in this very build, which then wrote its source once more",
    Rule.PYC_CLEAN: "is compiled code that Python would use here, and not in the clean build",
}
"""The rules whose differences are noted, each with what it says of a path of the cached build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPaths:
    """The absolute build dirs that each side's files may name, where these differ.

    Attributes:
        cached: Those of the cached build and of the builds before it.
        clean: That of the clean build.
    """

    cached: tuple[str, ...]
    clean: str


def largest(path: str) -> int:
    """How many bytes a file at a path may have for its content to be looked at."""
    return _LARGEST_PACK if "/objects/pack/" in path else LARGEST


def content_rules(
    path: str, cached: bytes, clean: bytes, paths: BuildPaths | None
) -> frozenset[Rule]:
    """The rules that together explain why a file's two contents differ.

    Args:
        path: The file's path; rules apply by name. RECORD files have `record_rules`.
        cached: Its content in the cached tree.
        clean: Its content in the clean tree.
        paths: The build dirs, where they differ.

    Returns:
        No rule where any part of the difference is a real one.
    """
    folder, _, name = path.rpartition("/")
    if name.endswith(".pyc"):
        has_source = posixpath.basename(folder) == "__pycache__"
        return _compiled(cached, clean, paths, has_source=has_source)
    if name == "uv_cache.json" and folder.endswith(".dist-info"):
        ours, theirs = _uv_cache(cached), _uv_cache(clean)
        equal = bool(ours[0]) and ours[0] == theirs[0] and ours[1] != theirs[1]
        return frozenset({Rule.UV_TIMES}) if equal else frozenset()
    if paths is None:
        return frozenset()
    if name == "direct_url.json" and folder.endswith(".dist-info"):
        ours, theirs = _direct_url(cached, paths.cached), _direct_url(clean, (paths.clean,))
        explained = bool(ours[0]) and ours[0] == theirs[0] and ours[1] != theirs[1]
    else:
        explained = name == "pyvenv.cfg" and _venv(cached, paths.cached) == _venv(
            clean, (paths.clean,)
        )
    return frozenset({Rule.BUILD_PATH}) if explained else frozenset()


def record_rules(
    path: str,
    cached: bytes,
    clean: bytes,
    paths: BuildPaths | None,
    aside: AbstractSet[str],
    *,
    ours: ReadFile,
    theirs: ReadFile,
) -> frozenset[Rule]:
    """The rules that together explain why two RECORD files differ.

    A line may differ for a file whose own difference was set aside, as long as what each side's
    line says of that file is true.

    Args:
        path: The RECORD file's path, `<location>/<name>.dist-info/RECORD`.
        cached: Its content in the cached tree.
        clean: Its content in the clean tree.
        paths: The build dirs, where they differ.
        aside: Paths of the files whose content was set aside.
        ours: Gives the content of a file of the cached tree.
        theirs: Gives the content of a file of the clean tree.

    Returns:
        No rule where any part of the difference is a real one.
    """
    location = posixpath.dirname(posixpath.dirname(path))
    lines = [_record(cached, location, aside, ours), _record(clean, location, aside, theirs)]
    if lines[0] == lines[1]:
        return frozenset({Rule.RECORD_LINES})
    if paths is not None:
        before = [_after(line, paths.cached) for line in lines[0]]
        after = [_after(line, (paths.clean,)) for line in lines[1]]
        if before == after:
            return frozenset({Rule.BUILD_PATH})
    return frozenset()


def is_record(path: str) -> bool:
    """Whether a path is a distribution's RECORD."""
    return path.endswith(".dist-info/RECORD")


def _compiled(
    cached: bytes, clean: bytes, paths: BuildPaths | None, *, has_source: bool
) -> frozenset[Rule]:
    rules = set()
    try:
        ours, theirs = header(cached), header(clean)
        if ours != theirs:
            if not ours.timed or replace(ours, stamp=theirs.stamp) != theirs:
                return frozenset()
            rules.add(Rule.PYC_MTIME)
        if cached[HEADER:] != clean[HEADER:]:
            if code_digest(cached) == code_digest(clean):
                rules.add(Rule.PYC_REFS)
            elif has_source and code_digest(cached, nameless=True) == code_digest(
                clean, nameless=True
            ):
                rules.add(Rule.PYC_NAME)
            elif paths is not None and code_digest(cached, build_paths=paths.cached) == code_digest(
                clean, build_paths=(paths.clean,)
            ):
                rules.add(Rule.BUILD_PATH)
            else:
                return frozenset()
    except MalformedError:
        return frozenset()
    return frozenset(rules)


def _direct_url(data: bytes, build_paths: Sequence[str]) -> tuple[str, str]:
    """The document without the build dir that its URL begins with, and that URL; else nothing."""
    document = _json_table(data)
    if document is None or not isinstance(url := document.get("url"), str):
        return "", ""
    after = _after(url, [f"file://{quote(path)}" for path in build_paths])
    return _canonical({**document, "url": after}), url


def _venv(data: bytes, build_paths: Sequence[str]) -> list[str]:
    """The lines of a virtual environment's file, without the build dir where Python ignores it.

    The interpreter reads `home` and its like; `command` and `executable` say how the environment
    was made (Lib/venv/__init__.py).
    """
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return [
        " ".join(_after(word, build_paths) for word in line.split(" "))
        if line.partition("=")[0].strip() in _ONLY_TOLD
        else line
        for line in lines
    ]


def _uv_cache(data: bytes) -> tuple[str, str]:
    """What uv noted of where a package came from without times, and whole; else nothing."""
    document = _json_table(data)
    if document is None:
        return "", ""
    noted = {**document, "timestamp": _timeless(document.get("timestamp"))}
    if isinstance(folders := document.get("directories"), dict):
        noted["directories"] = {name: _timeless(time) for name, time in folders.items()}
    return _canonical(noted), _canonical(document)


def _timeless(value: object) -> object:
    """What takes the place of a time; anything else stays as it is.

    uv notes a folder by its time, or by its inode.
    """
    if type(value) is int:
        return "inode"
    if isinstance(value, dict) and value.keys() == _STAMP:
        return "time" if all(type(part) is int for part in value.values()) else value
    return value


def _json_table(data: bytes) -> dict[str, object] | None:
    """A JSON object in which no key stands twice; None where there is none."""
    try:
        document = json.loads(data, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key stands twice")
    return table


def _canonical(document: Mapping[str, object]) -> str:
    # Python holds 1, 1.0 and true to be equal; their texts are not.
    return json.dumps(document, sort_keys=True)


def _record(data: bytes, location: str, aside: AbstractSet[str], read: ReadFile) -> list[str]:
    """Its lines; only the path is left of those that are true of a file that was set aside."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return [_line(line, location, aside, read) for line in lines]


def _line(line: str, location: str, aside: AbstractSet[str], read: ReadFile) -> str:
    try:
        row = next(csv.reader([line]), [])
    except csv.Error:
        return line
    recorded, hashed, size = (*row, "", "", "")[:3]
    path = _inside(location, recorded)
    if not recorded or len(row) > _COLUMNS or path not in aside:
        return line
    content = read(path) if hashed or size else b""
    if hashed and hashed != _hash(content):
        return line
    if size and size != str(len(content)):
        return line
    return recorded + line[len(line.rstrip("\r")) :]


def _hash(content: bytes) -> str:
    """A content as RECORD names it (PEP 376, PEP 427)."""
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode("ascii")
    return f"sha256={digest}"


def _inside(location: str, recorded: str) -> str:
    return posixpath.normpath(posixpath.join(location, recorded))


def _after(text: str, prefixes: Sequence[str]) -> str:
    for prefix in prefixes:
        if text == prefix or text.startswith(f"{prefix}/"):
            return "\0" + text[len(prefix) :]
    return text
