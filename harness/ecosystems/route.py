"""URLs at which a platform serves what an ecosystem has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A URL that buildpacks download from, as data.

    Attributes:
        host: The host; `*` matches any run of characters.
        path: The path, with fields such as `{version}`, `{stack}`, `{ubuntu}`, `{arch}` and
            `{machine}`.
        serves: What of an ecosystem is served there, in that ecosystem's own words.
    """

    host: str
    path: str
    serves: str
