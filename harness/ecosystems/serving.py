"""How an ecosystem serves releases, build tools and runtimes to the sealed internet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A URL that buildpacks download from, as data.

    Attributes:
        host: The host; `*` matches any run of characters.
        path: The path, with fields such as `{version}`, `{stack}`, `{ubuntu}`, `{arch}`,
            `{machine}`, `{wheel}`.
        serves: `runtime.tar.gz` or `runtime.tar.zst` (a packed CPython), `pip.tar.zst` (the pip
            that comes with it, unpacked and compiled), `default python` (the version, and a
            newline, of the Python that `${python@default}` stands for), `tool` (a kept wheel), or
            `programs of NAME` (those of a kept wheel of that project, in an archive whose one
            folder is called as the archive is).
    """

    host: str
    path: str
    serves: str
