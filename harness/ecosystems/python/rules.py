"""The only differences of content that are none, each under a rule with a name."""

import csv
import json
import posixpath
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from harness.ecosystems.python.bytecode import HEADER, MalformedError, code_digest, header
from harness.trees.explainer import BuildPaths, Rule

_INSTALLERS_FILES = {"RECORD", "direct_url.json", "uv_cache.json"}
_COLUMNS = 3
_STAMP = {"secs_since_epoch", "nanos_since_epoch"}
_ONLY_TOLD = {"command", "executable"}

ReadFile = Callable[[str], bytes]
"""Gives a regular file's content by its path in the manifest."""


PYC_MTIME: Final = Rule(name="pyc-mtime")
"""Compiled code that names another modification time of its source (PEP 552). Whether Python would
use it is compared by itself."""

PYC_REFS: Final = Rule(name="pyc-refs")
"""Equal compiled code that shares its objects in another way."""

PYC_NAME: Final = Rule(name="pyc-name")
"""Equal compiled code that names another path of its source, in a `__pycache__`: the import system
puts the path there at which the source is."""

RECORD_LINES: Final = Rule(name="record-lines")
"""RECORD lines, equal but for the hash of a file that was itself set aside, where each side's line
is true of its file."""

UV_TIMES: Final = Rule(name="uv-times")
"""When the files of a folder were changed that uv installed from, in the `uv_cache.json` that it
leaves. Every checkout has new times, whatever the cache did."""

BUILD_PATH: Final = Rule(name="build-path", note="names the build dir of an earlier build")
"""A file of the cached build names the build dir of an earlier build, where the clean build's names
its own: in the `url` of `direct_url.json`, in RECORD, in the file names of compiled code without a
source, or in how a virtual environment was made (`pyvenv.cfg`). Never in what an import reads, such
as a `.pth` file or a finder."""

PYC_OWN: Final = Rule(
    name="pyc-own",
    note="was compiled in this very build, which then wrote its source once more",
)
"""Compiled files that the cached build made itself, and whose sources it wrote again afterwards.
Python does not use them; in a clean build it does where both happened within one second, which is
what bytecode names. Nothing that was restored has a part in it."""

PYC_CLEAN: Final = Rule(
    name="pyc-clean",
    note="is compiled code that Python would use here, and not in the clean build",
)
"""Compiled files that Python would use in the cached build, and not in the clean one, which is the
slower of the two."""

RULES: Final = (
    PYC_MTIME, PYC_REFS, PYC_NAME, RECORD_LINES, UV_TIMES, BUILD_PATH, PYC_OWN, PYC_CLEAN,
)  # fmt: skip
"""All of them, in the order in which reports name them."""


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
        return frozenset({UV_TIMES}) if equal else frozenset()
    if paths is None:
        return frozenset()
    if name == "direct_url.json" and folder.endswith(".dist-info"):
        ours, theirs = _direct_url(cached, paths.cached), _direct_url(clean, (paths.clean,))
        explained = bool(ours[0]) and ours[0] == theirs[0] and ours[1] != theirs[1]
    else:
        explained = name == "pyvenv.cfg" and _venv(cached, paths.cached) == _venv(
            clean, (paths.clean,)
        )
    return frozenset({BUILD_PATH}) if explained else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    """A RECORD file of one tree.

    Attributes:
        content: Its content.
        read: Gives the content of a file of the same tree.
    """

    content: bytes
    read: ReadFile


def record_rules(
    path: str,
    cached: RecordFile,
    clean: RecordFile,
    paths: BuildPaths | None,
    aside: AbstractSet[str],
) -> frozenset[Rule]:
    """The rules that together explain why two RECORD files differ.

    A line may differ for a file whose own difference was set aside, as long as what each side's
    line says of that file is true.

    Args:
        path: The RECORD file's path, `<location>/<name>.dist-info/RECORD`.
        cached: The file of the cached tree.
        clean: The file of the clean tree.
        paths: The build dirs, where they differ.
        aside: Paths of the files whose content was set aside.

    Returns:
        No rule where any part of the difference is a real one.
    """
    location = posixpath.dirname(posixpath.dirname(path))
    lines = [_record(file, location, aside) for file in (cached, clean)]
    if lines[0] == lines[1]:
        return frozenset({RECORD_LINES})
    if paths is not None:
        before = [_after(line, paths.cached) for line in lines[0]]
        after = [_after(line, (paths.clean,)) for line in lines[1]]
        if before == after:
            return frozenset({BUILD_PATH})
    return frozenset()


def may_explain(path: str) -> bool:
    """Whether any rule is about the content of files of this name."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".pyc") or name == "pyvenv.cfg":
        return True
    return folder.endswith(".dist-info") and name in _INSTALLERS_FILES


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
            rules.add(PYC_MTIME)
        if cached[HEADER:] != clean[HEADER:]:
            if code_digest(cached) == code_digest(clean):
                rules.add(PYC_REFS)
            elif has_source and code_digest(cached, nameless=True) == code_digest(
                clean, nameless=True
            ):
                rules.add(PYC_NAME)
            elif paths is not None and code_digest(cached, build_paths=paths.cached) == code_digest(
                clean, build_paths=(paths.clean,)
            ):
                rules.add(BUILD_PATH)
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
        raise ValueError("a key occurs twice")
    return table


def _canonical(document: Mapping[str, object]) -> str:
    # Python holds 1, 1.0 and true to be equal; their texts are not.
    return json.dumps(document, sort_keys=True)


def _record(file: RecordFile, location: str, aside: AbstractSet[str]) -> list[str]:
    """Its lines; only the path is left of those that are true of a file that was set aside."""
    lines = file.content.decode("utf-8", "surrogateescape").split("\n")
    return [_line(line, location, aside, file.read) for line in lines]


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
