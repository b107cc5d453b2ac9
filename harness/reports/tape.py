"""What a tape holds, for a terminal."""

from collections import Counter

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from harness.internet.exchange import Answer, Asked
from harness.internet.tape_index import TapeIndex
from harness.reports.counts import counted
from harness.reports.printing import printable

_SHORT = 12


def recorded(file: str, index: TapeIndex, *, added: int) -> RenderableType:
    """What came of a recording: counts, sizes, and the hosts that were asked."""
    counts = Counter(asked.host for asked in index.answers)
    sizes: Counter[str] = Counter()
    for asked, answer in index.answers.items():
        sizes[asked.host] += answer.size
    total = sum(index.bodies.values())
    said = (
        f"recorded on {file}: {counted(len(index.answers), 'answer')} of"
        f" {counted(len(counts), 'host')}, {added} of them new, and"
        f" {counted(len(index.tools), 'file')} of build tools; {decimal(total)} in all"
    )
    grid = Table(box=None, pad_edge=False, show_header=False)
    for host in sorted(counts):
        grid.add_row(
            Text(f"  {printable(host)}"),
            counted(counts[host], "answer"),
            decimal(sizes[host]),
        )
    return Group(Text(said), grid) if counts else Text(said)


def listing(index: TapeIndex) -> RenderableType:
    """A line for each answer, then one for each tool's file: to be read, searched, and compared."""
    lines = [
        f"{asked.method:4}  {answer.status}  {answer.size:>11,}  {answer.sha256[:_SHORT]}"
        f"  {_selected(asked, answer)}"
        for asked, answer in sorted(index.answers.items(), key=lambda item: item[0])
    ]
    lines += [
        f"tool       {tool.size:>11,}  {tool.sha256[:_SHORT]}  {tool.set}  {tool.name}"
        for tool in sorted(index.tools)
    ]
    return Text("\n".join(map(printable, lines)) or "nothing")


def _selected(asked: Asked, answer: Answer) -> str:
    """The URL, and whatever else selects the answer or tells where it leads."""
    more = [
        asked.accept,
        f"git protocol {asked.git_protocol}" if asked.git_protocol else "",
        f"posted {asked.body[:_SHORT]}" if asked.body else "",
        "with credentials" if asked.credentials else "",
        f"leads to {dict(answer.headers)['location']}"
        if "location" in dict(answer.headers)
        else "",
    ]
    told = "; ".join(filter(None, more))
    return f"{asked.url}  ({told})" if told else asked.url
