"""Changes of what installers note of distributions."""

import json
import os
from collections.abc import Callable

from dev.fuzz.bench import Bench, Change, Level, Unfit
from dev.fuzz.tree import BUILD, EARLIER, SITE, VENV, VENV_LINES, record_line
from harness.trees.difference import Side

Make = Callable[[Bench], Change]

INSTALLED_AT = "uv notes when files changed, which is another time in every checkout"
FROM_EARLIER = "it was installed in an earlier build, in whose build dir the folder lay"
MADE_IN_EARLIER = "an environment says where it was made in lines that no interpreter reads"
SAME_JSON = "it is the same JSON in another form"

_UV = f"{SITE}/wheely-3.0.dist-info/uv_cache.json"
_UV_RECORD = f"{SITE}/wheely-3.0.dist-info/RECORD"


def _one(what: str, path: str) -> Change:
    return Change(what=f"{what} of {path!r}", paths=frozenset({path}))


# --- RECORD --------------------------------------------------------------------------------------


def record(bench: Bench) -> Change:
    """A line of RECORD that is changed, gone, twice, elsewhere, or ends otherwise."""
    path = bench.pick([path for path in bench.files if path.endswith(".dist-info/RECORD")])
    lines = bench.content(path).decode().splitlines(keepends=True)
    at = bench.rng.randrange(len(lines))
    name, _, rest = lines[at].rstrip("\r\n").partition(",")
    hashed, _, size = rest.partition(",")
    changes = {
        "another hash": [f"{name},{hashed[:-1]}_,{size}\n"] if hashed else [f"{name},sha256=a,1\n"],
        "another size": [f"{name},{hashed},{size}0\n"],
        "another path": [f"../{name},{rest}\n"],
        "the same path in other words": [f"x/../{name},{rest}\n"],
        "quotation marks": [f'"{name}",{rest}\n'],
        "no line": [],
        "two lines": [lines[at], lines[at]],
        "another end of the line": [lines[at].replace("\r\n", "\n") if "\r" in lines[at] else
                                    lines[at].replace("\n", "\r\n")],
        "one more line": [lines[at], "more.py,sha256=a,1\n"],
    }  # fmt: skip
    what = bench.rng.choice([*changes, "another order"])
    if what == "another order":
        to = bench.rng.randrange(len(lines))
        lines[at], lines[to] = lines[to], lines[at]
    else:
        lines[at : at + 1] = changes[what]
    content = "".join(lines).encode()
    if content == bench.content(path):
        raise Unfit
    bench.write(path, content, keep_time=True)
    return _one(f"line {at}: {what}", path)


# --- JSON ----------------------------------------------------------------------------------------


def direct_url(bench: Bench) -> Change:
    """Any field of a direct_url.json."""
    path = bench.pick([path for path in bench.files if path.endswith("direct_url.json")])
    document = json.loads(bench.content(path))
    changes: dict[str, Callable[[], object]] = {
        "another URL": lambda: document.update(url=document["url"] + "x"),
        "another host": lambda: document.update(url="https://other.example.invalid/badge.git"),
        "a build dir that begins alike": lambda: document.update(
            url=document["url"].replace(BUILD, f"{BUILD}0")
        ),
        "another subdirectory": lambda: document.update(subdirectory="other"),
        "one more field": lambda: document.update(more=1),
        "no origin": lambda: [document.pop(key, None) for key in ("vcs_info", "dir_info")],
        "a hash": lambda: document.update(archive_info={"hash": "sha256=1"}),
    }
    if "vcs_info" in document:
        info = document["vcs_info"]
        changes |= {
            "another commit": lambda: info.update(commit_id="3" * 40),
            "another revision": lambda: info.update(requested_revision="other"),
            "no revision": lambda: info.pop("requested_revision"),
            "another kind of repository": lambda: info.update(vcs="hg"),
        }
    else:
        changes["editable or not"] = lambda: document.update(
            dir_info={"editable": not document.get("dir_info", {}).get("editable", False)}
        )
        changes["editable, as a number"] = lambda: document.update(dir_info={"editable": 1})
    what = bench.rng.choice(sorted(changes))
    changes[what]()
    content = json.dumps(document).encode()
    if content == bench.content(path):
        raise Unfit
    bench.write(path, content, keep_time=True)
    return _one(what, path)


def earlier_build(bench: Bench) -> Change:
    """The build dir of an earlier build, in the one side or the other."""
    found = [path for path in bench.files if path.endswith("direct_url.json")]
    path = bench.pick([path for path in found if BUILD in (bench.base / path).read_text()])
    content = bench.content(path).replace(BUILD.encode(), EARLIER.encode())
    bench.write(path, content, keep_time=True)
    side = bench.rng.choice(list(Side))
    what, paths = f"the earlier build dir in {path!r}", frozenset({path})
    if side is Side.CLEAN:
        return Change(what=what, paths=paths, side=side)
    return Change(
        what=what, paths=paths, levels=frozenset({Level.NOTED}), why=FROM_EARLIER, side=side
    )


def imported_build_dir(bench: Bench) -> Change:
    """The build dir of an earlier build in what an import, a program or a shell reads."""
    found = [
        path
        for path in bench.plain()
        if path.startswith(".heroku/python") and BUILD.encode() in (bench.base / path).read_bytes()
    ]
    path = bench.pick(found)
    bench.write(path, bench.content(path).replace(BUILD.encode(), EARLIER.encode()))
    # A source that is modified makes its bytecode outdated.
    also = {each for each in bench.files if each.endswith(".pyc")} if path[-3:] == ".py" else set()
    return Change(
        what=f"the earlier build dir in {path!r}", paths=frozenset({path}), also=frozenset(also)
    )


def other_form(bench: Bench) -> Change:
    """The same JSON, written otherwise."""
    path = bench.pick(
        [path for path in bench.files if path.endswith((".json",)) and "info" in path]
    )
    document = json.loads(bench.content(path))
    bench.write(path, json.dumps(document, indent=1, sort_keys=True).encode(), keep_time=True)
    levels = frozenset({Level.DIVERGES, Level.NOTED, Level.SET_ASIDE})
    return Change(what=f"form of {path!r}", paths=frozenset({path}), levels=levels, why=SAME_JSON)


def uv_times(bench: Bench) -> Change:
    """The times that uv notes, and what RECORD says of the file."""
    document = json.loads(bench.content(_UV))
    stamp = {"secs_since_epoch": bench.rng.randrange(2**31), "nanos_since_epoch": 1}
    where = bench.rng.choice(["timestamp", "src"])
    (document if where == "timestamp" else document["directories"])[where] = stamp
    content = json.dumps(document).encode()
    name = "wheely-3.0.dist-info/uv_cache.json"
    before = record_line(name, bench.content(_UV))
    after = record_line(name, content)
    how = bench.rng.choice(["true", "as before", "false"])
    bench.write(_UV, content)
    record_before = bench.content(_UV_RECORD).decode()
    if how == "as before":
        return Change(
            what=f"the time {where} in {_UV!r}, with RECORD {how}", paths=frozenset({_UV}),
            levels=frozenset({Level.SET_ASIDE, Level.DIVERGES}), why=INSTALLED_AT,
        )  # fmt: skip
    if how == "false":
        after = f"{name},sha256={'A' * 43},{len(content)}"
    bench.write(_UV_RECORD, record_before.replace(before, after).encode())
    what = f"the time {where} in {_UV!r}, with a RECORD that is {how}"
    if how == "false":
        return Change(what=what, paths=frozenset({_UV_RECORD}), also=frozenset({_UV}))
    return Change(
        what=what, paths=frozenset({_UV, _UV_RECORD}),
        levels=frozenset({Level.SET_ASIDE}), why=INSTALLED_AT,
    )  # fmt: skip


def uv_facts(bench: Bench) -> Change:
    """Whatever else uv notes."""
    document = json.loads(bench.content(_UV))
    changes: dict[str, dict[str, object]] = {
        "another commit": {"commit": "4" * 40},
        "no commit": {"commit": None},
        "tags": {"tags": True},
        "another variable": {"env": {"A": "2"}},
        "one folder more": {"directories": {**document["directories"], "more": None}},
        "another folder": {"directories": {"other": document["directories"]["src"]}},
        "no time": {"timestamp": None},
        "a folder without a time": {"directories": {"src": None}},
        "one field more": {"more": 1},
    }
    what = bench.rng.choice(sorted(changes))
    bench.write(_UV, json.dumps({**document, **changes[what]}).encode(), keep_time=True)
    return _one(what, _UV)


def environment(bench: Bench) -> Change:
    """A line of a virtual environment's file."""
    lines = list(VENV_LINES)
    at = bench.rng.randrange(len(lines))
    how = bench.rng.choice(["the earlier build dir", "another build dir", "gone", "twice"])
    if how == "gone":
        del lines[at]
    elif how == "twice":
        lines.insert(at, lines[at])
    else:
        lines[at] = lines[at].replace(BUILD, EARLIER if how[:3] == "the" else f"{BUILD}0")
    if lines == list(VENV_LINES):
        raise Unfit
    bench.write(VENV, "".join(f"{line}\n" for line in lines).encode())
    what, side = f"{how} in line {at} of {VENV!r}", bench.rng.choice(list(Side))
    only_told = VENV_LINES[at].startswith(("executable", "command"))
    if how == "the earlier build dir" and only_told and side is Side.CACHED:
        return Change(
            what=what, paths=frozenset({VENV}), levels=frozenset({Level.NOTED}),
            why=MADE_IN_EARLIER, side=side,
        )  # fmt: skip
    return Change(what=what, paths=frozenset({VENV}), side=side)


# --- the rest ------------------------------------------------------------------------------------


def metadata(bench: Bench) -> Change:
    """A file of a distribution's metadata: another content, gone, or new."""
    found = [path for path in bench.files if path.endswith(".dist-info/METADATA")]
    info = bench.pick(found).rpartition("/")[0]
    name = bench.rng.choice(
        ["METADATA", "INSTALLER", "WHEEL", "REQUESTED", "entry_points.txt", "top_level.txt"]
    )
    path = f"{info}/{name}"
    if not os.path.lexists(bench.base / path):
        bench.touch(path).write_text("new\n")
        return _one("a new one", path)
    how = bench.rng.choice(["gone", "another version", "another requirement", "another installer"])
    content = bench.content(path)
    changed = {
        "another version": content.replace(b"Version: ", b"Version: 9"),
        "another requirement": content + b"Requires-Dist: more\n",
        "another installer": b"uv",
    }
    if how == "gone" or changed[how] == content:
        bench.remove(path)
        return _one("the end", path)
    bench.write(path, changed[how])
    return _one(how, path)


KINDS: dict[str, Make] = {
    "RECORD: a line": record,
    "direct_url.json: a field": direct_url,
    "direct_url.json: an earlier build dir": earlier_build,
    "JSON: another form": other_form,
    "an earlier build dir in what is run": imported_build_dir,
    "uv_cache.json: a time": uv_times,
    "uv_cache.json: a field": uv_facts,
    "pyvenv.cfg: a line": environment,
    "metadata: a file": metadata,
}
