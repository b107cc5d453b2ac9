"""What a build lacks of what a scenario expects."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What a build lacks of an expectation.

    Attributes:
        said: The rest of a sentence. It is the same whenever the build is judged, so that a list of
            what is known can name it.
        instead: What was found in its place, line by line.
    """

    said: str
    instead: tuple[str, ...] = ()
