"""What one build runs, where everything lies, and what it leaves; pure data that a kind makes."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from harness.trees.named import APP, CacheTree, ResultTree


class Content(Enum):
    """What a folder holds when a build begins."""

    NOTHING = "nothing"
    APP = "app"
    CONFIG_VARS = "config vars"
    """A file for each config var, named after it, that holds its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a folder's files, which the build may write to.

    Attributes:
        folder: The folder on the host.
        identity: By what these files are known, wherever the folder is.
    """

    folder: Path = field(repr=False)
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that a build finds when it begins.

    Attributes:
        path: Where it is inside the sandbox, below one of the preparation's mounts.
        holds: What is in it.
    """

    path: str
    holds: Content | Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A folder of a result tree in which a language is installed, relative to the tree.

    Attributes:
        ecosystem: The name of the language's ecosystem.
        path: The folder.
        tree: The tree.
    """

    ecosystem: str
    path: str
    tree: str = APP


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One step of a build.

    Attributes:
        name: What reports call it, such as `compile`.
        argv: Its program and arguments, as paths inside the sandbox.
        decides: Whether its failure is the build's. Steps that only report do not decide.
        always: Whether it runs though an earlier step failed.
        silent: Whether its standard output is for the platform, and no part of the build's log.
        deployed: Whether its standard output decides what is deployed, as the add-ons and process
            types that `bin/release` names: then it is compared.
        sources: Scripts that set its environment, as far as they are there.
    """

    name: str
    argv: tuple[str, ...]
    decides: bool = True
    always: bool = False
    silent: bool = False
    deployed: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How the platform starts a command of the app that was deployed.

    Attributes:
        places: Where each result tree lies then, by its name: a folder that is a mount of its own.
        start: A program and its arguments, to which the command, a line for a shell, is added.
        env: The environment; config vars are added, and come first where both set a variable.
        cwd: The folder in which it starts.
    """

    places: tuple[tuple[str, str], ...]
    start: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """All that a kind says of one build.

    Attributes:
        mounts: Folders inside the sandbox that the build may write to, each a mount of its own.
        places: Folders that are laid out before it begins, parents first.
        commands: What runs, in order.
        env: The environment of all commands.
        cwd: The folder in which they run.
        results: The trees that it leaves; one is called `app`.
        caches: The folders that cross to the next build. Each is restored as the build before left
            it, or empty.
        prefixes: Where languages are installed.
        config_vars: Config vars that the platform sets; they come before the app's own.
        launch: How a command of what was deployed is started; None where the kind does not say.
    """

    mounts: tuple[str, ...]
    places: tuple[Place, ...]
    commands: tuple[Command, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    results: tuple[ResultTree, ...]
    caches: tuple[CacheTree, ...]
    prefixes: tuple[Prefix, ...] = ()
    config_vars: tuple[tuple[str, str], ...] = ()
    launch: Launch | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """All of it as values whose `repr` is the same in each run that prepares the same."""
        commands = (self.commands, self.env, self.cwd)
        left = (self.results, self.caches, self.prefixes)
        return (self.mounts, self.places, *commands, *left, self.config_vars, self.launch)

    def __post_init__(self) -> None:
        """Holds that what is read afterwards cannot be reached through a link of the build's."""
        paths = [tree.path for tree in self.results] + [cache.path for cache in self.caches]
        for path in paths:
            if path not in self.mounts and path.rpartition("/")[0] not in self.mounts:
                raise ValueError(f"{path} is neither a mount nor directly in one")
        names = {tree.name for tree in self.results}
        if APP not in names:
            raise ValueError(f"no result tree is called {APP!r}")
        if self.launch is not None:
            for name, _ in self.launch.places:
                if name not in names:
                    raise ValueError(f"no result tree is called {name!r}, and one is launched")
