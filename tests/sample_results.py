"""Results of runs, made of values: one of each kind that a report has to show."""

from dataclasses import replace

from harness.ecosystems.reuse import Basis, Part, PartReuse, Reuse
from harness.ecosystems.serving import StandIn
from harness.internet import Request
from harness.trees.explainer import Note
from harness.trees.manifest import Entry, EntryKind
from harness.verdicts.divergence import Divergence, DivergenceKind, SetAside
from harness.verdicts.result import (
    Builds,
    Failure,
    FoundInstead,
    Known,
    Result,
    Run,
    Seconds,
    Step,
    Verdict,
)

FILE = Entry(kind=EntryKind.FILE, mode=0o644, size=5, digest="ab" * 32)
OTHER = replace(FILE, size=1234, digest="cd" * 32)
LINK = Entry(kind=EntryKind.SYMLINK, target="to\udcff")
SITE = ".heroku/python/lib/python3.11/site-packages"
FIRST, SECOND = "1234567890" * 4, "abcdef0123" * 4


def divergence(
    path: str, kind: DivergenceKind = DivergenceKind.LEFTOVER, **rest: object
) -> Divergence:
    """What diverges at a path below site-packages; a file that is left over unless told."""
    facts = {"cached": FILE, "why": "a clean build has nothing here", **rest}
    return Divergence(kind=kind, tree="app", path=f"{SITE}/{path}", **facts)  # type: ignore[arg-type]


def result(*steps: Step, scenario: str = "reuse/x") -> Result:
    """The result of a scenario with these commits."""
    return Result(
        scenario=scenario,
        file=f"{scenario}.toml",
        buildpack="every-input",
        sandbox="docker",
        image="stack:1",
        steps=steps,
    )


def run(*results: Result) -> Run:
    """A run with these results."""
    return Run(results=results, builds=Builds(needed=6, run=4, reused=2))


PARTS = (
    PartReuse(
        part=Part.RUNTIME,
        reuse=Reuse.REUSED,
        basis=(Basis.REQUESTS,),
        restored=("python-3.11.2.tar.zst",),
    ),
    PartReuse(
        part=Part.PACKAGES,
        reuse=Reuse.DISCARDED,
        basis=(Basis.REQUESTS, Basis.LOG),
        anew=("forms", "\udcff", *(f"p{number}" for number in range(9))),
        unknown=("vendored",),
    ),
)
AGREES = Step(
    commit=FIRST,
    message="First [deploy]",
    verdict=Verdict.AGREES,
    reuse=Reuse.EMPTY,
    seconds=Seconds(cached=1.26, clean=2),
    compared=9,
)
REUSED = replace(AGREES, commit=SECOND, message="Deploy again", reuse=Reuse.REUSED)
ONLY_PYTHON = replace(AGREES, reuse=Reuse.REUSED, reuse_parts=PARTS)
DIVERGES = replace(
    AGREES,
    commit=SECOND,
    message="Drop forms",
    verdict=Verdict.DIVERGES,
    reuse=Reuse.DISCARDED,
    reasons=("The Python version has changed",),
    divergences=(
        divergence("forms\udcff/a.py", distribution="forms 1.0.post1", origin="commit 1 “First”"),
        divergence("link", DivergenceKind.TARGET, cached=LINK, clean=replace(LINK, target="b")),
        divergence("gone", DivergenceKind.MISSING, cached=None, clean=FILE),
    ),
    noise=(divergence("noisy", DivergenceKind.CONTENT, clean=FILE),),
    notes=(Note(rule="git-history", why="the checkout has more commits", paths=("src/x/.git",)),),
    set_aside=(SetAside(rule="git-store", count=3),),
    findings=("forms 1.0 is installed, and a clean build has none",),
    unmet=("in the clean build nothing is at x", "in both builds the log does not have 'cache'"),
    found_instead=(
        FoundInstead(
            unmet="in both builds the log does not have 'cache'",
            lines=("line 3: [bold]Caching\x1b[2J", "line 9: cachet"),
        ),
    ),
    refused=(Request(method="GET", url="https://elsewhere/", status=599, refused="no such host"),),
)
UNSTABLE = replace(
    AGREES,
    commit=SECOND,
    message="Add a page",
    verdict=Verdict.UNSTABLE,
    reuse=Reuse.REUSED,
    noise=(divergence("noise", DivergenceKind.CONTENT, clean=OTHER, why="the contents differ"),),
    repeated=True,
    stand_ins=(StandIn(asked="3.14.7", served="3.14.8"),),
)
FAILED = replace(
    AGREES,
    verdict=Verdict.FAILED,
    reuse=Reuse.UNKNOWN,
    failures=(
        Failure(
            arm="clean",
            command="compile",
            how="fails with exit status 4",
            log_tail=("[red]last[/red] line",),
        ),
    ),
)
KNOWN = replace(
    REUSED,
    known=(
        Known(
            divergence=divergence("forms.py", distribution="forms 1.0"),
            reason="Nested files are not looked at.",
            link="https://example.com/1",
        ),
        Known(
            unmet="in the cached build forms.py is there, and nothing should be",
            reason="The same.",
            link="https://example.com/1",
        ),
    ),
)

RUNS = {
    "agreeing": run(result(AGREES, replace(REUSED, reuse_parts=PARTS))),
    "diverging": run(result(AGREES, DIVERGES)),
    "unstable": run(result(AGREES, UNSTABLE)),
    "failed": run(result(FAILED)),
    "not judged": run(replace(result(AGREES), error="nothing to compare\n  try: --compare GLOB")),
    "known": run(result(AGREES, KNOWN)),
    "known no longer": run(
        replace(result(AGREES, KNOWN), stale=("commit 2: what is known does not show any more",))
    ),
    "skipped": run(replace(result(), missing=("pipenv", "hooks"))),
    "two buildpacks": run(
        *(
            replace(result(*steps, scenario=scenario), buildpack=f"../repo@{revision}")
            for revision, scenario, steps in (
                ("v1", "reuse/x", (AGREES, DIVERGES)),
                ("v1", "reuse/y", (AGREES, REUSED)),
                ("v2", "reuse/x", (AGREES, REUSED)),
                ("v2", "reuse/y", (AGREES, REUSED)),
            )
        )
    ),
}
"""A run of each kind, by its name."""
