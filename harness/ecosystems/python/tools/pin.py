"""Exact pins of build tools."""

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.errors import ReleaseError


def pinned(requirement: str) -> tuple[str, str]:
    """The normalised name and the version of an exact pin.

    Raises:
        ReleaseError: It is not one.
    """
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement as error:
        raise ReleaseError(
            f"{requirement!r} is not a requirement: {error}", hint="write name==version"
        ) from error
    specifiers = list(parsed.specifier)
    if (
        len(specifiers) != 1
        or specifiers[0].operator != "=="
        or specifiers[0].version.endswith("*")
        or parsed.extras
        or parsed.marker
        or parsed.url
    ):
        raise ReleaseError(
            f"{requirement!r} does not pin one version of a build tool",
            hint="write name==version, without extras or markers",
        )
    return canonicalize_name(parsed.name), specifiers[0].version
