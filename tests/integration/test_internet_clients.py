"""Unmodified git, curl, pip, uv and Python reach the sealed internet without flags."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from git_repositories import commit, git
from stores import machine_store
from traces import need

from harness.bundled import bundled_repositories
from harness.ecosystems.python.index.package_index import PythonIndex
from harness.ecosystems.python.releases.build import build_release
from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.ecosystems.python.tools.single import fetch_tool
from harness.ecosystems.serving import Workshop
from harness.errors import ReleaseError
from harness.internet import Download, Internet, Release, Repository, Request
from harness.internet.server import InternetServer
from harness.internet.trust import Authority, trust_env, trust_mounts
from harness.sandboxes import RESOLVER_OPTIONS, Job, Limits, Mount, Outcome
from harness.sandboxes.bubblewrap import BubblewrapSandbox
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.scenarios.fork import load_fork
from harness.scenarios.history import play_fork
from harness.scenarios.tree import File, Tree
from harness.storage.store import Store

pytestmark = [pytest.mark.bubblewrap, pytest.mark.timeout(600)]

OLD_PIP, NEW_PIP = "pip==22.0.4", "pip==25.0.1"

PYPROJECT = b"""\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "acme-forms"
version = "%s"
requires-python = ">=3.8"
[tool.setuptools.package-data]
forms = ["*.html"]
"""


def project(version: bytes, html: bytes) -> Tree:
    return Tree(
        entries={
            "pyproject.toml": File(data=PYPROJECT % version),
            "forms/__init__.py": File(data=b"VERSION = '%s'\n" % version),
            "forms/page.html": File(data=html),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    outcome: Outcome
    text: str
    log: tuple[Request, ...]

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.log]


@dataclass(slots=True, kw_only=True)
class Clients:
    """A sandbox, a server and an internet; each job of a test runs in it."""

    sandbox: BubblewrapSandbox
    server: InternetServer
    authority: Authority
    internet: Internet
    shas: dict[str, str]
    folder: Path
    mounts: tuple[Mount, ...] = ()
    pips: dict[str, str] = field(default_factory=dict)

    def run(
        self, script: str, *, env: dict[str, str] | None = None, internet: Internet | None = None
    ) -> Said:
        output = bytearray()
        log: list[Request] = []
        job = Job(
            argv=("bash", "-euc", script),
            env=(
                ("HOME", "/tmp/home"),
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("LC_ALL", "C.UTF-8"),
                *(env or {}).items(),
            ),
            cwd="/tmp",
            mounts=(*trust_mounts(self.authority, self.folder), *self.mounts),
            limits=Limits(seconds=240),
        )
        serve = self.server.serving(internet or self.internet, log.append)
        outcome = self.sandbox.run(job, serve=serve, on_output=output.extend)
        return Said(outcome=outcome, text=output.decode(errors="replace"), log=tuple(log))

    def succeeds(
        self, script: str, *, env: dict[str, str] | None = None, internet: Internet | None = None
    ) -> Said:
        said = self.run(script, env=env, internet=internet)
        assert said.outcome.status == 0, said.text
        return said


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    need("bubblewrap")
    base = tmp_path_factory.mktemp("clients")
    for name in ("sandbox", "server", "trust"):
        (base / name).mkdir()
    store = machine_store()
    tools = tuple(fetch_tool(pin, store=store) for pin in (*BASE_TOOLS, OLD_PIP))
    sandbox = BubblewrapSandbox(
        SandboxSettings(
            image=BaseImage(name="host"),
            run=f"test-clients-{os.getpid()}",
            scratch=base / "sandbox",
        )
    )
    release = build_release(
        project(b"1.1", b"from the index"),
        Workshop(sandbox=sandbox, scratch=base),
        label="forms@v1.1",
        tools=tuple(t for t in tools if f"{t.project}=={t.version}" != OLD_PIP),
        store=Store(root=base / "store"),
    )
    repository, shas = make_repository(base / "forms.git", base / "work")
    runtime = base / "runtime.tar.zst"
    runtime.write_bytes(b"runtime " * 40000)
    authority = Authority()
    pips = {f"{t.project}=={t.version}": t.files[0] for t in tools if t.project == "pip"}
    mounts = [Mount(source=f.path, target=f"/pips/{pin}/{f.name}") for pin, f in pips.items()]
    if uv := shutil.which("uv", path=os.pathsep.join((scripts(), os.environ["PATH"]))):
        mounts.append(Mount(source=Path(uv), target="/pips/uv"))
    yield Clients(
        sandbox=sandbox,
        server=InternetServer(authority, scratch=base / "server", indexes=[PythonIndex()]),
        authority=authority,
        internet=Internet(
            repositories=(
                repository,
                *(served_fork(name, base) for name in ("invoices", "currencies", "countries")),
            ),
            releases=(*tools, release),
            downloads=(
                Download(
                    host="*.s3.*.example.com",
                    path="/python-3.11.7.tar.zst",
                    file=runtime,
                    sha256=hashlib.sha256(runtime.read_bytes()).hexdigest(),
                ),
            ),
        ),
        shas=shas,
        folder=base / "trust",
        mounts=tuple(mounts),
        pips={pin: f"python3 /pips/{pin}/{file.name}/pip" for pin, file in pips.items()},
    )
    sandbox.close()
    assert not list((base / "server").iterdir()), "the server left files behind"


def scripts() -> str:
    import sysconfig

    return sysconfig.get_path("scripts")


def make_repository(bare: Path, work: Path) -> tuple[Repository, dict[str, str]]:
    work.mkdir()
    git(work, "init", "-q")
    shas = {}
    for name, version, html in (
        ("first", b"1.0", b"first page"),
        ("second", b"1.0", b"second page"),
        ("tip", b"2.0", b"last page"),
        ("unreachable", b"3.0", b"of no branch"),
    ):
        for path, leaf in project(version, html).entries.items():
            assert isinstance(leaf, File)
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_bytes(leaf.data)
        shas[name] = commit(work, name)
    git(work, "clone", "-q", "--bare", str(work), str(bare))
    return (
        Repository(
            owner="acme",
            name="forms",
            objects=bare,
            refs=(("refs/heads/main", shas["tip"]), ("refs/tags/v1.0", shas["first"])),
        ),
        shas,
    )


def served_fork(name: str, folder: Path) -> Repository:
    fork = load_fork(bundled_repositories() / name)
    tips = ((f"refs/heads/{branch}", fork.sha(tip)) for branch, tip in fork.branches)
    tags = ((f"refs/tags/{tag}", fork.sha(named)) for tag, named in fork.tags)
    return Repository(
        owner=fork.owner,
        name=name,
        objects=play_fork(fork, folder / f"{name}.git"),
        refs=(*tips, *tags),
    )


def test_any_name_resolves_and_refusals_come_at_once(clients: Clients) -> None:
    said = clients.run(
        "getent hosts nobody-thought-of.example.org; getent hosts localhost;"
        " curl -sS --max-time 5 https://nobody-thought-of.example.org/a/b?c=d"
    )
    assert "127.0.0.80" in said.text
    assert "refuses GET https://nobody-thought-of.example.org/a/b?c=d" in said.text
    assert said.outcome.seconds < 5
    assert [(r.status, bool(r.refused)) for r in said.log] == [(403, True)]


def test_resolver_is_told_to_be_patient(clients: Clients) -> None:
    said = clients.succeeds("cat /etc/resolv.conf")
    assert f"options {' '.join(RESOLVER_OPTIONS)}" in said.text


def test_there_is_no_other_way_out(clients: Clients) -> None:
    said = clients.run(
        "curl -sS --max-time 5 http://192.0.2.1/ || curl -sS --max-time 5 http://[::1]/"
    )
    assert said.outcome.status == 7, said.text
    assert said.log == ()


def test_curl_fetches_a_download(clients: Clients) -> None:
    url = "https://pythons.s3.dualstack.example.com/python-3.11.7.tar.zst"
    said = clients.succeeds(
        f"curl -sSfI {url}; curl -sSf {url} | sha256sum; curl -sSf {url.replace('https', 'http')}"
        " | sha256sum"
    )
    assert "content-length: 320000" in said.text.lower()
    assert said.text.count(clients.internet.downloads[0].sha256) >= 2
    assert said.urls == [url, url, url.replace("https", "http")]


def test_git_clones_fetches_and_cannot_push(clients: Clients) -> None:
    shas = clients.shas
    url = "https://github.com/acme/forms"
    said = clients.succeeds(
        f"""
        git clone -q {url}.git whole && git -C whole rev-parse HEAD
        git clone -q --filter=blob:none --no-checkout {url} partial
        git -C partial rev-list --objects --all --missing=print | grep -q '^?'
        git -C partial checkout -q {shas["first"]}
        cat partial/forms/page.html
        git init -q pinned && cd pinned
        git fetch -q --depth=1 {url}.git {shas["second"]} && git show FETCH_HEAD:forms/page.html
        git fetch -q {url}.git {shas["unreachable"]} && git show FETCH_HEAD:forms/page.html
        git ls-remote {url}
        git checkout -q FETCH_HEAD
        if git push {url}.git HEAD:refs/heads/main; then exit 9; fi
        if git ls-remote {url}-that-is-not; then exit 9; fi
        """,
        env={"GIT_TERMINAL_PROMPT": "0"},
    )
    for text in (shas["tip"], "first page", "second page", "of no branch", "refs/tags/v1.0"):
        assert text in said.text
    assert "read-only" in said.text
    refused = [request.url for request in said.log if request.refused]
    assert f"{url}.git/info/refs?service=git-receive-pack" in refused
    assert f"{url}-that-is-not/info/refs?service=git-upload-pack" in refused
    assert f"{url}.git/info/refs?service=git-upload-pack" in said.urls


INVOICES = "https://github.com/acme/invoices"
DATA = "invoices/currencies"


def test_git_clones_submodules_of_submodules(clients: Clients) -> None:
    bumped = load_fork(bundled_repositories() / "invoices").sha("bumped")
    said = clients.succeeds(
        f"""
        git clone -q --recurse-submodules {INVOICES}.git whole
        cd whole && git submodule status --recursive
        grep -q 'SK SKK' {DATA}/countries/currency.txt && test -f {DATA}/withdrawn.txt
        git checkout -q {bumped} && git submodule update -q --init --recursive
        grep -q 'SK EUR' {DATA}/countries/currency.txt && test ! -e {DATA}/withdrawn.txt
        git status --porcelain | grep . && exit 9
        cd ..
        git clone -q --depth=1 --branch=v1.0 --recurse-submodules --shallow-submodules \\
          {INVOICES} shallow
        grep -q 'SK SKK' shallow/{DATA}/countries/currency.txt
        """
    )
    pinned = [line.split()[:2] for line in said.text.splitlines() if DATA in line]
    currencies = load_fork(bundled_repositories() / "currencies")
    countries = load_fork(bundled_repositories() / "countries")
    assert pinned == [
        [currencies.sha("v1"), DATA],
        [countries.sha("v1"), f"{DATA}/countries"],
    ]


@pytest.mark.parametrize("pip", [OLD_PIP, NEW_PIP])
def test_pip_brings_submodules_and_an_archive_does_not(clients: Clients, pip: str) -> None:
    bumped = load_fork(bundled_repositories() / "invoices").sha("bumped")
    install = f"{clients.pips[pip]} --isolated install --no-cache-dir -q --target"
    clients.succeeds(
        f"""
        {install} tag 'invoices @ git+{INVOICES}.git@v1.0'
        grep -q 'SK SKK' tag/{DATA}/countries/currency.txt && test -f tag/{DATA}/withdrawn.txt
        {install} sha 'invoices @ git+{INVOICES}.git@{bumped}'
        grep -q 'SK EUR' sha/{DATA}/countries/currency.txt && test ! -e sha/{DATA}/withdrawn.txt
        for ref in v1.0 refs/tags/v1.0 {bumped}; do
          {install} "archive-$ref" "invoices @ {INVOICES}/archive/$ref.tar.gz"
          test -f "archive-$ref/invoices/__init__.py" && test ! -e "archive-$ref/{DATA}"
        done
        """
    )


def test_pip_follows_a_tag_that_moved(clients: Clients) -> None:
    shas = clients.shas
    repository = clients.internet.repositories[0]
    refs = (("refs/heads/main", shas["tip"]), ("refs/tags/v1.0", shas["second"]))
    moved = replace(repository, refs=refs)
    forge = "https://github.com/acme/forms"
    install = f"{clients.pips[NEW_PIP]} --isolated install --no-cache-dir -q --target"
    script = f"""
        {install} git 'acme-forms @ git+{forge}.git@v1.0'; cat git/forms/page.html; echo
        {install} archive 'acme-forms @ {forge}/archive/refs/tags/v1.0.tar.gz'
        cat archive/forms/page.html
        """
    before = clients.succeeds(script).text
    after = clients.succeeds(script, internet=replace(clients.internet, repositories=(moved,))).text
    assert (before.count("first page"), before.count("second page")) == (2, 0)
    assert (after.count("first page"), after.count("second page")) == (0, 2)


def test_git_in_the_old_protocol_and_with_a_large_request(clients: Clients) -> None:
    said = clients.succeeds(
        """
        git -c protocol.version=0 clone -q https://github.com/acme/forms old
        git -C old rev-parse HEAD
        git -C old -c protocol.version=0 fetch -q --depth=1 origin SECOND
        git -C old show FETCH_HEAD:forms/page.html
        cd old; git config user.email t@example.com; git config user.name t
        # Many newer commits of its own make a request so long that git sends it gzipped.
        for n in $(seq 150); do echo "commit refs/heads/b$n
committer t <t@example.com> $((4000000000 + n)) +0000
data <<E
$n
E
"; done | git fast-import --quiet --force
        GIT_TRACE_CURL=1 git -c http.postBuffer=1000000 fetch origin UNREACHABLE 2>&1 |
          grep -ai 'content-encoding: gzip' | head -1
        git show FETCH_HEAD:forms/page.html
        """.replace("UNREACHABLE", clients.shas["unreachable"]).replace(
            "SECOND", clients.shas["second"]
        ),
    )
    assert clients.shas["tip"] in said.text
    assert "second page" in said.text
    assert "of no branch" in said.text
    assert "gzip" in said.text


def test_python_and_its_ssl_need_no_variables(clients: Clients) -> None:
    said = clients.succeeds(
        "python3 -c \"import urllib.request as u; print(u.urlopen('https://github.com/acme/forms"
        f"/archive/{clients.shas['first']}.tar.gz').headers['content-disposition'])\""
    )
    assert f"forms-{clients.shas['first']}.tar.gz" in said.text


@pytest.mark.parametrize("pip", [OLD_PIP, NEW_PIP])
def test_pip_isolated(clients: Clients, pip: str) -> None:
    shas = clients.shas
    install = f"{clients.pips[pip]} --isolated install --no-cache-dir -q --target"
    url = "https://github.com/acme/forms"
    said = clients.succeeds(
        f"""
        {install} index acme-forms; cat index/forms/page.html
        {install} archive 'acme-forms @ {url}/archive/{shas["second"]}.tar.gz'
        cat archive/forms/page.html
        {install} git 'git+{url}.git@{shas["first"]}#egg=acme-forms'; cat git/forms/page.html
        cat git/*.dist-info/direct_url.json
        """
    )
    for text in ("from the index", "second page", "first page", shas["first"]):
        assert text in said.text
    assert any(url.endswith("/simple/acme-forms/") for url in said.urls)


def test_pip_is_told_of_an_unknown_project(clients: Clients) -> None:
    said = clients.run(f"{clients.pips[NEW_PIP]} --isolated install --target x no-such-thing")
    assert "No matching distribution found for no-such-thing" in said.text
    refused = [request for request in said.log if request.refused]
    assert [request.status for request in refused] == [404]
    assert "no release of no-such-thing" in refused[0].refused


def test_uv(clients: Clients) -> None:
    if not any(mount.target == "/pips/uv" for mount in clients.mounts):
        assert os.environ.get("CI") != "true", "uv is among the test tools"
        pytest.skip("needs uv")
    url = f"git+https://github.com/acme/forms@{clients.shas['first']}"
    install = "/pips/uv pip install --quiet --python /usr/bin/python3 --target"
    said = clients.succeeds(
        f"""
        {install} index acme-forms; cat index/forms/page.html
        {install} git 'acme-forms @ {url}'; cat git/forms/page.html
        {install} sub 'invoices @ git+{INVOICES}@v1.0'
        grep -q 'SK SKK' sub/{DATA}/countries/currency.txt
        """,
        env=trust_env(),
    )
    assert "from the index" in said.text
    assert "first page" in said.text


def test_a_release_that_does_not_build_says_why(clients: Clients, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"(?s)broken@x does not build.*status 1.*no way"):
        build_release(
            Tree(entries={"setup.py": File(data=b"raise SystemExit('no way')\n")}),
            Workshop(sandbox=clients.sandbox, scratch=tmp_path),
            label="broken@x",
            tools=tools_of(clients),
            store=Store(root=tmp_path / "store"),
        )
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_release_has_the_same_bytes_again(clients: Clients, tmp_path: Path) -> None:
    (first,) = (each for each in clients.internet.releases if each.project == "acme-forms")
    second = build_release(
        project(b"1.1", b"from the index"),
        Workshop(sandbox=clients.sandbox, scratch=tmp_path),
        label="forms@v1.1",
        tools=tools_of(clients),
        store=Store(root=tmp_path / "another"),
    )
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    for release in (first, second):
        for file in release.files:
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256


def tools_of(clients: Clients) -> tuple[Release, ...]:
    return tuple(
        release
        for release in clients.internet.releases
        if f"{release.project}=={release.version}" in BASE_TOOLS
    )
