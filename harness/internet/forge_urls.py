"""What the URLs of git forges lead to, whichever forge it is."""

import re
from typing import Final

CLONE: Final = "/git-upload-pack"
"""How the path ends by which git fetches objects."""

_REPOSITORY = re.compile(
    r"^/(?P<name>.+?)(?:\.git)?"
    r"(?:/git-upload-pack|/-?/?archive/.*|/(?:tarball|zipball|tar\.gz|zip)/.*)?/?$"
)
_ARCHIVE = re.compile(r"/(?:archive|tarball|zipball|tar\.gz|zip)/")


def repository(path: str) -> str:
    """The repository that a URL's path leads to, as `owner/name` in lower case; else empty.

    Args:
        path: The path, unquoted: of a repository, of an archive of it, or of what git asks for.
    """
    match = _REPOSITORY.match(path)
    return match["name"].lower() if match else ""


def is_archive(path: str) -> bool:
    """Whether a path leads to an archive of a repository."""
    return _ARCHIVE.search(path) is not None
