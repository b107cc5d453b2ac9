"""The harness's modules keep to their rooms: who may import what, and who may speak or exit."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harness"

# From the ground up: a room imports from those before it, never from one after it.
FLOORS = (
    "errors", "bundled", "plugins", "trees", "storage", "scenarios", "stack", "sandboxes",
    "internet", "ecosystems", "buildpacks", "builds", "verdicts", "diagnosis", "reports", "runs",
    "commands", "pytest_plugin", "cli", "__main__",
)  # fmt: skip
# Imports that still go up; the list only ever gets shorter.
UPWARD: set[tuple[str, str]] = set()
# Words of one language's packages, and who besides its ecosystem says them; the first list only
# ever gets shorter. The second is about the harness's own code, which is Python: its plug-ins are
# distributions, and apps are copied without what Python leaves when somebody runs them in place.
OF_PYTHON = {
    "dist-info": r"dist-info", "egg-info": r"egg-(?:info|link)", ".pyc": r"\.pyc\b",
    "site-packages": r"site-packages", "__pycache__": r"__pycache__", "RECORD": r"\bRECORD\b",
    "pyvenv.cfg": r"pyvenv", "pip": r"\bpip\b", "wheel": r"\b[Ww]heels?\b",
}  # fmt: skip
SPOKEN_OUTSIDE = {
    "harness/buildpacks/platform.py": {"pip", "wheel"},
    "harness/internet/trust.py": {"pip"},
    "harness/stack/image.py": {"pip", "wheel"},
}
SPOKEN_OF_ITSELF = {
    "harness/plugins/entry_points.py": {"dist-info", "egg-info", "__pycache__", "pip"},
    "harness/scenarios/tree.py": {"__pycache__"},
}
MOST_PARAMETERS = 6
PURE = {
    "harness.diagnosis", "harness.reports",
    "harness.ecosystems.python.ages", "harness.ecosystems.python.app_pythons",
    "harness.ecosystems.python.bytecode",
    "harness.ecosystems.python.bytecode_difference", "harness.ecosystems.python.bytecode_use",
    "harness.ecosystems.python.distributions", "harness.ecosystems.python.explanation",
    "harness.ecosystems.python.fetches", "harness.ecosystems.python.install_log",
    "harness.ecosystems.python.installation", "harness.ecosystems.python.reuse",
    "harness.ecosystems.python.rules", "harness.ecosystems.reuse", "harness.internet.forge_urls",
    "harness.runs.demand", "harness.runs.plan", "harness.runs.tasks",
    "harness.scenarios.imported", "harness.scenarios.line_edits", "harness.scenarios.toml_text",
    "harness.trees.difference", "harness.trees.explainer", "harness.trees.git",
    "harness.trees.manifest",
    "harness.verdicts.cache_expectations", "harness.verdicts.compare",
    "harness.verdicts.divergence", "harness.verdicts.lack", "harness.verdicts.log_expectations",
    "harness.verdicts.nearest_lines", "harness.verdicts.owners",
    "harness.verdicts.result", "harness.verdicts.reuse",
}  # fmt: skip
IMPURE_IMPORTS = {
    "asyncio", "docker", "fcntl", "git", "gitdb", "glob", "http", "importlib", "mmap",
    "multiprocessing", "os", "pathlib", "psutil", "pty", "requests", "select", "shutil", "signal",
    "socket", "socketserver", "ssl", "subprocess", "sys", "tempfile", "threading", "urllib.request",
    "urllib3",
}  # fmt: skip
FILE_CALLS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "rmdir",
    "touch", "rename", "rglob", "iterdir", "stat", "lstat", "symlink_to", "chmod", "is_file",
    "is_dir", "exists",
}  # fmt: skip
SPEAKERS = {"cli", "commands", "pytest_plugin", "runs.display"}
# Run inside the sandbox as programs of their own.
SCRIPTS = frozenset(
    {"harness.ecosystems.python.releases.hooks", "harness.sandboxes.bind_listeners"}
)
SPEAKING = {
    "print", "input", "exit", "quit", "sys.exit", "os._exit", "os.abort", "sys.stdout.write",
    "sys.stderr.write", "click.echo", "click.secho", "rich.print", "SystemExit",
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_bytes()) for name, path in MODULES.items()}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported at any depth, and every name that may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> Iterator[str]:
    """The dotted names that are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def importers(*packages: str) -> set[str]:
    return {
        name
        for name, tree in TREES.items()
        if {module.partition(".")[0] for module in imports(tree)} & {*packages}
    }


def is_pure(name: str) -> bool:
    return any(name == pure or name.startswith(f"{pure}.") for pure in PURE)


def room(name: str) -> str:
    """The room that a module is in; empty for the package itself."""
    return name.partition(".")[2].partition(".")[0]


def upward(name: str, tree: ast.AST) -> set[tuple[str, str]]:
    """The rooms from and to which a module's imports go up."""
    own = room(name)
    to = {room(module) for module in imports(tree) if module.startswith("harness.")} - {own, ""}
    return {(own, other) for other in to & {*FLOORS} if FLOORS.index(other) > FLOORS.index(own)}


def impurities(tree: ast.AST) -> set[str]:
    named = {*imports(tree)}
    modules = (named | {module.partition(".")[0] for module in named}) & IMPURE_IMPORTS
    return modules | {call for call in calls(tree) if call.rpartition(".")[2] in FILE_CALLS}


def spoken(tree: ast.AST) -> set[str]:
    return set(calls(tree)) & SPEAKING


def local_imports(name: str) -> set[str]:
    return {module for module in imports(TREES[name]) if module in TREES} - {name}


def too_many_parameters(tree: ast.AST) -> set[str]:
    """The functions with more parameters than are allowed, `self` and `cls` not counted."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            names = {each.arg for each in named if each is not None} - {"self", "cls"}
            if len(names) > MOST_PARAMETERS:
                found.add(node.name)
    return found


def cycle(graph: dict[str, set[str]]) -> tuple[str, ...]:
    """A way from a node back to itself; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, above: tuple[str, ...]) -> tuple[str, ...]:
        if node in above:
            return (*above[above.index(node) :], node)
        if node in done:
            return ()
        for after in sorted(graph.get(node, ())):
            if found := walk(after, (*above, node)):
                return found
        done.add(node)
        return ()

    return next((found for node in sorted(graph) if (found := walk(node, ()))), ())


def test_the_modules_are_all_seen() -> None:
    assert {"harness", "harness.cli", "harness.sandboxes.docker"} <= MODULES.keys()
    assert MODULES.keys() >= PURE
    assert {room(name) for name in MODULES} - {""} <= {*FLOORS}


def test_few_files_stand_outside_the_rooms() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.suffix == ".py"]) <= 6


def test_imports_go_down() -> None:
    assert set().union(*(upward(*module) for module in TREES.items())) == UPWARD


@pytest.mark.parametrize(
    ("name", "planted"),
    [("harness.trees.scan", "from harness.verdicts.compare import compare"),
     ("harness.storage.store", "def f():\n from harness.runs import plan"),
     ("harness.reports.json", "import harness.commands.output"),
     ("harness.verdicts.judge", "from harness import cli")],
)  # fmt: skip
def test_an_import_that_goes_up_would_be_seen(name: str, planted: str) -> None:
    assert upward(name, ast.parse(planted))


def test_only_the_docker_sandbox_imports_docker() -> None:
    found = importers("docker")
    assert found
    assert {name for name in found if not name.startswith("harness.sandboxes.docker.")} == set()


def backends_named(text: str) -> set[str]:
    """Kinds of sandbox, and their programs, that a source names."""
    return set(re.findall("docker|bubblewrap|bwrap", text.lower()))


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room(name) != "sandboxes"))
def test_only_the_sandboxes_name_a_kind_of_sandbox(name: str) -> None:
    assert backends_named(MODULES[name].read_text()) == set()


@pytest.mark.parametrize(
    "planted",
    ['if name == "docker":', "# as Docker does", "hint='install bubblewrap'", "BWRAP = 1"],
)
def test_a_kind_of_sandbox_would_be_seen(planted: str) -> None:
    assert backends_named(planted)


def words_of_python(path: str, text: str) -> set[str]:
    """The words of Python's packages that a module says and should not."""
    if path.startswith("harness/ecosystems/python/"):
        return set()
    return {word for word, pattern in OF_PYTHON.items() if re.search(pattern, text)}


def test_only_python_s_ecosystem_speaks_of_its_packages() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in MODULES.values()}
    spoken = {path: words for path, text in texts.items() if (words := words_of_python(path, text))}
    assert spoken == {**SPOKEN_OUTSIDE, **SPOKEN_OF_ITSELF}


@pytest.mark.parametrize("planted", ["x.endswith('.pyc')", "a/site-packages/b", "# as pip does"])
def test_a_word_of_python_s_elsewhere_would_be_seen(planted: str) -> None:
    assert words_of_python("harness/verdicts/compare.py", planted)
    assert not words_of_python("harness/ecosystems/python/rules.py", planted)
    assert not words_of_python("harness/verdicts/compare.py", "a pipe, RECORDING, recorded")


def test_locks_are_taken_in_one_place() -> None:
    # A script that runs inside sandboxes asks the kernel for an interface's state by it.
    assert importers("fcntl") == {"harness.storage.locks", "harness.sandboxes.bind_listeners"}


# Paths, programs and stacks of the platforms that run classic buildpacks.
OF_PLATFORMS = re.compile(r"/tmp/env|bin/compile|/app\b(?!/)|heroku-\d|\.heroku|\.scalingo")
# Runtimes are packed as Heroku packs them: for the place at which its apps have them.
SPEAKS_OF_PLATFORMS = {"harness/ecosystems/python/runtimes/layout.py"}


def test_only_kinds_of_buildpacks_know_platforms() -> None:
    spoken = {
        str(path.relative_to(ROOT))
        for name, path in MODULES.items()
        if room(name) != "buildpacks" and OF_PLATFORMS.search(path.read_text())
    }
    assert spoken == SPEAKS_OF_PLATFORMS


@pytest.mark.parametrize("planted", ['cwd="/app"', "bin/compile BUILD", 'stack = "heroku-24"'])
def test_a_platform_elsewhere_would_be_seen(planted: str) -> None:
    assert OF_PLATFORMS.search(planted)


def test_only_history_knows_gitpython() -> None:
    assert importers("git", "gitdb") == {"harness.scenarios.history"}


@pytest.mark.parametrize("name", sorted(filter(is_pure, MODULES)))
def test_pure_rooms_touch_nothing_outside(name: str) -> None:
    assert impurities(TREES[name]) == set()


def speaks(name: str) -> bool:
    inside = name.partition(".")[2]
    return name in SCRIPTS or any(
        inside == speaker or inside.startswith(f"{speaker}.") for speaker in SPEAKERS
    )


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not speaks(name)))
def test_only_the_outermost_modules_print_and_exit(name: str) -> None:
    assert spoken(TREES[name]) == set()


def test_no_module_imports_itself_through_others() -> None:
    assert cycle({name: local_imports(name) for name in MODULES}) == ()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_function_takes_more_than_six_parameters(name: str) -> None:
    assert too_many_parameters(TREES[name]) == set()


@pytest.mark.parametrize(
    "planted",
    ["def f(a, b, /, c, d, *, e, f, g): ...", "async def f(a, b, c, d, e, *f, **g): ...",
     "class C:\n def f(self, a, b, c, d, e, f, *, g=1): ..."],
)  # fmt: skip
def test_too_many_parameters_would_be_seen(planted: str) -> None:
    assert too_many_parameters(ast.parse(planted)) == {"f"}


@pytest.mark.parametrize(
    "allowed",
    ["class C:\n def f(self, a, b, c, d, *, e, f): ...", "def f(a, b, c, *, d, e, f): ...",
     "class C:\n a: int\n b: int\n c: int\n d: int\n e: int\n f: int\n g: int"],
)  # fmt: skip
def test_six_parameters_and_the_fields_of_data_are_allowed(allowed: str) -> None:
    assert too_many_parameters(ast.parse(allowed)) == set()


@pytest.mark.parametrize(
    "planted",
    ["import subprocess", "from os import path", "from urllib import request",
     "def f():\n import socket", "p.read_text()", "open('x')"],
)  # fmt: skip
def test_an_impurity_would_be_seen(planted: str) -> None:
    assert impurities(ast.parse(planted))


@pytest.mark.parametrize("planted", ["print(1)", "sys.exit(2)", "def f():\n  click.echo('x')"])
def test_speaking_would_be_seen(planted: str) -> None:
    assert spoken(ast.parse(planted))


def test_a_cycle_would_be_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycle(graph) == ("b", "c", "b")
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ()


def registries() -> tuple[bytes, ...]:
    """Hosts of package registries, put together so that this file does not name them either."""
    hosts = (
        ("pypi", "org"), ("pythonhosted", "org"), ("deb", "debian", "org"),
        ("security", "debian", "org"), ("ftp", "debian", "org"), ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"), ("security", "ubuntu", "com"), ("ports", "ubuntu", "com"),
        ("registry", "npmjs", "org"), ("crates", "io"), ("rubygems", "org"), ("ghcr", "io"),
        ("registry-1", "docker", "io"), ("index", "docker", "io"), ("proxy", "golang", "org"),
    )  # fmt: skip
    return tuple(".".join(parts).encode() for parts in hosts)


def test_no_tracked_file_names_a_registrys_host() -> None:
    listed = subprocess.run(
        ("git", "-C", str(ROOT), "ls-files", "-z"), capture_output=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 100
    naming = [
        (str(path.relative_to(ROOT)), host.decode())
        for path in files
        if path.is_file()
        for host in registries()
        if host in path.read_bytes().lower()
    ]
    assert naming == []
