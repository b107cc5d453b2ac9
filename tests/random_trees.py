"""Random trees, as manifests and on disk."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blake3 import blake3
from hypothesis import strategies as st

from harness.trees.manifest import HERE, Entry, EntryKind, Manifest

# Any byte but NUL and the slash may stand in a name: invalid UTF-8, newlines, backslashes.
_BYTES = st.binary(min_size=1, max_size=5).map(lambda b: b.replace(b"\0", b"A").replace(b"/", b"a"))
NAMES = (
    st.one_of(st.sampled_from([b"a", b"A", b"b.pyc", b"\xff", b"\\xff", b"x\ny", b".git"]), _BYTES)
    .filter(lambda name: name not in {b".", b".."})
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
)
# Set-uid, set-gid and sticky among them, and no permission at all.
MODES = st.one_of(
    st.sampled_from([0o644, 0o755, 0o000, 0o400, 0o111, 0o4755, 0o2755, 0o1777]),
    st.integers(0, 0o7777),
)
_LARGER_THAN_ONE_READ = 600 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one path of a random tree is; `data` is a file's content."""

    kind: EntryKind
    mode: int
    data: bytes = b""
    target: str = ""


_CONTENTS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([bytes(_LARGER_THAN_ONE_READ), b"x" * _LARGER_THAN_ONE_READ]),
)
_LEAVES = st.one_of(
    st.builds(Node, kind=st.just(EntryKind.FILE), mode=MODES, data=_CONTENTS),
    st.builds(
        Node,
        kind=st.just(EntryKind.SYMLINK),
        mode=st.just(0),
        target=st.one_of(st.sampled_from([".", "..", "/", "/etc/passwd", "nowhere", "a"]), NAMES),
    ),
    st.builds(Node, kind=st.sampled_from([EntryKind.FIFO, EntryKind.SOCKET]), mode=MODES),
)
_FOLDERS = st.builds(Node, kind=st.just(EntryKind.DIRECTORY), mode=MODES)


@st.composite
def trees(draw: st.DrawFn, *, entries: int = 12) -> dict[str, Node]:
    """A tree as path to node, each folder before what is in it."""
    tree = {HERE: Node(kind=EntryKind.DIRECTORY, mode=draw(MODES))}
    for _ in range(draw(st.integers(0, entries))):
        folders = [path for path, node in tree.items() if node.kind is EntryKind.DIRECTORY]
        parent = draw(st.sampled_from(folders))
        name = draw(NAMES)
        path = name if parent == HERE else f"{parent}/{name}"
        if path not in tree:
            tree[path] = draw(st.one_of(_LEAVES, _FOLDERS))
    return tree


def manifest(tree: Mapping[str, Node], roots: tuple[str, ...] = (HERE,)) -> Manifest:
    """The manifest that a tree must have."""
    return Manifest(roots=roots, entries={path: entry(tree[path]) for path in sorted(tree)})


def entry(node: Node) -> Entry:
    """The entry that a node must have."""
    if node.kind is not EntryKind.FILE:
        return Entry(kind=node.kind, mode=node.mode, target=node.target)
    return Entry(
        kind=node.kind,
        mode=node.mode,
        size=len(node.data),
        digest=blake3(node.data).hexdigest(),
    )


def write(tree: Mapping[str, Node], root: Path) -> None:
    """Makes the tree on disk; its folders' modes come last, since some forbid to write there."""
    for path, node in tree.items():
        _make(root / path, node)
    for path in sorted(tree, reverse=True):
        if tree[path].kind is EntryKind.DIRECTORY:
            (root / path).chmod(tree[path].mode)


def open_up(tree: Mapping[str, Node], root: Path) -> None:
    """Lets its owner remove the tree again."""
    for path, node in tree.items():
        if node.kind is EntryKind.DIRECTORY:
            (root / path).chmod(0o700)


def edited(node: Node) -> dict[str, Node]:
    """The node with one thing changed, by the kind of divergence that this must give."""
    changed = {} if node.kind is EntryKind.SYMLINK else {"mode": replace(node, mode=node.mode ^ 1)}
    if node.kind is EntryKind.FILE:
        changed["content"] = replace(node, data=node.data + b"!")
    if node.kind is EntryKind.SYMLINK:
        changed["target"] = replace(node, target=node.target + "!")
    if node.kind is not EntryKind.DIRECTORY:
        other = EntryKind.FIFO if node.kind is not EntryKind.FIFO else EntryKind.SOCKET
        changed["type"] = Node(kind=other, mode=node.mode)
    return changed


def _make(path: Path, node: Node) -> None:
    match node.kind:
        case EntryKind.DIRECTORY:
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
            return
        case EntryKind.SYMLINK:
            path.symlink_to(node.target)
            return
        case EntryKind.FIFO:
            os.mkfifo(path)
        case EntryKind.SOCKET:
            _listen(path)
        case _:
            path.write_bytes(node.data)
    path.chmod(node.mode)


def _listen(path: Path) -> None:
    # A socket's path may not be longer than 107 bytes, so it is bound from its folder.
    parent = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(b"/proc/self/fd/%d/%s" % (parent, os.fsencode(path.name)))
    finally:
        os.close(parent)
