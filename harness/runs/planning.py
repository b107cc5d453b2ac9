"""Plans the scenarios of a run with each of its buildpacks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from harness.buildpacks.source import at_revision
from harness.errors import HarnessError, InputError
from harness.runs.case import Case
from harness.runs.plan import plan
from harness.runs.session import Session
from harness.scenarios.gitobjects import commit_shas
from harness.scenarios.history import play_app
from harness.scenarios.scenario import Scenario


def planned_cases(scenarios: Sequence[Scenario], session: Session) -> tuple[Case, ...]:
    """The scenarios with each buildpack of a run, buildpack by buildpack in the scenarios' order.

    What the harness cannot tell of a case is the case's; what a person wrote wrong ends the run.

    Raises:
        InputError: A scenario's file is wrong.
    """
    session.serving.begin_run()
    asked = [(spec, scenario) for spec in session.settings.buildpacks for scenario in scenarios]
    cases = [
        Case(
            number=number,
            scenario=scenario,
            buildpack=spec,
            called=_called(scenario, spec, session),
        )
        for number, (spec, scenario) in enumerate(asked)
    ]
    # All of them before any is planned, which waits for the build tools that it is offered.
    cases = [_attempted(_set_out, case, session) for case in cases]
    return tuple(_attempted(_planned, case, session) for case in cases)


def _called(scenario: Scenario, spec: str, session: Session) -> str:
    several = len(session.settings.buildpacks) > 1
    return f"{scenario.name} with {spec}" if several else scenario.name


def _attempted(step: Callable[[Case, Session], Case], case: Case, session: Session) -> Case:
    """The case a step further, unless something is in its way already or comes into it now."""
    if case.error is not None or case.missing:
        return case
    try:
        return step(case, session)
    except InputError:
        raise
    except HarnessError as error:
        return replace(case, error=error)


def _set_out(case: Case, session: Session) -> Case:
    """Finds what the case's commits are, and begins to fetch what their builds need."""
    serving, spec = session.serving, case.buildpack
    missing = serving.missing(case.scenario.all_needs(), spec, case.scenario.revisions())
    if missing:
        return replace(case, missing=missing)
    pythons = serving.pythons(case.scenario.python_slots(), spec)
    files = session.internet.files(case.scenario, serving.of(spec))
    stages = serving.adapted(spec, case.scenario.stages(pythons, files))
    serving.begin(spec, stages)
    return replace(case, stages=stages)


def _planned(case: Case, session: Session) -> Case:
    """Finds which builds the case's commits need."""
    pairs = plan(
        case.scenario,
        case.stages,
        buildpack=partial(at_revision, case.buildpack),
        digest=session.inputs.key,
    )
    if session.settings.keep:
        name = case.scenario.name.replace("/", "-")
        play_app(case.stages, session.places.folder(f"{name}-app"))
    commits = ((stage.tree, stage.message, stage.time) for stage in case.stages)
    return replace(case, pairs=pairs, shas=commit_shas(commits))
