"""What is at a path of a tree, in a few words."""

from typing import Final

from rich.filesize import decimal

from harness.trees.manifest import ALGORITHM, Entry, EntryKind, escape

_DIGEST_SHOWN: Final = 8


def facts(entry: Entry | None) -> str:
    """An entry in a few words: `1.2 kB blake3:ab12cd34 0644`; sizes are in units of 1000 bytes."""
    if entry is None:
        return "absent"
    mode = f"{entry.mode:04o}" + "".join(f" {name}" for name, _ in entry.attributes)
    match entry.kind:
        case EntryKind.FILE:
            return f"{decimal(entry.size)} {ALGORITHM}:{entry.digest[:_DIGEST_SHOWN]} {mode}"
        case EntryKind.SYMLINK:
            return f"-> {escape(entry.target)}"
        case EntryKind.CHARACTER_DEVICE | EntryKind.BLOCK_DEVICE:
            major, minor = entry.device
            return f"{entry.kind} device {major}:{minor} {mode}"
        case _:
            return f"{entry.kind} {mode}"
