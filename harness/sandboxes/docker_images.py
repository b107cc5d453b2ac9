"""Docker's side of the stack image: is an engine there, and is the image in it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

import docker
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException, ImageNotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

from harness.errors import SandboxError
from harness.stack.image import REPOSITORY, Image


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
    with _client(timeout=20) as client:
        try:
            version = str(client.version().get("Version", "unknown"))
            tags = {tag for image in client.images.list(name=REPOSITORY) for tag in image.tags}
        except (DockerException, RequestException) as error:
            raise _unreachable(error) from error
    return Engine(version=version, tags=tuple(sorted(tags)))


def load_into_docker(image: Image) -> str:
    """Puts a stack image into the engine, unless it is there already; gives its tag.

    Raises:
        SandboxError: The engine does not answer, or refuses the image.
    """
    with _client(timeout=600) as client:
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
                    changes=[
                        'CMD ["/bin/bash"]',
                        f"LABEL cache-harness.stack.image={image.digest}",
                    ],
                )
                client.images.get(image.tag)
        except (DockerException, RequestException, OSError) as error:
            raise SandboxError(
                f"Docker did not take the image {image.tag}: {error}",
                hint="see that the engine has room (docker system df), then run the command again",
            ) from error
    return image.tag


@contextmanager
def _client(timeout: int) -> Iterator[docker.DockerClient]:
    try:
        _knock(kwargs_from_env().get("base_url") or DEFAULT_UNIX_SOCKET.replace("http+", ""))
        client = docker.from_env(timeout=timeout)
    except (DockerException, RequestException, OSError) as error:
        raise _unreachable(error) from error
    with closing(client):
        yield client


def _knock(url: str) -> None:
    """Opens and closes the engine's local socket: docker-py leaks its own where none listens."""
    if url.startswith("unix://"):
        with socket(AF_UNIX, SOCK_STREAM) as knocking:
            knocking.settimeout(10)
            knocking.connect("/" + url.removeprefix("unix://").lstrip("/"))


def _unreachable(error: Exception) -> SandboxError:
    if isinstance(error, PermissionError):
        return SandboxError(
            "this user may not talk to the Docker engine",
            hint='sudo usermod -aG docker "$USER", then log in again',
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        there = any(Path(folder, "dockerd").exists() for folder in ("/usr/bin", "/usr/sbin"))
        return SandboxError(
            "no Docker engine is running",
            hint="sudo systemctl start docker" if there else "sudo apt-get install docker.io",
        )
    return SandboxError(
        f"the Docker engine does not answer: {error}",
        hint="see that docker version works here; DOCKER_HOST says which engine is meant",
    )
