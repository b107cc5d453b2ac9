"""The answer to what is not there: at once, and with a line that says so."""

from starlette.responses import PlainTextResponse


class Refusal(PlainTextResponse):
    """A response whose body is one line; `line` is also what the request's record says."""

    def __init__(self, line: str, *, status: int = 403) -> None:
        super().__init__(f"{line}\n", status_code=status)
        self.line = line
