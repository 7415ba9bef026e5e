"""Groups of commands whose modules are imported when one of them runs: to help and to complete, a table is enough."""

import gc
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Later:
    """A command or a group of commands. Shapes: `where` is "module:name" of a function or a Typer."""

    where: str
    help: str
    context_settings: dict[str, Any] = field(default_factory=dict)


class Loaded(MutableMapping[str, Any]):
    """Commands by name, each made from its entry when it is asked for."""

    def __init__(self, entries: Mapping[str, Later]) -> None:
        self._entries = entries
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(name, self._entries[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyGroup(TyperGroup):
    """A group over a table of entries."""

    entries: ClassVar[Mapping[str, Later]] = {}

    @property
    def commands(self) -> Loaded:
        """The commands, made when asked for."""
        return self._commands

    @commands.setter
    def commands(self, given: Mapping[str, Any]) -> None:
        """Take what Typer knows at once, which the table's come on top of."""
        self._commands = Loaded(self.entries)
        self._commands.update(given)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        return self.commands[cmd_name] if cmd_name in self.entries else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])


def lazy_group(table: Mapping[str, Later]) -> type[LazyGroup]:
    """The class of a group with this table, for `typer.Typer(cls=...)`."""

    class Group(LazyGroup):
        entries = table

    return Group


def _made(name: str, entry: Later) -> Any:
    """Let Typer make the command, as it would have at once."""
    module, _, attribute = entry.where.partition(":")
    found = getattr(_imported(module), attribute)
    holder = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name, short_help=entry.help, context_settings=entry.context_settings)(found)
    return typer.main.get_group(holder).commands[name]


def _imported(module: str) -> Any:
    """The module, without the collector: it would walk all that imports make, none of which ever dies."""
    if module in sys.modules or not gc.isenabled():
        return import_module(module)
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()
