"""One thing that the doctor looks at on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, and what to do where it is not as it should be.

    Attributes:
        name: What it is.
        ok: Whether it is as it should be.
        found: What is there.
        advice: The command that puts it right; empty where `ok`.
        needed: Whether no scenario runs without it. One usable sandbox is enough, so no backend is
            needed by itself; and what a run makes by itself need not be there before.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = True
