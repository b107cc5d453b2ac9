"""The host's end of the sockets that are bound inside a sandbox's network namespace."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from harness.errors import SandboxError
from harness.sandboxes import NAME_SERVER, WEB_SERVER, Listeners

SCRIPT = Path(__file__).with_name("bind_listeners.py")
ADDRESSES = (f"udp:{NAME_SERVER}:53", f"tcp:{WEB_SERVER}:80", f"tcp:{WEB_SERVER}:443")
PATIENCE = 30.0


def receive(control: socket.socket) -> Listeners:
    """The sockets that the script sends over `control`.

    Raises:
        SandboxError: The other end went away without sending them.
        TimeoutError: The socket has a time-out and nothing came.
    """
    _, numbers, _, _ = socket.recv_fds(control, 64, len(ADDRESSES), socket.MSG_CMSG_CLOEXEC)
    if len(numbers) != len(ADDRESSES):
        for number in numbers:
            os.close(number)
        raise SandboxError("the sandbox's network could not be set up: its helper ended early")
    dns, http, https = (socket.socket(fileno=number) for number in numbers)
    return Listeners(dns=dns, http=http, https=https)


def bound_in_network_of(pid: int) -> Listeners:
    """Listeners bound in the network namespace of process `pid`, which the caller's user owns.

    A short-lived process joins the namespace (network_namespaces(7): a socket stays in the
    namespace that it was made in), so nothing of the harness's runs in the sandbox.

    Raises:
        SandboxError: The namespace cannot be joined or the addresses cannot be bound.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        helper = subprocess.Popen(
            [_interpreter(), "-I", "-S", str(SCRIPT), "join", str(pid), *ADDRESSES],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with helper:
            theirs.close()
            ours.settimeout(PATIENCE)
            try:
                return receive(ours)
            except (OSError, SandboxError) as error:
                helper.kill()
                said = helper.stderr.read().decode(errors="replace") if helper.stderr else ""
                raise SandboxError(
                    "cannot make sockets in the sandbox's network namespace: "
                    + (said.strip().rpartition("\n")[2] or str(error)),
                    hint="use Docker (--sandbox docker), or run `cache-harness doctor`",
                ) from error


def _interpreter() -> str:
    # A harness that was started by root and then became another user may be unable to start its
    # own interpreter again; the script runs on any.
    if os.access(sys.executable, os.X_OK):
        return sys.executable
    return shutil.which("python3") or sys.executable


def duplicate(listeners: Listeners) -> Listeners:
    """A second set of the same sockets, for a server that closes what it is given."""
    return Listeners(
        dns=listeners.dns.dup(), http=listeners.http.dup(), https=listeners.https.dup()
    )


def close(listeners: Listeners) -> None:
    """Closes the three sockets."""
    for one in (listeners.dns, listeners.http, listeners.https):
        one.close()


def drain(listeners: Listeners) -> None:
    """Drops what an earlier job sent and nobody took, lest it reach the next one's server."""
    listeners.dns.settimeout(0)
    try:
        while True:
            listeners.dns.recv(1)
    except OSError:
        pass
    for one in (listeners.http, listeners.https):
        one.settimeout(0)
        try:
            while True:
                one.accept()[0].close()
        except OSError:
            pass
