"""Commands that are imported when they are asked for, so that help and version are quick."""

import importlib

import click


class Listed(click.Command):
    """A command as the list of all commands shows it, without what it imports."""

    def __init__(self, name: str, *, where: str, summary: str) -> None:
        """Takes what is known without an import.

        Args:
            name: The command's name.
            where: `module:attribute`, the command itself.
            summary: The first sentence of its help.
        """
        super().__init__(name, help=summary)
        self._where = where

    def load(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self._where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group that imports the one command that is called or completed."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Listed) else command, rest
