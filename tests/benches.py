"""A sandbox to try."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from dnslib import QTYPE, RR, A, DNSRecord

from harness.sandboxes import Job, Limits, Listeners, Mount, Outcome, Sandbox, Serve
from harness.sandboxes.registry import SandboxSettings, backends

PATH = ("PATH", "/usr/local/bin:/usr/bin:/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The image that the contract is tried on, as both kinds take it."""

    image: str
    rootfs: Path


@dataclass(kw_only=True)
class EndedJob:
    """A job's end and all that it wrote."""

    outcome: Outcome
    output: bytes

    @property
    def text(self) -> str:
        return self.output.decode(errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(kw_only=True)
class Bench:
    """A sandbox of one kind, with short ways to run things in it."""

    kind: str
    run_id: str
    sandbox: Sandbox
    settings: SandboxSettings
    made: list[Sandbox] = field(default_factory=list)

    def run(
        self,
        *argv: str,
        env: tuple[tuple[str, str], ...] = (PATH,),
        cwd: str = "/",
        mounts: tuple[Mount, ...] = (),
        serve: Serve | None = None,
        seconds: float = 60,
        **limits: int,
    ) -> EndedJob:
        job = Job(
            argv=argv, env=env, cwd=cwd, mounts=mounts, limits=Limits(seconds=seconds, **limits)
        )
        output = bytearray()
        outcome = self.sandbox.run(job, serve=serve, on_output=output.extend)
        return EndedJob(outcome=outcome, output=bytes(output))

    def sh(self, script: str, **options: object) -> EndedJob:
        return self.run("sh", "-c", script, **options)  # type: ignore[arg-type]

    def python(self, script: str, **options: object) -> EndedJob:
        return self.run("python3", "-c", script, **options)  # type: ignore[arg-type]

    def another(self) -> Sandbox:
        """A second sandbox, closed when the test ends."""
        scratch = self.settings.scratch / uuid.uuid4().hex
        scratch.mkdir()
        settings = SandboxSettings(
            image=self.settings.image, run=uuid.uuid4().hex[:12], scratch=scratch
        )
        self.made.append(backends()[self.kind](settings))
        return self.made[-1]


@dataclass(kw_only=True)
class Answers:
    """A `Serve` that sends one fixed answer on each of a sandbox's sockets."""

    name: str = "one"
    events: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def __call__(self, listeners: Listeners) -> Iterator[None]:
        self.events.append("entered")
        over = threading.Event()

        def names(server: socket) -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    asked, whom = server.recvfrom(2048)
                    query = DNSRecord.parse(asked)
                    reply = query.reply()
                    self.events.append(f"name {query.q.qname}")
                    if query.q.qtype == QTYPE.A:
                        reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A("127.0.0.80")))
                    server.sendto(reply.pack(), whom)

        def web(server: socket, port: int) -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    with client:
                        client.settimeout(5)
                        self.events.append(f"web {port} {client.recv(2048)[:20]!r}")
                        body = f"{self.name} {port}".encode()
                        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                        client.sendall(head.encode() + body)

        threads = [
            threading.Thread(target=names, args=(listeners.dns,)),
            threading.Thread(target=web, args=(listeners.http, 80)),
            threading.Thread(target=web, args=(listeners.https, 443)),
        ]
        for one in (listeners.dns, listeners.http, listeners.https):
            one.settimeout(0.05)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
            for one in (listeners.dns, listeners.http, listeners.https):
                one.close()
            self.events.append("left")
