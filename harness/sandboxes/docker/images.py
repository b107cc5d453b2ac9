"""The images that an engine has, fetches, and is given."""

import io
import tarfile
from typing import Any

import docker
import requests
from docker.errors import DockerException, ImageNotFound

from harness.errors import SandboxError
from harness.sandboxes.docker.containers import remove
from harness.sandboxes.docker.engine import asking, connected
from harness.stack.image import REPOSITORY, Image

LOADING = 600
"""Seconds for the engine to take the stack image."""


def load_image(image: Image) -> str:
    """Puts a stack image into the engine, unless it already exists; gives its tag.

    Raises:
        SandboxError: The engine does not answer, or refuses the image.
    """
    with connected(patience=LOADING) as engine:
        if _known_id(engine, image.tag) is not None:
            return image.tag
        repository, _, tag = image.tag.rpartition(":")
        try:
            # By path: given a stream, docker-py 7 declares both a length and chunks, and the
            # engine then takes the tar's bytes for chunk headers.
            engine.import_image(
                src=str(image.tar),
                repository=repository,
                tag=tag,
                changes=['CMD ["/bin/bash"]', f"LABEL cache-harness.stack.image={image.digest}"],
            )
        except (DockerException, requests.RequestException, OSError) as error:
            raise _not_taken(image, str(error)) from error
        if _known_id(engine, image.tag) is None:
            raise _not_taken(image, "it has none of that name afterwards")
    return image.tag


def image_id(engine: docker.APIClient, name: str) -> str:
    """The id of an image, which is fetched where the engine lacks it.

    Raises:
        SandboxError: The engine cannot fetch it.
    """
    found = _known_id(engine, name)
    if found is not None:
        return found
    try:
        asking(lambda: engine.pull(name, tag=None if _has_tag(name) else "latest"))
        found = _known_id(engine, name)
    except SandboxError as error:
        raise _not_fetched(name, error.message) from error
    if found is None:
        raise _not_fetched(name, "it fetched another")
    return found


def stack_tags(engine: docker.APIClient) -> tuple[str, ...]:
    """The tags of the stack images that the engine has."""
    found = asking(lambda: engine.images(name=REPOSITORY))
    return tuple(sorted({tag for image in found for tag in image.get("RepoTags") or ()}))


def any_stack_image(engine: docker.APIClient) -> str | None:
    """Any image of the harness's own making: it has a shell and python3."""
    found = asking(lambda: engine.images(name=REPOSITORY, quiet=True))
    return str(found[0]) if found else None


def files_of(
    engine: docker.APIClient, image: str, folder: str, names: tuple[str, ...]
) -> dict[str, str]:
    """The text of an image's files, those that it has."""
    texts = {}
    made = str(asking(lambda: engine.create_container(image, ["true"]))["Id"])
    try:
        for name in names:
            try:
                chunks, _ = asking(lambda: engine.get_archive(made, f"{folder}/{name}"))  # noqa: B023
            except SandboxError:
                continue
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(name)
                if member is not None:
                    texts[name] = member.read().decode(errors="replace")
    finally:
        remove(engine, made)
    return texts


def _known_id(engine: docker.APIClient, name: str) -> str | None:
    """The id of an image that the engine has."""
    ask: Any = engine.inspect_image  # the stubs leave it untyped
    try:
        return str(asking(lambda: ask(name))["Id"])
    except SandboxError as error:
        if isinstance(error.__cause__, ImageNotFound):
            return None
        raise


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2] or "@" in name


def _not_taken(image: Image, why: str) -> SandboxError:
    return SandboxError(
        f"Docker did not load the image {image.tag}: {why}",
        hint="check that the engine has room (docker system df), then run the command again",
    )


def _not_fetched(name: str, why: str) -> SandboxError:
    return SandboxError(
        f"the Docker engine has no image {name} and cannot fetch it: {why}",
        hint="make an image with `cache-harness image build`, or `docker pull` it",
    )
