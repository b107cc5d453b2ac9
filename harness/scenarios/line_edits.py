"""The edits that make one text of another, as short as a person would write them."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from harness.scenarios.edits import Edit, EditError, RemoveLines, Replace, Write, apply, edit_texts
from harness.scenarios.tree import File, Tree

_CONTEXT = 3
"""How many lines before and after a change may help to say which of several places is meant."""

_Lines = tuple[str, ...]


def line_edits(path: str, old: str, new: str) -> tuple[Edit, ...]:
    """Edits of what changed where they are shorter than the whole, else one `write`.

    Args:
        path: The file.
        old: Its text before.
        new: Its text after, another one.
    """
    write = Write(do="write", path=path, text=new)
    edits = _whole_lines_removed(path, old, new) or _hunk_by_hunk(path, old, new)
    return edits if edits and _length(edits) < len(new) else (write,)


def _whole_lines_removed(path: str, old: str, new: str) -> tuple[Edit, ...]:
    kept = set(_lines(new))
    gone = dict.fromkeys(line.removesuffix("\n") for line in _lines(old) if line not in kept)
    if not gone:
        return ()
    edit = RemoveLines(do="remove-lines", path=path, lines=tuple(gone))
    return (edit,) if _makes(edit, old, new) else ()


def _hunk_by_hunk(path: str, old: str, new: str) -> tuple[Edit, ...]:
    """One edit for each change, the first first; none where one of them cannot be told."""
    before, after = _lines(old), _lines(new)
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    edits: list[Edit] = []
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        # What precedes the change is as in the new text already, what follows it as in the old.
        head, tail = after[:new_start], before[end:]
        gone, come = before[start:end], after[new_start:new_end]
        text, wanted = "".join((*head, *gone, *tail)), "".join((*head, *come, *tail))
        for edit in _candidates(path, head, tail, gone, come):
            if _makes(edit, text, wanted):
                edits.append(edit)
                break
        else:
            return ()
    return tuple(edits)


def _candidates(
    path: str, head: _Lines, tail: _Lines, gone: _Lines, come: _Lines
) -> Iterator[Edit]:
    if gone and not come:
        lines = tuple(dict.fromkeys(line.removesuffix("\n") for line in gone))
        yield RemoveLines(do="remove-lines", path=path, lines=lines)
    for count in range(_CONTEXT + 1):
        for above, below in dict.fromkeys(((count, 0), (0, count), (count, count))):
            first = head[len(head) - above :] if above <= len(head) else head
            last = tail[:below]
            before, after = "".join((*first, *gone, *last)), "".join((*first, *come, *last))
            if before.endswith("\n") and after.endswith("\n") and len(before) > 1:
                yield Replace(do="replace", path=path, old=before[:-1], new=after[:-1])
            if before:
                yield Replace(do="replace", path=path, old=before, new=after)


def _makes(edit: Edit, old: str, new: str) -> bool:
    """Whether the edit, as it will be applied, makes the new text of the old one."""
    tree = Tree(entries={edit.path: File(data=old.encode())})
    try:
        made = apply(tree, edit, lambda _: Tree())
    except EditError:
        return False
    return made.entries[edit.path] == File(data=new.encode())


def _lines(text: str) -> _Lines:
    """The lines with their ends; other than `str.splitlines`, a form feed ends none."""
    *whole, rest = text.split("\n")
    return (*(f"{line}\n" for line in whole), *((rest,) if rest else ()))


def _length(edits: tuple[Edit, ...]) -> int:
    return sum(len(text) for edit in edits for texts in edit_texts(edit).values() for text in texts)
