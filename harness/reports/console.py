"""The report as text for a terminal: a table, and what a maintainer can act on."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.ecosystems.reuse import Part, PartReuse, Reuse
from harness.reports.counts import builds_line
from harness.reports.entries import facts
from harness.reports.printing import printable
from harness.trees.manifest import escape, parents
from harness.trees.named import shown as shown_path
from harness.verdicts.divergence import Divergence, DivergenceKind
from harness.verdicts.result import CleanMade, Result, Run, Step, Verdict

STYLES = {
    Verdict.AGREES: "green",
    Verdict.DIVERGES: "bold red",
    Verdict.UNSTABLE: "yellow",
    Verdict.FAILED: "magenta",
    Verdict.SKIPPED: "dim",
}
_MOST_PATHS = 12
_WIDTH = max(map(len, DivergenceKind))
_MOST_NAMES = 8
_SHORT_SHA = 7
_SECOND = {"control": "clean build", "repeated": "build with the same cache"}


def render(run: Run) -> RenderableType:
    """The whole run: details of each scenario with something to say, then the table."""
    details = [detail(result) for result in run.results if has_detail(result)]
    spaced = [part for block in details for part in (block, Text())]
    return Group(*spaced, table(run), *_stand_ins(run), Text(builds_line(run.builds)))


def table(run: Run) -> Table:
    """A row a scenario: its verdict, what became of the cache at each commit, and the time."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("scenario", overflow="fold")
    grid.add_column("verdict", no_wrap=True)
    grid.add_column("cache, commit by commit", overflow="fold")
    grid.add_column("cached", justify="right", no_wrap=True)
    grid.add_column("clean", justify="right", no_wrap=True)
    for result in run.results:
        grid.add_row(
            Text(escape(result.scenario)),
            _verdict(result),
            " ".join(_mark(step) for step in result.steps),
            f"{sum(step.seconds.cached for step in result.steps):.1f} s",
            f"{sum(step.seconds.clean for step in result.steps):.1f} s",
        )
    return grid


def has_detail(result: Result) -> bool:
    """Whether a result has more to say than its row in the table."""
    return bool(result.error or result.stale or result.missing) or any(map(_tells, result.steps))


def detail(result: Result) -> Group:
    """What one scenario showed, commit by commit."""
    head = Text.assemble((escape(result.file), "bold"), "  ", _verdict(result))
    lines: list[Text] = [
        head,
        Text(f"  {escape(result.buildpack)} in {result.sandbox}", style="dim"),
    ]
    for number, step in enumerate(result.steps, start=1):
        if _tells(step):
            lines.extend(_step(number, step))
    lines.extend(
        Text(f"  known, but no longer shown: {each}", style="bold red") for each in result.stale
    )
    lines.extend(Text(f"  {line}", style="magenta") for line in result.error.splitlines())
    if result.skipped:
        lines.append(Text(f"  skipped: {result.skipped}", style="dim"))
    for line in lines:
        line.plain = printable(line.plain)
    return Group(*lines)


def _tells(step: Step) -> bool:
    doubtful = step.verdict in {Verdict.UNSTABLE, Verdict.FAILED}
    return bool(doubtful or step.divergences or step.unmet or step.refused or step.known)


def plain(result: Result) -> str:
    """One scenario's detail without colour, for a test's failure text."""
    return "\n".join(str(line) for line in detail(result).renderables)


def _step(number: int, step: Step) -> Iterator[Text]:
    seconds = f"cached {step.seconds.cached:.1f} s, clean {step.seconds.clean:.1f} s"
    yield Text.assemble(
        f"  commit {number} ",
        (step.commit[:_SHORT_SHA], "yellow"),
        f" “{step.message}”: ",
        (str(step.verdict), STYLES[step.verdict]),
        f" (cache {_reuse(step)}; {seconds}; {step.compared} files compared)",
    )
    yield from (Text(f"    {line}", style="dim") for line in _builds(step))
    for sentence in step.findings:
        yield Text(f"    {sentence}", style="bold")
    instead = {one.unmet: one.lines for one in step.found_instead}
    for sentence in step.unmet:
        yield Text(f"    not as expected: {sentence}", style="bold magenta")
        yield from (Text(f"      | {line}", style="dim") for line in instead.get(sentence, ()))
    for (reason, link), count in Counter((each.reason, each.link) for each in step.known).items():
        yield Text(f"    known, {count} of these: {reason} ({link})", style="dim")
    yield from _paths(step.divergences)
    if step.noise:
        paths = "1 path" if len(step.noise) == 1 else f"{len(step.noise)} paths"
        yield Text(f"    {_unstable(step)} in {paths}:")
        yield from _paths(step.noise)
    for note in step.notes:
        more = f" and {len(note.paths) - 1} more" if len(note.paths) > 1 else ""
        yield Text(f"    note: {escape(note.paths[0])}{more} {note.why}", style="dim")
    for aside in step.set_aside:
        yield Text(f"    set aside by rule {aside.rule}: {aside.count}", style="dim")
    for failure in step.failures:
        yield Text(f"    the {failure.arm} build {failure.how}, in {failure.command}:")
        yield from (Text(f"      | {line}", style="dim") for line in failure.log_tail[-15:])
    for request in step.refused:
        yield Text(f"    refused: {request.method} {request.url}", style="dim")


def _builds(step: Step) -> Iterator[str]:
    """How the clean build was made, where in its own way, and what the cached one reused."""
    if step.clean:
        yield f"the clean build was made with {_clean(step.clean)}"
    yield from map(_part, step.reuse_parts)


def _unstable(step: Step) -> str:
    """What shows that a difference may not be the cache's doing."""
    arms = {failure.arm for failure in step.failures}
    for arm, told in _SECOND.items():
        # The first run of the two is among the failures too where it failed.
        if arm in arms:
            return f"a second {told} fails, so the cache may not be the cause,"
    if any(one.kind is DivergenceKind.OUTCOME for one in step.noise):
        return "a second run ends otherwise, so the cache may not be the cause,"
    if step.repeated:
        return "two clean builds, or two builds with the same cache, differ from each other"
    return "two clean builds differ from each other"


def _paths(divergences: tuple[Divergence, ...]) -> Iterator[Text]:
    # A missing or leftover folder stands for what is in it.
    folders = {
        (each.kind, each.tree, each.path)
        for each in divergences
        if each.kind in {DivergenceKind.LEFTOVER, DivergenceKind.MISSING}
    }
    shown = [
        each
        for each in divergences
        if folders.isdisjoint((each.kind, each.tree, folder) for folder in parents(each.path))
    ]
    # What people wrote comes before what tools derived from it.
    for each in sorted(shown, key=lambda one: one.derived)[:_MOST_PATHS]:
        yield Text.assemble("    ", (f"{each.kind:{_WIDTH}}", "red"), " ", _where(each))
        told = "; ".join(part for part in (each.distribution, each.why, _facts(each)) if part)
        yield Text(f"    {'':{_WIDTH}} {told}", style="dim")
    if len(shown) > _MOST_PATHS:
        more = len(shown) - _MOST_PATHS
        yield Text(f"    and {more} more; --report json=FILE has them all", style="dim")


def _where(each: Divergence) -> str:
    if each.kind is DivergenceKind.RELEASE:
        return "what the platform is told"
    return shown_path(each.tree, escape(each.path)) or "the build"


def _facts(each: Divergence) -> str:
    sides = (("cached", each.cached), ("clean", each.clean))
    return ", ".join(f"{side} {facts(entry)}" for side, entry in sides if entry is not None)


def verdict_name(result: Result) -> str:
    """A result's verdict, and whether there is more to it than that."""
    name = str(result.verdict)
    earlier = result.verdict is Verdict.AGREES and any(
        step.verdict is not Verdict.AGREES for step in result.steps
    )
    if earlier:
        name += " (diverged earlier)"
    if any(step.unmet for step in result.steps):
        name += ", unmet"
    if any(step.known for step in result.steps) and not any(
        step.divergences or step.unmet for step in result.steps
    ):
        name += ", known"
    return name + (", stale" if result.stale else "")


def _verdict(result: Result) -> Text:
    return Text(verdict_name(result), style=STYLES[result.verdict])


def _mark(step: Step) -> str:
    marks = [] if step.verdict is Verdict.AGREES else [str(step.verdict)]
    if packages_anew(step):
        marks.append("packages reinstalled")
    if step.clean:
        marks.append(f"clean build with {_clean(step.clean)}")
    return f"{step.reuse}({', '.join(marks)})" if marks else str(step.reuse)


def _clean(clean: CleanMade) -> str:
    """What only the clean build had, by name."""
    told = [*map(escape, clean.files), *clean.env]
    told += [f"the buildpack at {escape(clean.buildpack)}"] if clean.buildpack else []
    return ", ".join(told)


def packages_anew(step: Step) -> bool:
    """Whether the cache was reused, and not for the packages, which were all installed again."""
    return step.reuse is Reuse.REUSED and any(
        one.part is Part.PACKAGES and one.reuse is Reuse.DISCARDED for one in step.reuse_parts
    )


def _part(one: PartReuse) -> str:
    """What became of a part of the cache, by name, and what tells so."""
    told = [f"from the cache: {_named(one.restored)}"] if one.restored else []
    told += [f"new: {_named(one.anew)}"] if one.anew else []
    told += [f"unknown: {_named(one.unknown)}"] if one.unknown else []
    told += [f"a clean build has {_named(one.instead)}"] if one.instead else []
    basis = f" (by {', '.join(one.basis)})" if one.basis else ""
    return f"{one.part} {one.reuse}{basis}: {'; '.join(told)}"


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(map(escape, names[:_MOST_NAMES])) + more


def _reuse(step: Step) -> str:
    reasons = f": {'; '.join(step.reasons)}" if step.reasons else ""
    return str(step.reuse) + reasons


def _stand_ins(run: Run) -> Iterator[Text]:
    taken = {one for result in run.results for step in result.steps for one in step.stand_ins}
    for one in sorted(taken, key=lambda each: (each.asked, each.served)):
        yield Text(f"Python {one.asked} was served by {one.served}", style="dim")
