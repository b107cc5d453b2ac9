"""What of Python is installed in a tree, and as text that is stored with a build."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.ecosystems import BuiltTree
from harness.ecosystems.python.ages import Ages, read_ages
from harness.ecosystems.python.distributions import LARGEST, Distribution, read_distributions
from harness.storage.records import dump, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is installed, and which files of its metadata are older than the build."""

    distributions: tuple[Distribution, ...] = ()
    ages: Ages = field(default_factory=Ages)


def read_installation(tree: BuiltTree) -> Installation:
    """What is installed in a tree.

    Raises:
        ManifestError: The tree is no longer as its manifest says.
    """
    found = read_distributions(tree.manifest, lambda path: tree.read(path, LARGEST))
    return Installation(distributions=found, ages=read_ages(tree, found))


def to_text(installation: Installation) -> str:
    """An installation as text; empty where there is none."""
    return "" if installation == Installation() else dump(installation)


def from_text(text: str) -> Installation:
    """The installation that `to_text` wrote.

    Raises:
        StoreError: The text is damaged.
    """
    return load(Installation, text) if text else Installation()


def of_trees(installed: Mapping[str, str]) -> Installation:
    """What is installed in several trees of one build; their paths begin with the tree's name.

    Args:
        installed: What `to_text` wrote of each tree, by its name.

    Raises:
        StoreError: A text is damaged.
    """
    distributions: list[Distribution] = []
    ages: dict[str, list[str]] = {"old": [], "new": []}
    for tree, text in installed.items():
        here = from_text(text)
        distributions += [
            replace(one, metadata=f"{tree}/{one.metadata}") for one in here.distributions
        ]
        ages["old"] += [f"{tree}/{path}" for path in here.ages.old]
        ages["new"] += [f"{tree}/{path}" for path in here.ages.new]
    return Installation(
        distributions=tuple(distributions),
        ages=Ages(old=tuple(ages["old"]), new=tuple(ages["new"])),
    )
