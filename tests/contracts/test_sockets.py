"""Sockets bound in a network namespace answer from their own address, however early they are."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from traces import need

from harness.sandboxes import sockets

pytestmark = [pytest.mark.bubblewrap, pytest.mark.timeout(60)]

# A namespace as the kernel makes it: its loopback is down until a line comes. Then a client asks as
# a resolver does, on a socket that takes an answer from nobody but whom it asked.
INSIDE = """
import fcntl, socket, struct, sys
SIOCSIFFLAGS, UP = 0x8914, 1
print("made", flush=True)
sys.stdin.readline()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    fcntl.ioctl(client, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP))
    print("up", flush=True)
    sys.stdin.readline()
    client.settimeout(5)
    client.connect(("127.0.0.53", 53))
    client.send(b"query")
    print(client.recv(100).decode(), flush=True)
"""


@pytest.fixture
def namespace() -> Iterator[subprocess.Popen[str]]:
    need("bubblewrap")
    unshare = shutil.which("unshare")
    assert unshare is not None, "util-linux is on every Linux"
    process = subprocess.Popen(
        [unshare, "--user", "--map-root-user", "--net", sys.executable, "-c", INSIDE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def send(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def said(process: subprocess.Popen[str], line: str = "") -> str:
    """What the process says next, once it was sent `line`."""
    send(process, line)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_answers_come_from_the_address_that_was_asked(namespace: subprocess.Popen[str]) -> None:
    assert said(namespace) == "made"
    with ThreadPoolExecutor(1) as pool:
        binding = pool.submit(sockets.bound_in_network_of, namespace.pid)
        # Long enough for whoever would bind too early.
        time.sleep(0.5)
        assert said(namespace, "\n") == "up"
        listeners = binding.result(30)
    with listeners.dns, listeners.http, listeners.https:
        send(namespace, "\n")
        listeners.dns.settimeout(10)
        query, client = listeners.dns.recvfrom(100)
        listeners.dns.sendto(b"answer to " + query, client)
        assert said(namespace) == "answer to query"
