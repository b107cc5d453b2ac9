"""Whatever two builds leave, each thing has one word, and no build reuses what it has not got."""

from dataclasses import replace

from comparing import parts_of
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.buildpacks.classic import ClassicKind
from harness.ecosystems.python.ages import Ages
from harness.ecosystems.python.distributions import Distribution
from harness.ecosystems.python.fetches import Sorter
from harness.ecosystems.python.install_log import InstallLog
from harness.ecosystems.python.reuse import Traces
from harness.ecosystems.reuse import Needs, Part, Reuse
from harness.internet import Request
from harness.verdicts.reuse import whole

_NAMES = ("a", "b", "pip", "wheel")
_NEEDS = Needs(routes=ClassicKind().routes, tools=frozenset({"pip", "wheel"}))
_LANDMARK = "py/lib/python3.11/os.py"


def _get(url: str) -> Request:
    return Request(method="GET", url=url, status=200)


_REQUESTS = st.lists(
    st.sampled_from(
        [
            *(_get(f"https://x.example/simple/{n}/0/{n}-1.0-py3-none-any.whl") for n in _NAMES),
            *(_get(f"https://x.example/simple/{name}/") for name in _NAMES),
            *(
                Request(
                    method="POST",
                    url=f"https://github.com/acme/{name}.git/git-upload-pack",
                    status=200,
                )
                for name in _NAMES
            ),
            *(
                _get(f"https://runtimes.cache-harness.invalid/python-{version}.tar.zst")
                for version in ("3.11.2", "3.13.5")
            ),
            _get("https://data.example/a"),
        ]
    ),
    max_size=12,
)
_SAID = st.frozensets(st.sampled_from(_NAMES))
_LOGS = st.builds(InstallLog, satisfied=_SAID, installed=_SAID, complete=st.booleans())


def _distribution(name: str) -> Distribution:
    return Distribution(name=name, version="1.0", location="s", metadata=f"s/{name}-1.0.dist-info")


@st.composite
def _traces(draw: st.DrawFn, *, silent: bool = False) -> Traces:
    """A build: whether each project is installed, and each file is old or new, is drawn."""
    installed = draw(st.lists(st.sampled_from(_NAMES), unique=True))
    ages: dict[bool, list[str]] = {True: [], False: []}
    files = [f"s/{n}-1.0.dist-info/{file}" for n in installed for file in ("METADATA", "RECORD")]
    for path in (*files, _LANDMARK):
        ages[draw(st.booleans())].append(path)
    return Traces(
        passed=draw(st.booleans()),
        requests=tuple(draw(_REQUESTS)),
        distributions=tuple(map(_distribution, installed)),
        ages=Ages(old=tuple(ages[True]), new=tuple(ages[False])),
        log=InstallLog() if silent else draw(_LOGS),
    )


@given(cached=_traces(), clean=_traces())
def test_parts_divide_what_there_is(cached: Traces, clean: Traces) -> None:
    parts = parts_of(cached, clean, _NEEDS)
    assert len({one.part for one in parts}) == len(parts)
    for one in parts:
        named = [*one.restored, *one.anew, *one.unknown]
        assert named
        assert len(set(named)) == len(named)
        assert (one.reuse is Reuse.REUSED) == bool(one.restored)
        assert bool(one.basis) == bool(one.restored or one.anew)
    projects = [
        name
        for one in parts
        if one.part in {Part.TOOLS, Part.PACKAGES}
        for name in (*one.restored, *one.anew, *one.unknown)
    ]
    assert len(set(projects)) == len(projects)
    assert {one.name for one in cached.distributions} <= set(projects)


def _sorter(cached: Traces, clean: Traces) -> Sorter:
    installed = frozenset(one.name for one in (*cached.distributions, *clean.distributions))
    return Sorter(
        routes=_NEEDS.routes,
        tools=_NEEDS.tools,
        origins={},
        installed=installed if clean.passed else None,
    )


@given(cached=_traces(), clean=_traces())
def test_nothing_that_was_fetched_is_lost(cached: Traces, clean: Traces) -> None:
    sorter = _sorter(cached, clean)
    parts = {one.part: one for one in parts_of(cached, clean, _NEEDS)}
    for fetch in sorter.fetches(cached.requests):
        if fetch.git:  # it may only have asked where a branch is
            continue
        one = parts[fetch.part]
        assert fetch.name in (*one.restored, *one.anew)


@given(cached=_traces(), clean=_traces(), data=st.data())
def test_the_order_of_requests_has_no_say(
    cached: Traces, clean: Traces, data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(cached.requests))
    again = parts_of(replace(cached, requests=tuple(mixed)), clean, _NEEDS)
    assert again == parts_of(cached, clean, _NEEDS)


@given(build=_traces(silent=True))
def test_a_clean_build_reuses_nothing_when_it_is_held_against_itself(build: Traces) -> None:
    assert whole(parts_of(build, build, _NEEDS)) is not Reuse.REUSED


@given(clean=_traces())
def test_a_build_that_ended_before_it_did_anything_reuses_nothing(clean: Traces) -> None:
    assert parts_of(Traces(passed=False), clean, _NEEDS) == ()


@given(clean=_traces(silent=True))
def test_a_build_that_fetched_nothing_and_lacks_nothing_reused_all(clean: Traces) -> None:
    fetched = {(one.part, one.name) for one in _sorter(clean, clean).fetches(clean.requests)}
    assume(fetched)
    cached = replace(clean, requests=(), passed=True)
    found = parts_of(cached, clean, _NEEDS)
    assert whole(found) is Reuse.REUSED
    # What an app brings itself is fetched by neither, and may be installed anew.
    assert not fetched & {(one.part, name) for one in found for name in one.anew}
