"""What every host answers during one build; pure data."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A git repository of the forge, as one build sees it.

    Attributes:
        owner: The first part of its path, as in `https://github.com/<owner>/<name>.git`.
        name: The second part.
        objects: A bare repository on disk that holds every revision's objects.
        refs: Full reference names and the SHAs they point to, sorted by name.
        head: The reference that HEAD names.
    """

    owner: str
    name: str
    objects: Path
    refs: tuple[tuple[str, str], ...]
    head: str = "refs/heads/main"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """A file of a release: its name, its bytes' place, and their sha256 in hex."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a project in the package index.

    `yanked` is None, or the reason for which it is yanked (PEP 592; may be empty). `host` is the
    host whose index alone has it; empty where it is in every index that has no release of the
    project of its own.
    """

    project: str
    version: str
    files: tuple[ReleaseFile, ...]
    yanked: str | None = None
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file served for GET and HEAD at `https://<host><path>`; `*` in `host` matches any run."""

    host: str
    path: str
    file: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Internet:
    """All that can be reached during one build."""

    repositories: tuple[Repository, ...] = ()
    releases: tuple[Release, ...] = ()
    downloads: tuple[Download, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that a build made: `status` is what it was answered.

    `url` is without secrets. `refused` is empty, or the line that says why nothing answers there.
    """

    method: str
    url: str
    status: int
    refused: str = ""
