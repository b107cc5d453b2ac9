"""Opens the session of a run: makes its parts in order, and removes them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness.builds.result import BuildRecord
from harness.ecosystems.registry import ecosystems, explainers, identities, serving_ecosystems
from harness.ecosystems.serving import Supplies, Workshop
from harness.errors import StoreError
from harness.runs.buildpacks import Buildpacks
from harness.runs.image import make_ready
from harness.runs.inputs import CommitInputs
from harness.runs.internet import CommitInternet
from harness.runs.machine import make_machine
from harness.runs.places import Places
from harness.runs.progress import Observer, Silent
from harness.runs.sandbox import open_run_sandbox
from harness.runs.serving import CommitServing, ecosystems_of, open_suppliers
from harness.runs.session import Session
from harness.runs.settings import Settings
from harness.runs.tapes import open_beyond
from harness.runs.workspace import Workspace, sweep
from harness.sandboxes.registry import backend, choose
from harness.storage.builds import BuildStore
from harness.storage.judgements import Judgements
from harness.storage.upkeep import Upkeep
from harness.trees.explainer import content_policy
from harness.trees.removal import Remover
from harness.verdicts.result import Step


@contextmanager
def open_session(settings: Settings, *, observer: Observer | None = None) -> Iterator[Session]:
    """Sweeps what dead runs left, makes what is missing, and yields the session.

    What a person may have mistyped is checked before anything long is begun.

    Args:
        settings: What the run is asked to use.
        observer: Notes what is made.

    Raises:
        HarnessError: The sandbox, the image, a runtime or the buildpack is unavailable.
    """
    note = (observer or Silent()).note
    store = settings.store
    with ExitStack() as exits:
        sweep(store)
        workspace = exits.enter_context(Workspace.open(store, keep=settings.keep))
        kind = choose(settings.sandbox)
        installed = serving_ecosystems()
        indexes = tuple(each.index for each in installed)
        beyond = exits.enter_context(open_beyond(settings, workspace.folder / "tape", indexes))
        buildpacks = Buildpacks(store, workspace.folder / "buildpacks")
        asked = [buildpacks.get(spec) for spec in settings.buildpacks]
        supplies = Supplies(
            store=store,
            folder=workspace.folder / "served",
            versions=settings.pythons,
            pins=settings.tools,
            toolbox=beyond,
            on_line=note,
        )
        suppliers = exits.enter_context(open_suppliers(ecosystems_of(asked, installed), supplies))
        image, servings = make_ready(settings, backend(kind), suppliers, note)
        sandbox = exits.enter_context(open_run_sandbox(kind, image, workspace))
        remover = exits.enter_context(Remover())
        serving = CommitServing(servings, buildpacks)
        internet = CommitInternet(
            serving,
            Workshop(sandbox=sandbox.sandbox, scratch=workspace.folder),
            folder=workspace.folder / "forks",
            beyond=beyond.identity if beyond else "",
        )
        session = Session(
            settings=settings,
            folder=workspace.folder,
            places=Places(workspace, remover, memory=settings.limits.memory, keep=settings.keep),
            machine=make_machine(sandbox.sandbox, workspace.folder, indexes, beyond),
            image=sandbox.image,
            beyond=beyond,
            buildpacks=buildpacks,
            serving=serving,
            internet=internet,
            inputs=CommitInputs(
                settings,
                ecosystems=identities(),
                sandbox=sandbox.identity,
                buildpacks=buildpacks,
                internet=internet,
            ),
            builds=BuildStore(
                store,
                BuildRecord,
                policy=content_policy(explainers(ecosystems())),
                fresh=settings.fresh,
            ),
            judgements=Judgements(store, Step, fresh=settings.fresh),
        )
        with session.in_use():
            yield session
        try:
            Upkeep(store).make_room()
        except StoreError as error:
            # What the run found is worth more than room.
            note(f"no room could be made in the store: {error.message}")
