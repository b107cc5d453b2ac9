"""Where each key of a TOML file stands, for messages that name the line."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Place = tuple[str | int, ...]
"""The way to a value from the file's root: keys, and indexes in arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where keys and array items are: by place, the first and last line (1-based)."""

    spans: dict[Place, tuple[int, int]]
    source: str

    def line(self, place: Place, text: str = "") -> int:
        """The line of a key or item, or of the nearest that holds it; 0 where there is none.

        Args:
            place: The way to it.
            text: Where given and found in the value, the line on which it stands is meant.
        """
        for end in range(len(place), 0, -1):
            span = self.spans.get(place[:end])
            if span:
                break
        else:
            return 0
        first, last = span
        if text and end == len(place):
            lines = self.source.split("\n")[first - 1 : last]
            return next((first + i for i, line in enumerate(lines) if text in line), first)
        return first


def positions(source: str) -> Positions:
    """Reads where things are in a TOML text.

    What cannot be read is passed over: syntax is for `tomllib` to judge.
    """
    root = Parser(Language(tree_sitter_toml.language())).parse(source.encode()).root_node
    spans: dict[Place, tuple[int, int]] = {}
    arrays: dict[Place, int] = {}
    for node in root.named_children:
        if node.type == "pair":
            _pair(node, (), spans)
        elif node.type in {"table", "table_array_element"}:
            keys = _keys(node.named_children[0]) if node.named_children else ()
            if not keys:
                continue
            place = _resolve(keys[:-1], arrays) + keys[-1:]
            if node.type == "table_array_element":
                arrays[place] = arrays.get(place, -1) + 1
                spans.setdefault(place, _span(node))
                place += (arrays[place],)
            for end in range(1, len(place) + 1):
                spans.setdefault(place[:end], _span(node))
            for child in node.named_children[1:]:
                if child.type == "pair":
                    _pair(child, place, spans)
    return Positions(spans=spans, source=source)


def _resolve(keys: tuple[str, ...], arrays: dict[Place, int]) -> Place:
    """The place that a header's keys mean: in an array of tables, its last table so far."""
    place: Place = ()
    for key in keys:
        place += (key,)
        if place in arrays:
            place += (arrays[place],)
    return place


def _pair(node: Node, place: Place, spans: dict[Place, tuple[int, int]]) -> None:
    if len(node.named_children) < 2:
        return
    key, value = node.named_children[0], node.named_children[-1]
    for part in _keys(key):
        place += (part,)
        spans.setdefault(place, _span(node))
    _value(value, place, spans)


def _value(node: Node, place: Place, spans: dict[Place, tuple[int, int]]) -> None:
    if node.type == "inline_table":
        for child in node.named_children:
            if child.type == "pair":
                _pair(child, place, spans)
    elif node.type == "array":
        items = [child for child in node.named_children if child.type not in {"comment", "ERROR"}]
        for index, child in enumerate(items):
            spans.setdefault((*place, index), _span(child))
            _value(child, (*place, index), spans)


def _keys(node: Node) -> tuple[str, ...]:
    """The keys of a bare, quoted or dotted key; empty where it is not one."""
    text = (node.text or b"").decode(errors="replace")
    try:
        table = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    return tuple(_single_keys(table))


def _single_keys(table: object) -> Iterator[str]:
    while isinstance(table, dict) and table:
        key, table = next(iter(table.items()))
        yield key


def _span(node: Node) -> tuple[int, int]:
    return node.start_point[0] + 1, node.end_point[0] + 1
