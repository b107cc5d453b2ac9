"""Changes of any file, folder or link, whatever is in it."""

import os
import shutil
import socket
import stat
import unicodedata
from collections.abc import Callable
from pathlib import Path

from dev.fuzz.bench import Bench, Change, Level, Unfit, in_git, join
from dev.fuzz.compiled import compiled_of

Make = Callable[[Bench], Change]

TIMES = "two correct builds differ in times; whether Python uses its bytecode is told by itself"
OWNERS = "what is deployed is unpacked for one user"
LINKS = "packing keeps or drops hard links without a change of any content"


def _told(bench: Bench, path: str, what: str) -> Change:
    """A change of a file: of each of its hard links, and maybe of whether bytecode is used."""
    paths = bench.same_file(path)
    also = frozenset(found for each in paths for found in compiled_of(bench, each))
    return Change(what=f"{what} of {path!r}", paths=paths, also=also)


def _unseen(path: str, what: str, why: str) -> Change:
    return Change(
        what=f"{what} of {path!r}", paths=frozenset({path}),
        levels=frozenset({Level.UNSEEN}), why=why,
    )  # fmt: skip


# --- contents ------------------------------------------------------------------------------------


def flipped(bench: Bench) -> Change:
    """One bit."""
    path = bench.pick(bench.plain())
    content = bytearray(bench.content(path))
    if not content:
        raise Unfit
    place, bit = bench.rng.randrange(len(content)), bench.rng.randrange(8)
    content[place] ^= 1 << bit
    bench.write(path, bytes(content))
    return _told(bench, path, f"bit {bit} of byte {place}")


def appended(bench: Bench) -> Change:
    """Bytes at the end."""
    path = bench.pick([*bench.plain(), *bench.plain(), *_compiled(bench)])
    more = bench.rng.choice([b"\n", b"\0", b" ", b"# more\n"])
    bench.write(path, bench.content(path) + more)
    return _told(bench, path, f"{more!r} at the end")


def truncated(bench: Bench) -> Change:
    """Bytes lost at the end."""
    path = bench.pick([*bench.plain(), *_compiled(bench)])
    content = bench.content(path)
    if not content:
        raise Unfit
    length = bench.rng.choice([len(content) - 1, bench.rng.randrange(len(content))])
    bench.write(path, content[:length])
    return _told(bench, path, f"the first {length} bytes")


def emptied(bench: Bench) -> Change:
    """All bytes lost."""
    path = bench.pick([*bench.plain(), *_compiled(bench)])
    if not bench.content(path):
        raise Unfit
    bench.write(path, b"")
    return _told(bench, path, "nothing left")


def same_size(bench: Bench) -> Change:
    """An edit that keeps size and time."""
    path = bench.pick(bench.plain())
    content = bytearray(bench.content(path))
    if not content:
        raise Unfit
    place = bench.rng.randrange(len(content))
    content[place] = (content[place] + bench.rng.randrange(1, 256)) % 256
    bench.write(path, bytes(content), keep_time=True)
    return _told(bench, path, f"byte {place}, with size and time kept,")


def same_time(bench: Bench) -> Change:
    """An edit that keeps the time."""
    path = bench.pick(bench.plain())
    bench.write(path, bench.content(path) + b"#", keep_time=True)
    return _told(bench, path, "one byte more, with the time kept,")


def swapped(bench: Bench) -> Change:
    """Two files' contents."""
    one, other = bench.pick(bench.plain()), bench.pick(bench.plain())
    ours, theirs = bench.content(one), bench.content(other)
    if ours == theirs:
        raise Unfit
    bench.write(one, theirs, keep_time=True)
    bench.write(other, ours, keep_time=True)
    first, second = _told(bench, one, ""), _told(bench, other, "")
    return Change(
        what=f"contents of {one!r} and {other!r}, swapped",
        paths=first.paths | second.paths, also=first.also | second.also,
    )  # fmt: skip


# --- modes, kinds, names ----------------------------------------------------------------------


def mode(bench: Bench) -> Change:
    """One bit of a mode."""
    path = bench.pick([*_outside(bench.files), *bench.folders, *bench.others])
    place = bench.touch(path)
    bit = 1 << bench.rng.randrange(12)
    # The owner must be able to look, root apart.
    place.chmod(stat.S_IMODE(place.lstat().st_mode) ^ bit)
    return Change(what=f"mode bit {bit:o} of {path!r}", paths=bench.same_file(path))


def kind(bench: Bench) -> Change:
    """A file, link, folder or pipe that is another of these."""
    path = bench.pick(
        [*_outside(bench.files), *bench.links, *bench.others, *_outside(bench.folders)]
    )
    before = stat.S_IFMT((bench.base / path).lstat().st_mode)
    inside = frozenset(bench.below(path)) if before == stat.S_IFDIR else frozenset()
    makes: dict[int, Callable[[Path], object]] = {
        stat.S_IFREG: lambda place: place.write_bytes(b"x"),
        stat.S_IFLNK: lambda place: place.symlink_to("elsewhere"),
        stat.S_IFDIR: Path.mkdir,
        stat.S_IFIFO: os.mkfifo,
        stat.S_IFSOCK: _socket,
    }
    del makes[before]
    after = bench.rng.choice(sorted(makes))
    also = _told(bench, path, "").also
    makes[after](bench.remove(path))
    return Change(what=f"kind of {path!r}: {after:o}", paths=frozenset({path}) | inside, also=also)


def _socket(place: Path) -> None:
    folder = os.open(place.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(b"/proc/self/fd/%d/%s" % (folder, os.fsencode(place.name)))
    except OSError as error:  # a name that is too long for one
        raise Unfit from error
    finally:
        os.close(folder)


def link_for_file(bench: Bench) -> Change:
    """A file in whose place a link leads to the same content."""
    path = bench.pick(_outside(bench.files))
    told = _told(bench, path, "a link in the place")
    bench.remove(path).symlink_to(bench.base / path)
    return Change(what=told.what, paths=frozenset({path}), also=told.also)


def file_for_link(bench: Bench) -> Change:
    """A link in whose place the content lies to which it leads."""
    path = bench.pick([link for link in bench.links if (bench.base / link).is_file()])
    content = (bench.base / path).read_bytes()
    bench.remove(path).write_bytes(content)
    return _told(bench, path, "a copy in the place")


def retargeted(bench: Bench) -> Change:
    """A link that leads elsewhere, or to the same in other words."""
    path = bench.pick(bench.links)
    target = str((bench.base / path).readlink())
    other = bench.rng.choice(["nowhere", f"./{target}", f"{target}/.", "/etc/passwd", target + "x"])
    bench.remove(path).symlink_to(other)
    told = _told(bench, path, f"the target {other!r}")
    return Change(what=told.what, paths=told.paths, also=told.also)


def renamed(bench: Bench) -> Change:
    """Another name: any, in other case, or in another form of Unicode."""
    path = bench.pick(
        [*_outside(bench.files), *_outside(bench.folders), *bench.links, *bench.others]
    )
    folder, _, name = path.rpartition("/")
    names = (
        f"{name}~", name.swapcase(), unicodedata.normalize("NFD", name),
        unicodedata.normalize("NFC", name), f".{name}", name.replace("_", "-"),
    )  # fmt: skip
    after = join(folder or ".", bench.rng.choice(names))
    if os.path.lexists(bench.base / after):
        raise Unfit
    below = bench.below(path)
    moved = {path + inside.removeprefix(path) for inside in below}
    moved |= {after + inside.removeprefix(path) for inside in below}
    also = _told(bench, path, "").also
    place = bench.touch(path)
    place.rename(bench.touch(after))
    return Change(
        what=f"name of {path!r}: {after!r}", paths=frozenset({path, after} | moved), also=also
    )


# --- more and less ----------------------------------------------------------------------------


def added(bench: Bench) -> Change:
    """A file, link, folder or pipe that is new."""
    folder = bench.pick(_outside([".", *bench.folders]))
    path = bench.own_name(folder)
    place = bench.touch(path)
    content = bench.rng.choice([b"", b"new\n", b"\0" * 100])
    makes: tuple[Callable[[], object], ...] = (
        lambda: place.write_bytes(content), lambda: place.symlink_to("new"), place.mkdir,
        lambda: os.mkfifo(place), lambda: place.write_bytes(content),
    )  # fmt: skip
    try:
        bench.rng.choice(makes)()
    except OSError as error:
        raise Unfit from error
    # A source that comes makes a compiled file of use.
    return _told(bench, path, "a new one")


def removed(bench: Bench) -> Change:
    """A file, link, pipe or empty folder that is gone."""
    empty = [path for path in bench.folders if not bench.below(path)]
    groups = (_outside(bench.files), bench.links, bench.others, _outside(empty))
    path = bench.pick(bench.rng.choice(groups))
    told = _told(bench, path, "the end")
    # Its twins stay.
    bench.remove(path)
    return Change(what=told.what, paths=frozenset({path}), also=told.also)


def removed_folder(bench: Bench) -> Change:
    """A folder that is gone with all that is in it."""
    path = bench.pick([path for path in _outside(bench.folders) if bench.below(path)])
    inside = bench.below(path)
    also = {found for each in inside for found in compiled_of(bench, each)}
    bench.remove(path)
    return Change(
        what=f"the end of the folder {path!r}", paths=frozenset({path, *inside}),
        also=frozenset(also),
    )  # fmt: skip


def copied_folder(bench: Bench) -> Change:
    """A folder of which there is a second one under another name."""
    path = bench.pick([path for path in _outside(bench.folders) if len(bench.below(path)) < 30])
    after = f"{path}-1"
    if os.path.lexists(bench.base / after):
        raise Unfit
    place = bench.touch(after)
    shutil.copytree(bench.base / path, place, symlinks=True, ignore=_pipes)
    inside = bench.below(after, of=bench.work)
    return Change(what=f"a copy of {path!r}", paths=frozenset({after, *inside}))


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if stat.S_ISFIFO((Path(folder) / name).lstat().st_mode)]


def nothing_there(bench: Bench) -> Change:
    """An empty folder that is new, or that has something now."""
    empty = [path for path in bench.folders if not bench.below(path)]
    folder = bench.pick(bench.rng.choice([_outside(empty), _outside(bench.folders)]))
    path = bench.own_name(folder)
    try:
        bench.touch(path).mkdir()
    except OSError as error:
        raise Unfit from error
    return Change(what=f"a new folder {path!r}", paths=frozenset({path}))


# --- what is not compared ---------------------------------------------------------------------


def time_of_data(bench: Bench) -> Change:
    """Another time of what Python does not import."""
    path = bench.pick(
        [path for path in (*bench.files, *bench.folders, *bench.links) if not path.endswith(".py")]
    )
    place = bench.touch(path)
    then = place.lstat().st_mtime + bench.rng.choice([-3600, 1, 86400, 2**31])
    os.utime(place, (then, then), follow_symlinks=False)
    return _unseen(path, f"the time {then}", TIMES)


def owner(bench: Bench) -> Change:
    """Another owner."""
    path = bench.pick([*bench.folders, *bench.links])
    try:
        os.chown(bench.touch(path), 12345, 12345, follow_symlinks=False)
    except OSError as error:  # this needs root
        raise Unfit from error
    return _unseen(path, "another owner", OWNERS)


def parted(bench: Bench) -> Change:
    """Hard links that are files of their own."""
    path = bench.pick([path for path in bench.files if len(bench.same_file(path)) > 1])
    place = bench.touch(path)
    copy = place.with_name("copy-of-it")
    shutil.copy2(place, copy)
    copy.rename(place)
    return _unseen(path, "a file of its own in the place", LINKS)


def joined(bench: Bench) -> Change:
    """Files of equal content that are hard links of one."""
    equal: dict[tuple[object, ...], list[str]] = {}
    for path in bench.files:
        if not in_git(path) and path.endswith(("INSTALLER", "WHEEL", "py.typed", "REQUESTED")):
            status = (bench.base / path).stat()
            content = (bench.base / path).read_bytes()
            equal.setdefault((content, status.st_mode, status.st_mtime), []).append(path)
    one, other, *_ = bench.rng.sample(
        bench.rng.choice([e for e in equal.values() if len(e) > 1]), 2
    )
    bench.remove(other).hardlink_to(bench.touch(one))
    return _unseen(other, f"a hard link to {one!r} in the place", LINKS)


def _outside(paths: list[str]) -> list[str]:
    return [path for path in paths if not in_git(path) and not path.endswith("/.git")]


def _compiled(bench: Bench) -> list[str]:
    return [path for path in bench.files if path.endswith(".pyc")]


KINDS: dict[str, Make] = {
    "content: a bit": flipped,
    "content: appended": appended,
    "content: truncated": truncated,
    "content: emptied": emptied,
    "content: size and time kept": same_size,
    "content: time kept": same_time,
    "content: two swapped": swapped,
    "mode: a bit": mode,
    "kind: another": kind,
    "kind: a link for a file": link_for_file,
    "kind: a file for a link": file_for_link,
    "link: another target": retargeted,
    "name: another": renamed,
    "more: anything": added,
    "more: a copied folder": copied_folder,
    "more: an empty folder": nothing_there,
    "less: anything": removed,
    "less: a folder": removed_folder,
    "time: of no source": time_of_data,
    "owner": owner,
    "hard links: parted": parted,
    "hard links: joined": joined,
}
