"""Cuts a stream of bytes into lines of text."""

from collections.abc import Callable

OnLine = Callable[[str], None]
_LONGEST = 4096


class Lines:
    """Hands each line of a stream on, without its end; of a very long one only the end."""

    def __init__(self, on_line: OnLine | None) -> None:
        """Args: called with each line; None where nobody listens."""
        self._on_line = on_line
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        if self._on_line is None:
            return
        *whole, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-_LONGEST:]
        for line in whole:
            self._on_line(line[-_LONGEST:].decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        """Hands on what came after the last line's end."""
        if self._on_line is not None and self._rest:
            self._on_line(self._rest.decode("utf-8", "replace"))
            self._rest = b""
