"""Binds sockets in a network namespace and hands them to the harness; run there, as a script."""

# An image's Python runs this file by itself: it imports nothing of the harness and keeps to what
# Python 3.7 knows.
from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import socket
import sys
import time

NS_GET_USERNS = 0xB701
PATIENCE = 10.0


def join(pid: int) -> None:
    """Enters the network namespace of a process, by way of the user namespace that owns it.

    The process may sit in a user namespace nested in that owner, which has no say over the
    network, so the owner is asked for (ioctl_ns(2)). Root of the host needs no such way.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "setns")

    network = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY)  # noqa: UP031  (see the file's head)
    if os.geteuid() != 0:
        enter(fcntl.ioctl(network, NS_GET_USERNS))
    enter(network)


def wait_for_route(host: str, port: int) -> None:
    """Waits until the loopback is up, and with it the route to its addresses; sends nothing."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((host, port))
                return
        except OSError as error:
            if error.errno != errno.ENETUNREACH or time.monotonic() > end:
                raise
        time.sleep(0.001)


def bound(address: str) -> socket.socket:
    """A socket at `udp:HOST:PORT` or `tcp:HOST:PORT`; waits for the loopback to be up."""
    kind, host, port = address.split(":")
    # Before there is any route, Linux takes each address for one of broadcasts: bind(2) succeeds,
    # and answers come from 127.0.0.1 ever after, which a client connected to HOST never sees.
    wait_for_route(host, int(port))
    opened = socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    )
    opened.bind((host, int(port)))
    if kind == "tcp":
        opened.listen(128)
    return opened


def main(way: str, where: str, *addresses: str) -> None:
    """Binds the addresses and sends the sockets.

    `join PID` enters that process's network and sends over stdin; `stay PATH` stays where it is,
    sends over the Unix socket at PATH, and ends when the other end does.
    """
    if way == "join":
        control = socket.socket(fileno=0)
        join(int(where))
    else:
        control = socket.socket(socket.AF_UNIX)
        control.connect(where)
    sockets = [bound(address) for address in addresses]
    numbers = array.array("i", [opened.fileno() for opened in sockets])
    control.sendmsg([b"bound"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers.tobytes())])
    if way == "stay":
        # The harness has its own copies; one here would keep a port taken that it has closed.
        for opened in sockets:
            opened.close()
        while control.recv(1):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
