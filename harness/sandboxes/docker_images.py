"""Docker's side of the stack image: is an engine there, and is the image in it."""

from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from harness.errors import SandboxError
from harness.image import REPOSITORY, Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine that answers: its version, and the stack images that it has (tags)."""

    version: str
    tags: tuple[str, ...]


def find_engine() -> Engine:
    """The engine that DOCKER_HOST names, or the local one.

    Raises:
        SandboxError: None answers; the hint says to install it, start it, or join its group.
    """
    try:
        with_client = docker.from_env(timeout=20)
    except DockerException as error:
        raise _unreachable(error) from error
    try:
        version = str(with_client.version().get("Version", "unknown"))
        tags = {tag for image in with_client.images.list(name=REPOSITORY) for tag in image.tags}
    except (DockerException, RequestException) as error:
        raise _unreachable(error) from error
    finally:
        with_client.close()
    return Engine(version=version, tags=tuple(sorted(tags)))


def load_into_docker(image: Image) -> str:
    """Puts a stack image into the engine, unless it is there already; gives its tag.

    Raises:
        SandboxError: The engine does not answer, or refuses the image.
    """
    try:
        client = docker.from_env(timeout=600)
    except DockerException as error:
        raise _unreachable(error) from error
    try:
        try:
            client.images.get(image.tag)
        except ImageNotFound:
            repository, _, tag = image.tag.rpartition(":")
            # By path: given a stream, docker-py 7 declares both a length and chunks, and the
            # engine then takes the tar's bytes for chunk headers.
            client.api.import_image(
                src=str(image.tar),
                repository=repository,
                tag=tag,
                changes=['CMD ["/bin/bash"]', f"LABEL cache-harness.image={image.digest}"],
            )
            client.images.get(image.tag)
    except (DockerException, RequestException, OSError) as error:
        raise SandboxError(
            f"Docker did not take the image {image.tag}: {error}",
            hint="see that the engine has room (docker system df), then run the command again",
        ) from error
    finally:
        client.close()
    return image.tag


def _unreachable(error: Exception) -> SandboxError:
    text = str(error)
    if "PermissionError" in text or "Permission denied" in text:
        return SandboxError(
            "this user may not talk to the Docker engine",
            hint='sudo usermod -aG docker "$USER", then log in again',
        )
    if "FileNotFoundError" in text or "No such file" in text:
        there = any(Path(folder, "dockerd").exists() for folder in ("/usr/bin", "/usr/sbin"))
        return SandboxError(
            "no Docker engine is running",
            hint="sudo systemctl start docker" if there else "sudo apt-get install docker.io",
        )
    return SandboxError(
        f"the Docker engine does not answer: {text}",
        hint="see that docker version works here; DOCKER_HOST says which engine is meant",
    )
