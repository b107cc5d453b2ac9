"""The answer to what is not there: at once, and with a line that says so."""

from starlette.responses import PlainTextResponse


class Refusal(PlainTextResponse):
    """A response whose body is one line; `line` is also what the request's record says.

    `lacking` tells whether the scenario has nothing at all by the name that was asked for, so that
    a tape may answer in its place.
    """

    def __init__(self, line: str, *, status: int = 403, lacking: bool = False) -> None:
        super().__init__(f"{line}\n", status_code=status)
        self.line = line
        self.lacking = lacking
