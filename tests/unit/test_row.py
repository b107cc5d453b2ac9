"""Several buildpacks as one recipe."""

from harness.buildpacks import Command, Recipe
from harness.buildpacks.sequence import in_a_row


def recipe(*names: str, export: str) -> Recipe:
    commands = tuple(Command(name=name, argv=(f"/{export}/{name}",)) for name in names)
    return Recipe(commands=commands, env=(("A", export),), cwd="/app", export=export)


ONE = recipe("detect", "compile", export="one")
OTHER = recipe("compile", export="other")


def test_one_alone_stays_as_it_is():
    assert in_a_row([("", ONE)]) == ONE


def test_each_has_what_those_before_it_exported():
    row = in_a_row([("", ONE), ("other", OTHER), ("", ONE)])
    assert [(one.name, one.argv[0], one.sources) for one in row.commands] == [
        ("detect", "/one/detect", ()),
        ("compile", "/one/compile", ()),
        ("other:compile", "/other/compile", ("one",)),
        ("detect", "/one/detect", ("one", "other")),
        ("compile", "/one/compile", ("one", "other")),
    ]
    assert (row.env, row.cwd) == (ONE.env, ONE.cwd)
