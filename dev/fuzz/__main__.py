"""Runs the fuzz of the comparison: `python -m dev.fuzz --help`.

.venv/bin/python -m dev.fuzz                    # 10,000 changes
.venv/bin/python -m dev.fuzz --changes 300 --seed 7
.venv/bin/python -m dev.fuzz --only git --changes 500
"""

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click

from dev.fuzz.bench import Level
from dev.fuzz.tree import make
from dev.fuzz.trial import KINDS, Fuzz, Tally, Trial
from harness.storage.store import Store, default_root

_CHECKED = 100  # after so many changes the tree is looked at whether all were undone
_SHOWN = 40


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--changes", default=10_000, help="How many single changes.", show_default=True)
@click.option("--seed", default=1, help="What decides them.", show_default=True)
@click.option("--only", default="", help="Kinds of change whose names hold this.")
@click.option("--without", default="", help="Kinds of change to leave out.")
@click.option("--from", "first", default=0, help="The number of the first change.")
@click.option("--store", type=click.Path(path_type=Path), help="Where wheels are kept.")
def main(
    *, changes: int, seed: int, only: str, without: str, first: int, store: Path | None
) -> None:
    """Changes a tree of real wheels at random, one change at a time, and compares.

    Each change must be reported as a divergence, or be one that may be set aside for a reason. Exit
    status 1 where one is not.
    """
    kinds = [kind for kind in KINDS if only in kind and not (without and without in kind)]
    if not kinds:
        raise click.UsageError(f"no kind of change holds {only!r}: {', '.join(KINDS)}")
    started = time.monotonic()
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    wrong: list[Trial] = []
    unfit: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        base = Path(folder) / "base"
        make(base, store=Store(root=(store or default_root()).resolve()))
        fuzz = Fuzz(base, Path(folder) / "work", seed=seed)
        fuzz.check()
        for number in range(first, first + changes):
            kind = kinds[number % len(kinds)]
            trial = fuzz.trial(number, kind)
            if trial is None:
                unfit.add(kind)
                continue
            tallies[kind].add(trial)
            if trial.faults:
                wrong.append(trial)
            if number % _CHECKED == 0:
                fuzz.check()
                click.echo(f"{number - first} of {changes}, {len(wrong)} wrong", err=True)
        fuzz.check()
    _show(tallies, wrong, unfit, seconds=time.monotonic() - started, seed=seed)
    raise SystemExit(1 if wrong else 0)


def _show(
    tallies: dict[str, Tally], wrong: list[Trial], unfit: set[str], *, seconds: float, seed: int
) -> None:
    total = Tally()
    line = "{:<40}{:>9}{:>7}{:>11}{:>8}{:>7}".format
    click.echo(line("kind of change", *Level, "wrong"))
    for kind, tally in tallies.items():
        click.echo(line(kind, *(tally.levels[level] for level in Level), tally.faults))
        total.levels += tally.levels
        total.whys += tally.whys
        total.faults += tally.faults
    click.echo(line("all", *(total.levels[level] for level in Level), total.faults))
    if total.whys:
        click.echo("\nnot reported as divergences, and why:")
    for why, count in total.whys.most_common():
        click.echo(f"{count:>7}  {why}")
    if unfit:
        click.echo(f"\nnot possible here: {', '.join(sorted(unfit))}")
    for trial in wrong[:_SHOWN]:
        click.echo(f"\nwrong: seed {seed}, number {trial.number}, {trial.kind}")
        click.echo(f"  {trial.change.what}")
        for fault in trial.faults:
            click.echo(f"  {fault}")
    if len(wrong) > _SHOWN:
        click.echo(f"\n… and {len(wrong) - _SHOWN} more")
    count = sum(total.levels.values())
    click.echo(
        f"\n{count} changes in {seconds:.0f} s: {total.faults} are not reported as they should be"
    )


if __name__ == "__main__":
    main()
