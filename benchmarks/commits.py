"""What a scenario's builds are made from, for benchmarks that run them one by one."""

from harness.buildpacks.source import at_revision
from harness.runs.plan import Commit, plan
from harness.runs.session import Session
from harness.scenarios.scenario import Scenario


def commits_of(scenario: Scenario, session: Session) -> list[Commit]:
    """The commits of a scenario against the session's buildpack, in order."""
    spec = session.settings.buildpack
    stages = scenario.stages(session.serving.pythons(scenario.python_slots(), spec))
    pairs = plan(
        scenario,
        stages,
        buildpack=lambda revision: at_revision(spec, revision) if revision else spec,
        digest=session.inputs.key,
    )
    return [pair.commit for pair in pairs]
