"""The cache key of the bundled buildpack `every-input`, by its own functions in a real bash."""

import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.bundled import bundled_buildpacks

COMPILE = bundled_buildpacks() / "every-input" / "bin" / "compile"
SHA = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "runtime.txt": "python-3.11.9\n",
    "requirements.txt": "-r requirements/base.txt\n-c constraints.txt\na==1.0\n",
    "requirements/base.txt": "--requirement=deep/more.txt\nb==1.0\n",
    "requirements/deep/more.txt": "c==1.0\n",
    "constraints.txt": "d==1.0\n",
}


@pytest.fixture
def key(tmp_path: Path) -> Callable[..., Any]:
    """The key of an app: compile's own code, but for its last line, which builds."""
    build, env, python = tmp_path / "build", tmp_path / "env", tmp_path / "python"
    env.mkdir()
    python.mkdir()
    *code, last = COMPILE.read_text().splitlines()
    assert last == "compile"
    program = tmp_path / "every-input" / "bin" / "key"
    program.parent.mkdir(parents=True)
    (tmp_path / "every-input" / "lib").symlink_to(bundled_buildpacks() / "lib")
    read = 'cat "$LOG" >"$PIP_LOG"'
    program.write_text("\n".join([*code, read, f"cache_key {python}"]) + "\n")

    def key_of(
        files: dict[str, str] | None = None,
        stack: str = "heroku-22",
        log: str = "",
        exported: dict[str, str] | None = None,
        **config: str,
    ) -> str:
        for name, text in (FILES | (files or {})).items():
            path = build / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, value in config.items():
            (env / name).write_text(value)
        (tmp_path / "log").write_text(f"{log}\n")
        done = subprocess.run(
            ("bash", str(program), str(build), str(tmp_path / "cache"), str(env)),
            env={"PATH": "/usr/bin:/bin", "STACK": stack, "LOG": str(tmp_path / "log")}
            | (exported or {}),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout

    return key_of


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"runtime.txt": "python-3.11.9\n"}, "3.11.9"),
        ({".python-version": "3.13.5\r\n"}, "3.13.5"),
        ({".python-version": "3.13.5", "runtime.txt": "python-3.11.9"}, "3.11.9"),
        ({".python-version": "3.13\n"}, None),
    ],
)
def test_the_python_version_is_a_whole_one_or_is_asked_for(
    tmp_path: Path, files: dict[str, str], version: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    lib = bundled_buildpacks() / "lib" / "build.sh"
    code = f'source "{lib}"; choose_python; python_version'
    done = subprocess.run(
        ("bash", "-c", code, "compile", str(tmp_path), "cache", "env"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if version:
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{version}\n", "")
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert "name a full Python version" in done.stderr


def root(line: str) -> dict[str, str]:
    return {"requirements.txt": f"{line}\n"}


def test_the_same_app_has_the_same_key(key: Callable[..., Any]) -> None:
    assert key() == key() != ""


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_any_file_changes_the_key(key: Callable[..., Any], name: str) -> None:
    before = key()
    assert key({name: FILES[name].replace("1.0", "2.0").replace("3.11", "3.12")}) not in {
        before, "",
    }  # fmt: skip


def test_stack_and_indexes_change_the_key(key: Callable[..., Any]) -> None:
    keys = [key(), key(stack="heroku-24"), key(PIP_EXTRA_INDEX_URL="https://index.invalid/")]
    keys.append(key(PIP_INDEX_URL="https://index.invalid/"))
    assert len(set(keys)) == 4
    assert "" not in keys


@pytest.mark.parametrize(
    "option", ["-r x.txt", "-rx.txt", "-r  x.txt # why", "--requirement x.txt", "-c x.txt",
               "--constraint=x.txt", "-c\tx.txt", "-r x.txt\r"],
)  # fmt: skip
def test_every_way_to_name_a_file_is_followed(key: Callable[..., Any], option: str) -> None:
    before = key({**root(option), "x.txt": "x==1.0\n"})
    assert "" != before != key({**root(option), "x.txt": "x==2.0\n"})


def test_files_that_name_each_other_are_read_once(key: Callable[..., Any]) -> None:
    cycle = {**root("-r x.txt"), "x.txt": "-r requirements.txt\nx==1\n"}
    assert len([line for line in key(cycle).splitlines() if line.endswith(".txt")]) == 2


def test_the_last_line_counts_without_its_end(key: Callable[..., Any]) -> None:
    assert key({"requirements.txt": "a==1\n./b"}) == ""
    assert key({"requirements.txt": "a==1\n-r x.txt", "x.txt": "./b\n"}) == ""


@pytest.mark.parametrize(
    "line",
    [
        "a==1.0",
        "a[extra]==1.0  # why",
        "a [extra] >= 1.0",
        "a==1.0; python_version >= '3.8'",
        "a; python_version=='3.11'",
        "a==1.0 --hash=sha256:00",
        "a>=1.0,<2",
        "a~=1.0",
        "a.b-c_d (>1)",
        "A",
        f"git+https://github.com/o/a.git@{SHA}",
        f"-e git+https://github.com/o/a.git@{SHA}#egg=a",
        f"a @ git+https://github.com/o/a.git@{SHA}",
        f"https://github.com/o/a/archive/{SHA}.zip#egg=a",
        "# a comment",
        "",
    ],
)
def test_what_the_index_or_a_commit_decides_has_a_key(key: Callable[..., Any], line: str) -> None:
    assert key(root(line)) != ""


@pytest.mark.parametrize(
    "line",
    [
        "git+https://github.com/o/a.git",
        "git+https://github.com/o/a.git@main",
        "a @ git+https://github.com/o/a.git@main",
        f"git+https://github.com/o/a.git@main#egg=a=={SHA}",
        f"git+https://github.com/o/a.git@{SHA[:12]}",
        f"git+https://github.com/o/a.git@{SHA}0",
        "-e git+https://github.com/o/a.git@v1.0#egg=a==1.0",
        "-e .",
        ".",
        "./vendored",
        "vendored/a",
        "a-1.0.whl",
        "--find-links vendored",
        "-i https://packages.invalid/simple",
        "https://github.com/o/a/archive/main.zip",
        "-r nowhere.txt",
        "-c nowhere.txt",
    ],
)
def test_what_may_mean_another_thing_tomorrow_has_none(key: Callable[..., Any], line: str) -> None:
    app = {"a-1.0.whl": "an archive of the app's"}
    assert key({**app, **root(line)}) == ""
    nested = {**root("-r requirements/base.txt"), "requirements/base.txt": f"{line}\n"}
    assert key({**app, **nested}) == ""


def test_a_file_that_is_a_link_names_others_from_where_the_link_is(
    key: Callable[..., Any], tmp_path: Path
) -> None:
    link = tmp_path / "build/requirements.txt"
    link.parent.mkdir()
    link.symlink_to("requirements/linked.txt")
    files = {**root("-r x.txt"), "x.txt": "x==1\n", "requirements/x.txt": "x==1\n"}
    (tmp_path / "build/requirements").mkdir()
    before = key(files)
    assert link.is_symlink()
    assert key({**files, "requirements/x.txt": "x==2\n"}) == before != ""
    assert key({**files, "x.txt": "x==2\n"}) != before


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An index: its address, and its folder of pages."""
    pages = tmp_path / "index"
    pages.mkdir()
    handler = partial(_Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", pages
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def publish(pages: Path, project: str, text: str) -> None:
    (pages / project).mkdir(exist_ok=True)
    (pages / project / "index.html").write_text(text)


def log(address: str) -> str:
    """A line of pip's log."""
    return f"2022-03-01T12:00:00,000   Fetching project page and analyzing links: {address}"


def test_what_a_page_says_that_pip_has_read_changes_the_key(
    key: Callable[..., Any], index: tuple[str, Path]
) -> None:
    address, pages = index
    publish(pages, "some-thing", "1.0")
    keys = [key(), key(log=log(f"{address}/some-thing/"))]
    publish(pages, "some-thing", "1.0 1.1")
    keys.append(key(log=log(f"{address}/some-thing/")))
    assert len(set(keys)) == 3
    publish(pages, "another", "1.0")
    assert key(log=log(f"{address}/some-thing/")) == keys[-1]


def test_a_page_that_an_earlier_build_read_counts_as_long_as_its_packages_are_used(
    key: Callable[..., Any], index: tuple[str, Path], tmp_path: Path
) -> None:
    address, pages = index
    publish(pages, "some-thing", "1.0")
    saved = key(log=log(f"{address}/some-thing/"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/key").write_text(saved)
    assert key() == saved
    publish(pages, "some-thing", "1.0 1.1")
    assert key() not in {saved, ""}


def test_an_index_that_cannot_be_reached_leaves_no_key(key: Callable[..., Any]) -> None:
    assert key(log=log("http://127.0.0.1:1/forms/")) == ""


def test_what_buildpacks_before_it_exported_counts_but_for_where_programs_are(
    key: Callable[..., Any],
) -> None:
    before = key()
    assert key(exported={"PATH": "/elsewhere:/usr/bin:/bin", "LD_LIBRARY_PATH": "/x"}) == before
    assert key(exported={"STAMP": "first"}) not in {before, ""}


@pytest.mark.parametrize(
    "harm",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text("other"),
        lambda file: file.chmod(0o600),
        lambda file: os.utime(file, ns=(0, 0)),
        lambda file: (file.unlink(), file.symlink_to("kept")),
        lambda file: (file.parent / "empty").rmdir(),
    ],
    ids=["lost", "changed", "mode", "time", "link", "empty-folder"],
)
def test_a_cache_that_is_not_as_it_was_saved_has_another_key(
    key: Callable[..., Any], tmp_path: Path, harm: Callable[..., Any]
) -> None:
    package = tmp_path / "python/package"
    (package / "empty").mkdir(parents=True)
    for name in ("kept", "file"):
        (package / name).write_text("text!")
        (package / name).chmod(0o644)
    before = key()
    assert key() == before
    harm(package / "file")
    assert key() not in {before, ""}


def test_without_what_is_installed_there_is_no_key(key: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "python").rmdir()
    assert key() == ""


LOCKS = {
    "Pipfile.lock": '"shop": {{\n "{}": "shop"\n}}',
    "poetry.lock": '[package.source]\ntype = "{}"\nurl = "shop"\n',
    "uv.lock": 'source = {{ {} = "shop" }}\n',
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Pipfile.lock", "path"),
        ("Pipfile.lock", "file"),
        ("poetry.lock", "directory"),
        ("poetry.lock", "file"),
        ("uv.lock", "directory"),
        ("uv.lock", "editable"),
        ("uv.lock", "path"),
        ("uv.lock", "registry"),
    ],
)
def test_where_a_lock_names_a_folder_of_the_app_every_file_counts(
    key: Callable[..., Any], name: str, kind: str
) -> None:
    app = {name: LOCKS[name].format(kind), "shop/page.html": "first"}
    before = key(app)
    assert "" != before != key({**app, "shop/page.html": "second"})


def test_modes_and_links_of_the_apps_files_count(key: Callable[..., Any], tmp_path: Path) -> None:
    app = {"uv.lock": LOCKS["uv.lock"].format("directory"), "shop/run": "run"}
    keys = [key(app)]
    (tmp_path / "build/shop/run").chmod(0o755)
    keys.append(key(app))
    for target in ("nowhere", "shop"):
        (tmp_path / "build/link").unlink(missing_ok=True)
        (tmp_path / "build/link").symlink_to(target)
        keys.append(key(app))
    assert len(set(keys)) == 4


@pytest.mark.parametrize("name", LOCKS)
def test_else_the_lock_counts_and_no_other_file(key: Callable[..., Any], name: str) -> None:
    before = key({name: "A lock.\n", "shop/page.html": "first"})
    assert before == key({name: "A lock.\n", "shop/page.html": "second"}) != ""
    assert before != key({name: "Another lock.\n"})


def test_what_an_app_asks_of_its_manager_counts(key: Callable[..., Any]) -> None:
    before = key({"poetry.lock": "A lock.\n", "pyproject.toml": "[tool.poetry]\n"})
    assert before != key({"poetry.lock": "A lock.\n", "pyproject.toml": "[tool.poetry]\n\n"})


def test_a_lock_that_names_a_branch_or_its_archive_leaves_no_key(key: Callable[..., Any]) -> None:
    assert key({"Pipfile.lock": f'"ref": "{SHA}"\n'}) != ""
    assert key({"Pipfile.lock": f'"ref": "{SHA}"\n"ref": "main"\n'}) == ""
    archive = "https://github.com/o/a/archive"
    assert key({"Pipfile.lock": f'"file": "{archive}/{SHA}.tar.gz"\n'}) != ""
    assert key({"Pipfile.lock": f'"file": "{archive}/main.tar.gz"\n'}) == ""


@pytest.mark.parametrize(
    "app",
    [
        root(f"a @ git+https://github.com/o/a.git@{SHA}"),
        {"base.txt": f"https://github.com/o/a/archive/{SHA}.zip\n", **root("-r base.txt")},
        {"uv.lock": f'source = {{ git = "https://github.com/o/a.git#{SHA}" }}\n'},
        {"uv.lock": 'source = { editable = "." }\n'},
        {"poetry.lock": f'type = "git"\nresolved_reference = "{SHA}"\n'},
        {"Pipfile.lock": f'"git": "https://github.com/o/a.git",\n"ref": "{SHA}"\n'},
    ],
)
def test_config_vars_count_where_a_package_is_built_from_its_sources(
    key: Callable[..., Any], app: dict[str, str]
) -> None:
    before = key(app, BANNER="spring")
    assert "" != before != key(app, BANNER="autumn")


@pytest.mark.parametrize(
    "app",
    [
        root("a==1.0"),
        {"uv.lock": 'source = { registry = "https://index.invalid/simple" }\n'},
        {"poetry.lock": 'type = "legacy"\n'},
        {"Pipfile.lock": '"index": "index",\n"version": "==1.0"\n'},
    ],
)
def test_config_vars_do_not_count_where_wheels_are_installed(
    key: Callable[..., Any], app: dict[str, str]
) -> None:
    assert key(app, BANNER="spring") == key(app, BANNER="autumn") != ""


def test_each_manager_has_a_key_of_its_own(key: Callable[..., Any]) -> None:
    keys = [key(), *(key({name: ""}) for name in ("uv.lock", "poetry.lock", "Pipfile.lock"))]
    assert len(set(keys)) == 4
    assert "" not in keys
