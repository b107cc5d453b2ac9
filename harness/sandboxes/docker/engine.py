"""A connection to the Docker engine, and what is asked over it."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import TypeVar

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from harness.errors import SandboxError

ATTEMPTS = 3
PATIENCE = 120
"""Seconds for an answer, where nothing else is said."""
GONE = (requests.ConnectionError, requests.Timeout)

T = TypeVar("T")


@contextmanager
def connected(*, patience: int = PATIENCE) -> Iterator[docker.APIClient]:
    """A client of the engine that DOCKER_HOST names, or the local one.

    Each use has a client of its own, as none is thread-safe.

    Args:
        patience: Seconds for each answer.

    Raises:
        SandboxError: No engine answers, or this user may not talk to it; the hint says to install
            it, start it, or join its group.
    """
    try:
        _knock(kwargs_from_env().get("base_url") or DEFAULT_UNIX_SOCKET.replace("http+", ""))
        client = docker.APIClient(version=_api_version(), timeout=patience, **kwargs_from_env())
    except (DockerException, requests.RequestException, OSError) as error:
        raise _unreachable(error) from error
    with closing(client):
        try:
            client.ping()
        except (DockerException, requests.RequestException) as error:
            raise _unreachable(error) from error
        yield client


def asking(call: Callable[[], T]) -> T:
    """What the engine answers; asks again where it is the connection that failed.

    What is asked this way may be asked twice: a container made and lost is found by its label, and
    a start does nothing the second time.

    Raises:
        SandboxError: The engine refused, or cannot be reached; the cause is the client's own error.
    """
    for attempt in itertools.count(1):
        try:
            return call()
        except GONE as error:
            if attempt == ATTEMPTS:
                raise SandboxError(
                    f"the Docker engine was lost: {error}", hint="check that it runs, and try again"
                ) from error
            time.sleep(attempt)
        except APIError as error:
            raise SandboxError(
                f"the Docker engine refused: {error.explanation or error}"
            ) from error
    raise AssertionError("unreachable")


@cache
def _api_version() -> str:
    with closing(docker.APIClient(version="auto", **kwargs_from_env())) as client:
        return str(client.api_version)


def _knock(url: str) -> None:
    """Opens and closes the engine's local socket: docker-py leaks its own where none listens."""
    if url.startswith("unix://"):
        with socket(AF_UNIX, SOCK_STREAM) as knocking:
            knocking.settimeout(10)
            knocking.connect("/" + url.removeprefix("unix://").lstrip("/"))


def _unreachable(error: Exception) -> SandboxError:
    if isinstance(error, PermissionError):
        return SandboxError(
            "this user may not use the Docker engine",
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
        hint="check that `docker version` works here; DOCKER_HOST says which engine is meant",
    )
