"""What became of a cache, part by part, told by requests, by times and by the log."""

import pytest
from comparing import parts_of

from harness.buildpacks.classic import ClassicKind
from harness.ecosystems.python.ages import Ages
from harness.ecosystems.python.distributions import Distribution, Source
from harness.ecosystems.python.install_log import InstallLog
from harness.ecosystems.python.reuse import Traces
from harness.ecosystems.reuse import Basis, Needs, Part, PartReuse, Reuse
from harness.internet import Request
from harness.scenarios.scenario_file import ReuseExpectation, ReuseParts
from harness.verdicts.reuse import unmet_reuse, whole

SITE = ".heroku/python/lib/python3.11/site-packages"
LANDMARK = ".heroku/python/lib/python3.11/os.py"
NEEDS = Needs(routes=ClassicKind().routes, tools=frozenset({"pip", "setuptools", "wheel"}))
RUNTIMES = "https://runtimes.cache-harness.invalid"
INDEX = "https://index.example"
NO_AGES, SILENT = Ages(), InstallLog()
FORGE = "https://github.com/acme"


def get(url: str, *, method: str = "GET", status: int = 200) -> Request:
    return Request(method=method, url=url, status=status)


def wheel(name: str, version: str = "1.0") -> Request:
    return get(f"{INDEX}/simple/{name}/{'0' * 64}/{name}-{version}-py3-none-any.whl")


def clone(name: str) -> list[Request]:
    """What git asks to clone, by protocol version 2: where the branches are, then what is there."""
    url = f"{FORGE}/{name}.git"
    post = get(f"{url}/git-upload-pack", method="POST")
    return [get(f"{url}/info/refs?service=git-upload-pack"), post, post]


RUNTIME = get(f"{RUNTIMES}/python-3.11.2.tar.zst")
OTHER_RUNTIME = get(f"{RUNTIMES}/python-3.13.5.tar.zst")
PIP = get(f"{RUNTIMES}/pip-for-3.11.2.tar.zst")


def dist(name: str, version: str = "1.0", source: str = "") -> Distribution:
    return Distribution(
        name=name,
        version=version,
        location=SITE,
        metadata=f"{SITE}/{name}-{version}.dist-info",
        source=Source(url=source) if source else None,
    )


def files(*distributions: Distribution) -> tuple[str, ...]:
    return tuple(
        f"{one.metadata}/{name}" for one in distributions for name in ("METADATA", "RECORD")
    )


def traces(
    *requests: Request,
    old: tuple[()] | list[Distribution] = (),
    new: tuple[()] | list[Distribution] = (),
    passed: bool = True,
    more: Ages = NO_AGES,
    log: InstallLog = SILENT,
) -> Traces:
    """A build: what it fetched, and what is installed in its tree with old and with new times."""
    return Traces(
        passed=passed,
        requests=requests,
        distributions=(*old, *new),
        ages=Ages(old=(*files(*old), *more.old), new=(*files(*new), *more.new)),
        log=log,
    )


def judged(cached: Traces, clean: Traces, needs: Needs = NEEDS) -> dict[Part, PartReuse]:
    return {one.part: one for one in parts_of(cached, clean, needs)}


A, B = dist("a"), dist("b")


# --- by part -----------------------------------------------------------------------------------


def test_python_is_restored_and_packages_are_installed_again() -> None:
    found = judged(
        traces(wheel("a"), wheel("b"), new=[A, B]),
        traces(RUNTIME, wheel("a"), wheel("b"), new=[A, B]),
    )
    assert (found[Part.RUNTIME].reuse, found[Part.PACKAGES].reuse) == (
        Reuse.REUSED,
        Reuse.DISCARDED,
    )
    assert found[Part.PACKAGES].anew == ("a", "b")
    assert whole(found.values()) is Reuse.REUSED


def test_packages_are_restored_and_python_is_fetched_again() -> None:
    found = judged(traces(RUNTIME, old=[A], new=[]), traces(RUNTIME, wheel("a"), new=[A]))
    assert (found[Part.RUNTIME].reuse, found[Part.PACKAGES].reuse) == (
        Reuse.DISCARDED,
        Reuse.REUSED,
    )
    assert found[Part.PACKAGES].basis == (Basis.TIMES,)


def test_all_is_fetched_again() -> None:
    requests = (RUNTIME, PIP, wheel("a"))
    found = judged(traces(*requests, new=[A]), traces(*requests, new=[A]))
    assert {one.reuse for one in found.values()} == {Reuse.DISCARDED}
    assert found[Part.TOOLS].anew == ("pip",)
    assert whole(found.values()) is Reuse.DISCARDED


def test_one_package_is_bumped_and_the_others_stay() -> None:
    newer = dist("a", "2.0")
    found = judged(
        traces(wheel("a", "2.0"), old=[B], new=[newer]),
        traces(RUNTIME, wheel("a", "2.0"), wheel("b"), new=[newer, B]),
    )
    packages = found[Part.PACKAGES]
    assert (packages.restored, packages.anew, packages.reuse) == (("b",), ("a",), Reuse.REUSED)


def test_a_tool_that_the_app_asks_for_is_a_package() -> None:
    tree = [dist("wheel")]
    needs = Needs(routes=ClassicKind().routes, tools=frozenset({"pip"}))
    build = traces(wheel("wheel"), new=tree)
    (found,) = judged(build, build, needs).values()
    assert (found.part, found.anew) == (Part.PACKAGES, ("wheel",))


def test_a_tool_s_other_version_that_a_build_needs_says_nothing_of_the_one_installed() -> None:
    pip, own, needed = dist("setuptools", "70.0"), wheel("setuptools", "70.0"), wheel("setuptools")
    found = judged(traces(needed, new=[pip]), traces(own, needed, new=[pip]))
    assert found[Part.TOOLS].restored == ("setuptools",)


def test_what_belongs_to_no_part_is_a_download() -> None:
    data = get("https://data.example/corpora/stopwords.zip")
    found = judged(traces(new=[]), traces(data))
    assert found[Part.DOWNLOADS].restored == ("stopwords.zip",)


# --- where requests mislead --------------------------------------------------------------------


def test_another_python_is_no_reuse() -> None:
    found = judged(traces(OTHER_RUNTIME), traces(RUNTIME))
    assert (found[Part.RUNTIME].reuse, found[Part.RUNTIME].anew) == (
        Reuse.DISCARDED,
        ("python-3.13.5.tar.zst",),
    )


OLDER, NEWER = (f".heroku/python/lib/python{version}/os.py" for version in ("3.9", "3.11"))


def test_where_a_clean_build_has_another_python_the_cached_build_s_own_is_named() -> None:
    found = judged(traces(more=Ages(old=(OLDER,))), traces(RUNTIME, more=Ages(old=(NEWER,))))
    runtime = found[Part.RUNTIME]
    assert (runtime.reuse, runtime.restored) == (Reuse.REUSED, ("python3.9",))
    assert runtime.instead == ("python-3.11.2.tar.zst",)
    # A Python that lies beside the one that both have is a leftover.
    both = Ages(old=(OLDER, NEWER))
    (runtime,) = judged(traces(RUNTIME, more=both), traces(RUNTIME, more=both)).values()
    assert runtime.instead == ()


def test_what_a_clean_build_needs_for_another_python_tells_nothing_of_the_cache() -> None:
    data = get("https://data.example/3.11/headers.bin")
    backend, backport = wheel("backend"), wheel("backport")
    needed = traces(RUNTIME, PIP, backend, backport, data, wheel("a"), new=[A, dist("backport")])
    found = judged(traces(OTHER_RUNTIME, PIP, wheel("a"), new=[A]), needed)
    assert {part: (one.restored, one.anew) for part, one in found.items()} == {
        Part.RUNTIME: ((), ("python-3.13.5.tar.zst",)),
        Part.TOOLS: ((), ("pip",)),
        Part.PACKAGES: ((), ("a",)),
    }
    assert whole(found.values()) is Reuse.DISCARDED
    # With the same Python it is a sign.
    found = judged(traces(RUNTIME, PIP, wheel("a"), new=[A]), needed)
    assert found[Part.TOOLS].restored == ("backend",)
    assert found[Part.DOWNLOADS].restored == ("headers.bin",)


def test_a_tool_that_may_have_come_with_another_python_is_unknown() -> None:
    pip = dist("pip")
    found = judged(traces(OTHER_RUNTIME, old=[pip]), traces(RUNTIME, PIP, new=[pip]))
    assert found[Part.TOOLS].unknown == ("pip",)
    found = judged(traces(RUNTIME, old=[pip]), traces(RUNTIME, PIP, new=[pip]))
    assert found[Part.TOOLS].restored == ("pip",)


def test_one_of_two_pythons_was_restored() -> None:
    found = judged(traces(RUNTIME), traces(RUNTIME, OTHER_RUNTIME))
    assert found[Part.RUNTIME].reuse is Reuse.REUSED


def test_a_build_that_failed_early_did_not_use_its_cache() -> None:
    assert judged(traces(passed=False), traces(RUNTIME, PIP, wheel("a"), new=[A])) == {}


def test_a_build_that_failed_after_it_restored_used_its_cache() -> None:
    found = judged(traces(old=[A], passed=False), traces(RUNTIME, wheel("a"), new=[A]))
    assert set(found) == {Part.PACKAGES}
    assert found[Part.PACKAGES].reuse is Reuse.REUSED


def test_a_build_that_failed_after_it_fetched_all_discarded_its_cache() -> None:
    found = judged(traces(RUNTIME, passed=False), traces(RUNTIME, wheel("a"), new=[A]))
    assert found[Part.RUNTIME].reuse is Reuse.DISCARDED


def test_what_is_fetched_and_not_installed_is_from_the_cache() -> None:
    source = f"{FORGE}/forms/archive/{'0' * 40}.tar.gz"
    forms = dist("a", source=source)
    found = judged(traces(get(source), old=[forms]), traces(get(source), new=[forms]))
    assert found[Part.PACKAGES].restored == ("a",)


@pytest.mark.parametrize(
    ("log", "clean_log", "word", "basis"),
    [
        (SILENT, SILENT, Reuse.DISCARDED, Basis.REQUESTS),
        (InstallLog(satisfied=frozenset({"a"})), SILENT, Reuse.REUSED, Basis.LOG),
        (SILENT, InstallLog(installed=frozenset({"a"})), Reuse.REUSED, Basis.LOG),
        (InstallLog(installed=frozenset({"a"})), InstallLog(installed=frozenset({"a"})),
         Reuse.DISCARDED, Basis.REQUESTS),
    ],
)  # fmt: skip
def test_what_is_fetched_by_its_url_may_only_be_looked_at(
    log: InstallLog, clean_log: InstallLog, word: Reuse, basis: Basis
) -> None:
    source = f"{FORGE}/forms/archive/{'0' * 40}.tar.gz"
    forms = dist("a", source=source)
    found = judged(
        traces(get(source), new=[forms], log=log), traces(get(source), new=[forms], log=clean_log)
    )
    assert (found[Part.PACKAGES].reuse, found[Part.PACKAGES].basis) == (word, (basis,))
    # A wheel of an index is fetched to be installed, whatever a log says.
    found = judged(traces(wheel("a"), new=[A], log=log), traces(wheel("a"), new=[A], log=clean_log))
    assert found[Part.PACKAGES].anew == ("a",)


def test_what_a_clean_build_installs_and_a_cached_one_has_not_is_no_reuse() -> None:
    assert judged(traces(), traces(wheel("a"), new=[A])) == {}


def test_asking_where_a_branch_is_is_no_fetch() -> None:
    forms = dist("forms", source=f"{FORGE}/forms.git")
    asking = clone("forms")[:2]
    found = judged(traces(*asking, new=[forms]), traces(*clone("forms"), new=[forms]))
    assert found[Part.PACKAGES].unknown == ("forms",)
    found = judged(traces(*clone("forms"), new=[forms]), traces(*clone("forms"), new=[forms]))
    assert found[Part.PACKAGES].anew == ("forms",)


@pytest.mark.parametrize(
    "request_",
    [
        get(RUNTIME.url, method="HEAD"),
        get(RUNTIME.url, status=404),
        get(f"{INDEX}/simple/a/"),
        get(f"{RUNTIMES}/default-python"),
        get(wheel("a").url + ".metadata"),
        get(f"{INDEX}/pypi/a/json"),
        get(f"{FORGE}/a.git/info/refs?service=git-upload-pack"),
    ],
)
def test_asking_is_not_fetching(request_: Request) -> None:
    assert judged(traces(request_), traces(request_)) == {}
    assert judged(traces(), traces(request_)) == {}


# --- where nothing is fetched ------------------------------------------------------------------


def test_an_app_s_wheel_is_restored_by_its_times() -> None:
    found = judged(traces(old=[A]), traces(new=[A]))
    packages = found[Part.PACKAGES]
    assert (packages.reuse, packages.basis, packages.restored) == (
        Reuse.REUSED,
        (Basis.TIMES,),
        ("a",),
    )


def test_an_app_s_wheel_is_new_where_all_else_kept_its_times() -> None:
    found = judged(traces(old=[B], new=[A]), traces(new=[A, B]))
    assert (found[Part.PACKAGES].restored, found[Part.PACKAGES].anew) == (("b",), ("a",))
    # Only Python was restored, and kept its times.
    landmark = Ages(old=(LANDMARK,))
    found = judged(traces(new=[A], more=landmark), traces(RUNTIME, new=[A], more=landmark))
    packages = found[Part.PACKAGES]
    assert (packages.reuse, packages.basis) == (Reuse.DISCARDED, (Basis.TIMES,))


LOSSY, KEPT = Ages(new=(LANDMARK,)), Ages(old=(LANDMARK,))
BOTH = frozenset({"a", "b"})


@pytest.mark.parametrize(
    ("log", "clean_log", "passed", "word", "basis"),
    [
        (SILENT, SILENT, True, Reuse.UNKNOWN, ()),
        (InstallLog(satisfied=BOTH), SILENT, True, Reuse.REUSED, (Basis.LOG,)),
        (InstallLog(complete=True), SILENT, True, Reuse.REUSED, (Basis.LOG,)),
        (InstallLog(installed=BOTH), SILENT, True, Reuse.DISCARDED, (Basis.LOG,)),
        (InstallLog(installed=BOTH), InstallLog(installed=BOTH), True, Reuse.DISCARDED,
         (Basis.LOG,)),
        # Some buildpacks only leave out of their log what was there already.
        (SILENT, InstallLog(installed=BOTH), True, Reuse.REUSED, (Basis.LOG,)),
        (SILENT, InstallLog(installed=BOTH), False, Reuse.UNKNOWN, ()),
        (SILENT, InstallLog(installed=frozenset({"a"})), True, Reuse.REUSED, (Basis.LOG,)),
        (InstallLog(installed=frozenset({"a"})), SILENT, True, Reuse.UNKNOWN, (Basis.LOG,)),
    ],
)  # fmt: skip
def test_where_times_are_lost_the_logs_tell(
    log: InstallLog, clean_log: InstallLog, passed: bool, word: Reuse, basis: tuple[Basis, ...]
) -> None:
    found = judged(
        traces(new=[A, B], more=LOSSY, log=log, passed=passed),
        traces(RUNTIME, new=[A, B], more=KEPT, log=clean_log),
    )
    assert (found[Part.PACKAGES].reuse, found[Part.PACKAGES].basis) == (word, basis)


def test_a_log_that_speaks_of_what_times_disprove_is_not_believed() -> None:
    log = InstallLog(installed=BOTH)
    found = judged(traces(old=[A], log=log), traces(new=[A]))
    assert found[Part.PACKAGES].restored == ("a",)
    found = judged(
        traces(wheel("a"), new=[A], log=InstallLog(complete=True)), traces(wheel("a"), new=[A])
    )
    assert found[Part.PACKAGES].anew == ("a",)


def test_times_that_an_installer_took_from_an_archive_tell_nothing() -> None:
    found = judged(traces(old=[A]), traces(old=[A]))
    assert found[Part.PACKAGES].unknown == ("a",)


def test_python_that_came_with_the_times_of_this_build_was_copied_from_the_cache() -> None:
    found = judged(traces(more=Ages(new=(LANDMARK,))), traces(more=Ages(old=(LANDMARK,))))
    assert (found[Part.RUNTIME].reuse, found[Part.RUNTIME].basis) == (
        Reuse.REUSED,
        (Basis.TIMES,),
    )


def test_a_virtual_environment_that_a_clean_build_makes_was_restored() -> None:
    mark = ".heroku/python/pyvenv.cfg"
    found = judged(traces(more=Ages(old=(mark,))), traces(more=Ages(new=(mark,))))
    assert found[Part.RUNTIME].reuse is Reuse.REUSED


def test_a_leftover_is_from_the_cache() -> None:
    packages = judged(traces(old=[A]), traces())[Part.PACKAGES]
    assert (packages.restored, packages.basis) == (("a",), (Basis.TIMES,))
    # Its times were lost; no request and no log tells of it.
    packages = judged(traces(new=[A]), traces())[Part.PACKAGES]
    assert (packages.restored, packages.basis) == (("a",), (Basis.TREE,))
    assert judged(traces(new=[A]), traces(passed=False))[Part.PACKAGES].unknown == ("a",)
    found = judged(traces(wheel("a"), new=[A]), traces())
    assert found[Part.PACKAGES].anew == ("a",)


# --- what is fetched and never installed -------------------------------------------------------


def test_a_build_requirement_is_no_package() -> None:
    backend = wheel("backend")
    found = judged(
        traces(backend, wheel("a"), new=[A]), traces(RUNTIME, backend, wheel("a"), new=[A])
    )
    assert (found[Part.TOOLS].anew, found[Part.PACKAGES].anew) == (("backend",), ("a",))
    # The other way round: packages are not reused where only what builds them is.
    found = judged(traces(wheel("a"), new=[A]), traces(backend, wheel("a"), new=[A]))
    assert found[Part.TOOLS].reuse is Reuse.REUSED
    assert found[Part.PACKAGES].reuse is Reuse.DISCARDED


def test_an_archive_that_nothing_is_installed_from_is_a_download() -> None:
    archive = get(f"{FORGE}/theme/archive/main.tar.gz")
    found = judged(traces(wheel("a"), new=[A]), traces(archive, wheel("a"), new=[A]))
    assert (found[Part.DOWNLOADS].restored, found[Part.PACKAGES].anew) == (("theme",), ("a",))


def test_what_a_failed_build_was_to_install_is_a_package() -> None:
    both = traces(wheel("a"), passed=False)
    assert judged(both, both)[Part.PACKAGES].anew == ("a",)


# --- the whole ---------------------------------------------------------------------------------


def part(reuse: Reuse, which: Part = Part.PACKAGES) -> PartReuse:
    return PartReuse(part=which, reuse=reuse)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ((), Reuse.UNKNOWN),
        ((Reuse.UNKNOWN,), Reuse.UNKNOWN),
        ((Reuse.DISCARDED, Reuse.UNKNOWN), Reuse.DISCARDED),
        ((Reuse.DISCARDED, Reuse.REUSED), Reuse.REUSED),
    ],
)
def test_the_plain_word(words: tuple[Reuse, ...], word: Reuse) -> None:
    assert whole(map(part, words)) is word


# --- what a scenario expects -------------------------------------------------------------------

WANTED = ReuseExpectation.REUSED


@pytest.mark.parametrize(
    ("wanted", "reuse", "parts", "unmet"),
    [
        (None, Reuse.DISCARDED, (), []),
        (WANTED, Reuse.UNKNOWN, (), []),
        (WANTED, Reuse.REUSED, (part(Reuse.DISCARDED),), []),
        (WANTED, Reuse.DISCARDED, (), ["the cache is discarded, and should be reused"]),
        (WANTED, Reuse.EMPTY, (), ["the cache is empty, and should be reused"]),
        (ReuseParts(packages=WANTED), Reuse.DISCARDED, (), []),
        (ReuseParts(packages=WANTED), Reuse.REUSED, (part(Reuse.UNKNOWN),), []),
        (ReuseParts(packages=WANTED), Reuse.DISCARDED, (part(Reuse.REUSED),), []),
        (
            ReuseParts(packages=WANTED, runtime=WANTED),
            Reuse.REUSED,
            (part(Reuse.REUSED, Part.RUNTIME), part(Reuse.DISCARDED)),
            ["the cache's packages are fetched again, and should be reused"],
        ),
        (
            ReuseParts(runtime=ReuseExpectation.DISCARDED),
            Reuse.REUSED,
            (part(Reuse.REUSED, Part.RUNTIME),),
            ["the cache's runtime is reused, and should be discarded"],
        ),
        (
            ReuseParts(packages=WANTED, runtime=WANTED),
            Reuse.EMPTY,
            (),
            [
                "the cache is empty, and its runtime should be reused",
                "the cache is empty, and its packages should be reused",
            ],
        ),
    ],
)
def test_what_is_expected_and_does_not_come_is_told(
    wanted: ReuseExpectation | ReuseParts | None,
    reuse: Reuse,
    parts: tuple[PartReuse, ...],
    unmet: list[str],
) -> None:
    assert list(unmet_reuse(wanted, reuse, parts)) == unmet
