"""What every kind of sandbox must do, tried on each with real programs."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benches import PATH, Answers, Bench
from jobs import COUNT, FETCH, HOG, HOSTILE, MANY
from traces import OUTSIDE, containers, groups, processes

import harness
from harness.errors import SandboxError
from harness.sandboxes import MEBIBYTE, End, Job, Limits, Listeners, Mount
from harness.trees.removal import remove_tree

pytestmark = pytest.mark.timeout(120)
ROOT = os.geteuid() == 0


# --- what a job sees -------------------------------------------------------------------------


def test_environment_is_the_job_s_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    env = (("B", "x = y\nsecond line"), ("A", "ü"), ("EMPTY", ""))
    ran = bench.run("/usr/bin/env", "-0", env=env)
    assert sorted(ran.text.split("\0")[:-1]) == ["A=ü", "B=x = y\nsecond line", "EMPTY="]


def test_environment_may_hold_what_sandboxes_set_themselves(bench: Bench) -> None:
    env = (("PWD", "/elsewhere"), ("HOME", "/h"), ("HOSTNAME", "me"))
    ran = bench.run("/usr/bin/env", env=env)
    assert sorted(ran.lines) == ["HOME=/h", "HOSTNAME=me", "PWD=/elsewhere"]


def test_program_is_looked_up_in_the_job_s_path(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text('#!/bin/sh\necho "$# $1|$2"\n')
    program.chmod(0o755)
    mount = Mount(source=tmp_path, target="/opt/tools")
    ran = bench.run("greet", "a b", "$HOME", env=(("PATH", "/opt/tools:/bin"),), mounts=(mount,))
    assert ran.text == "2 a b|$HOME\n"


@pytest.mark.parametrize("cwd", ["/usr/lib", "/nowhere/at/all"])
def test_working_directory(bench: Bench, cwd: str) -> None:
    assert bench.run("pwd", cwd=cwd).text == f"{cwd}\n"


def test_working_directory_in_a_mount(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    mount = Mount(source=tmp_path, target="/app")
    assert bench.run("pwd", cwd="/app/inner", mounts=(mount,)).text == "/app/inner\n"


def test_user_has_a_name_and_a_host_name(bench: Bench) -> None:
    ran = bench.sh("id -un && id -gn && cat /proc/sys/kernel/hostname")
    assert ran.outcome.status == 0, ran.text
    assert ran.lines[2] == "build"
    assert ran.lines[2] != socket.gethostname()


def test_input_is_empty(bench: Bench) -> None:
    assert bench.run("cat").outcome.status == 0


def test_temporary_folders_are_writable_and_new(bench: Bench) -> None:
    script = "for d in /tmp /var/tmp /dev/shm; do test ! -e $d/left && echo x >$d/left; done"
    for _ in range(2):
        ran = bench.sh(f"set -e; {script}; ls -A /tmp")
        assert (ran.outcome.status, ran.text) == (0, "left\n")


def test_nothing_written_to_the_image_is_there_for_the_next_job(bench: Bench) -> None:
    bench.sh("touch /usr/left /etc/left /left /home/left /root/left 2>/dev/null; true")
    assert (
        bench.sh("ls -d /usr/left /etc/left /left /home/left /root/left").text.count("No such") >= 4
    )


# --- how a job ends --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_exit_status(bench: Bench, status: int) -> None:
    outcome = bench.sh(f"exit {status}").outcome
    assert (outcome.end, outcome.status) == (End.EXITED, status)
    assert 0 < outcome.seconds < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_exit_by_signal(bench: Bench, number: signal.Signals) -> None:
    outcome = bench.sh(f"kill -{number.value} $$; sleep 5").outcome
    assert (outcome.end, outcome.status) == (End.EXITED, 128 + number)


def test_program_that_is_missing_or_not_one(bench: Bench) -> None:
    ran = bench.run("no-such-program")
    assert (ran.outcome.end, ran.outcome.status) == (End.EXITED, 127)
    assert "no-such-program" in ran.text
    assert bench.run("/etc/passwd").outcome.status == 126


def test_background_processes_end_with_the_job(bench: Bench) -> None:
    marker = f"98765.{uuid.uuid4().int % 10**9}"
    ran = bench.sh(f"sleep {marker} & setsid sleep {marker} & echo started")
    assert (ran.outcome.end, ran.text) == (End.EXITED, "started\n")
    assert ran.outcome.seconds < 30
    assert_gone(marker)


# --- output ----------------------------------------------------------------------------------


def test_output_arrives_while_the_job_runs(bench: Bench, tmp_path: Path) -> None:
    seen = bytearray()

    def answer(chunk: bytes) -> None:
        seen.extend(chunk)
        (tmp_path / "go").touch()

    job = Job(
        argv=("sh", "-c", "echo first; while ! test -e /talk/go; do sleep 0.05; done; echo second"),
        env=(PATH,),
        mounts=(Mount(source=tmp_path, target="/talk"),),
        limits=Limits(seconds=30),
    )
    outcome = bench.sandbox.run(job, on_output=answer)
    assert (outcome.end, bytes(seen)) == (End.EXITED, b"first\nsecond\n")


def test_both_streams_in_the_order_written(bench: Bench) -> None:
    script = "import os\nfor n in range(3000): os.write(1 + n % 2, b'%d\\n' % n)"
    assert bench.python(script).lines == [str(number) for number in range(3000)]


def test_output_is_bytes(bench: Bench) -> None:
    ran = bench.python("import os; os.write(1, bytes(range(256)) * 1000)")
    assert ran.output == bytes(range(256)) * 1000


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script", ["echo on; sleep {}", "exec >&- 2>&-; sleep {}", "trap '' TERM INT; sleep {} & wait"]
)
def test_time_limit(bench: Bench, script: str) -> None:
    marker = f"87654.{uuid.uuid4().int % 10**9}"
    outcome = bench.sh(script.format(marker), seconds=1).outcome
    assert outcome.end is End.TIMEOUT
    assert 1 <= outcome.seconds < 20
    assert_gone(marker)


def test_memory_limit(bench: Bench) -> None:
    ran = bench.python(HOG.format(400), memory=128 * MEBIBYTE, seconds=60)
    assert ran.outcome.end is End.MEMORY
    assert ran.outcome.seconds < 15
    modest = bench.python(HOG.format(40).replace("(20)", "(0.3)"), memory=128 * MEBIBYTE).outcome
    assert (modest.end, modest.status) == (End.EXITED, 0)


def test_memory_limit_counts_all_processes(bench: Bench) -> None:
    assert bench.python(MANY, memory=150 * MEBIBYTE, seconds=60).outcome.end is End.MEMORY


GOES_ON = f"""
import os
if os.fork() == 0:
    exec({HOG.format(400)!r})
os.wait()
"""


@pytest.mark.parametrize("_", range(3))
def test_memory_limit_is_told_of_a_job_that_goes_on_and_ends_at_once(bench: Bench, _: int) -> None:
    outcome = bench.python(GOES_ON, memory=128 * MEBIBYTE, seconds=60).outcome
    assert outcome.end is End.MEMORY


def test_process_limit(bench: Bench) -> None:
    ran = bench.python(COUNT, processes=40, seconds=60)
    if ran.outcome.end is End.EXITED:
        assert ran.outcome.status == 9, ran.text
        assert 20 <= int(ran.text.split()[0]) <= 40
    else:
        assert ran.outcome.end is End.PROCESSES
    assert bench.python(COUNT.replace("300", "20"), processes=40).outcome.status == 0


def test_fork_bomb_is_contained(bench: Bench) -> None:
    marker = f"bomb-{uuid.uuid4().hex}"
    started = time.monotonic()
    bench.run("bash", "-c", f": {marker}; b() {{ b | b & }}; b; sleep 20", processes=64, seconds=3)
    assert time.monotonic() - started < 30
    assert_gone(marker)
    assert bench.sh("echo alive").text == "alive\n"


def test_output_limit(bench: Bench) -> None:
    ran = bench.run("yes", output=100_000)
    assert ran.outcome.end is End.OUTPUT
    assert ran.output == b"y\n" * 50_000
    exact = bench.sh("yes | head -c 100000", output=100_000)
    assert (exact.outcome.end, len(exact.output)) == (End.EXITED, 100_000)


def test_file_size_limit(bench: Bench, tmp_path: Path) -> None:
    mount = Mount(source=tmp_path, target="/out", writable=True)
    ran = bench.sh("head -c 3000000 /dev/zero >/out/big", mounts=(mount,), file_size=MEBIBYTE)
    assert ran.outcome.status != 0
    assert (tmp_path / "big").stat().st_size == MEBIBYTE


# --- network ---------------------------------------------------------------------------------

CONNECT = """
import socket, sys
for family, address in ((2, ("192.0.2.1", 80)), (2, ("8.8.8.8", 53)), (10, ("2001:db8::1", 80))):
    try:
        with socket.socket(family) as s:
            s.settimeout(20)
            s.connect(address)
        print("connected", address)
    except OSError as error:
        print(type(error).__name__)
print(*sorted(line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]))
"""


@pytest.mark.parametrize("served", [False, True])
def test_no_way_out(bench: Bench, served: bool) -> None:
    ran = bench.python(CONNECT, serve=Answers() if served else None)
    assert ran.lines == ["OSError"] * 3 + ["lo"]
    assert ran.outcome.seconds < 10


@pytest.mark.parametrize("served", [False, True])
def test_host_s_own_sockets_are_out_of_reach(bench: Bench, served: bool) -> None:
    name = f"\0contract-{uuid.uuid4().hex}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as other:
        other.bind(name)
        other.listen()
        script = f"""
import socket
for address in (("127.0.0.1", {server.getsockname()[1]}), {name!r}):
    with socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX) as s:
        try:
            s.connect(address)
            print("connected")
        except ConnectionRefusedError:
            print("refused")
"""
        ran = bench.python(script, serve=Answers() if served else None)
    assert ran.lines == ["refused", "refused"]


def test_server_answers_in_the_sandbox(bench: Bench) -> None:
    answers = Answers()
    ran = bench.python(FETCH, serve=answers)
    assert ran.lines == ["127.0.0.80", "one 80", "one 443"]
    assert (answers.events[0], answers.events[-1]) == ("entered", "left")
    assert "name any.name.example." in answers.events


def test_server_starts_before_the_job_and_ends_after_it(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "made"

    @contextmanager
    def serve(listeners: Listeners) -> Iterator[None]:
        assert not file.exists()
        yield
        assert file.exists()
        assert not processes(marker)
        for one in (listeners.dns, listeners.http, listeners.https):
            one.close()

    marker = f"76543.{uuid.uuid4().int % 10**9}"
    mount = Mount(source=tmp_path, target="/out", writable=True)
    ran = bench.sh(f"touch /out/made; sleep {marker} &", mounts=(mount,), serve=serve)
    assert ran.outcome.status == 0


def test_jobs_at_once_have_servers_of_their_own(bench: Bench) -> None:
    found: dict[str, list[str]] = {}

    def one(name: str) -> None:
        found[name] = bench.python(FETCH, serve=Answers(name=name)).lines

    threads = [threading.Thread(target=one, args=(name,)) for name in ("first", "second", "third")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        name: ["127.0.0.80", f"{name} 80", f"{name} 443"] for name in ("first", "second", "third")
    }


def test_what_one_job_asked_never_reaches_the_next_one_s_server(bench: Bench) -> None:
    @contextmanager
    def deaf(listeners: Listeners) -> Iterator[None]:
        yield
        for one in (listeners.dns, listeners.http, listeners.https):
            one.close()

    ask = """
import socket
s = socket.create_connection(("127.0.0.80", 80))
s.sendall(b"GET /stale HTTP/1.0\\r\\n\\r\\n")
u = socket.socket(type=socket.SOCK_DGRAM)
u.sendto(b"stale", ("127.0.0.53", 53))
"""
    assert bench.python(ask, serve=deaf).outcome.status == 0
    answers = Answers()
    bench.sh("sleep 0.3", serve=answers)
    assert answers.events == ["entered", "left"]


# --- isolation -------------------------------------------------------------------------------


def test_host_s_files_are_out_of_sight(bench: Bench, tmp_path: Path, open_folder: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (open_folder / "secret").write_text("x")
    places = [str(tmp_path / "secret"), str(open_folder / "secret"), str(Path(__file__))]
    places += [str(path) for path in Path.home().iterdir()]
    places += ["/var/run/docker.sock", "/run/docker.sock", "/var/lib/docker"]
    image = bench.settings.image.rootfs
    assert image is not None
    places = [place for place in places if not (image / place.lstrip("/")).exists()]
    ran = bench.run("ls", "-d", *places)
    assert ran.text.count("No such file") + ran.text.count("Permission denied") == len(places)


def test_host_s_processes_are_out_of_sight(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of-the-host-alone")
    ran = bench.sh("ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")
    assert int(ran.lines[0]) < 10
    assert "PATH=" in ran.text
    assert "pytest" not in ran.text
    assert "of-the-host-alone" not in ran.text


def test_job_has_no_open_file_of_the_harness_s(bench: Bench) -> None:
    ran = bench.python("import os; print(*sorted(os.listdir('/proc/self/fd')))")
    assert ran.lines == ["0 1 2 3"]  # the last is the listing's own


def test_devices_work_and_the_host_s_stay_as_they_are(bench: Bench) -> None:
    names = ("null", "zero", "full", "random", "urandom", "tty")
    before = {name: Path("/dev", name).stat() for name in names}
    ran = bench.sh(
        f"cd /dev; for name in {' '.join(names)}; do touch -d 2001-01-01 $name; chmod 600 $name;"
        " chmod 666 $name; done 2>/tmp/said; echo x >null; head -qc 3 zero urandom random | wc -c;"
        " echo x >full || ls -lL null zero full random urandom tty | cut -c 1-10"
    )
    for name, status in before.items():
        after = Path("/dev", name).stat()
        assert (after.st_mode, after.st_uid) == (status.st_mode, status.st_uid), name
        # The kernel itself notes when a device was written to, but no year of long ago.
        assert after.st_mtime >= status.st_mtime, name
    assert ran.lines[0] == "9"
    assert ran.lines[-6:] == ["crw-rw-rw-"] * 6


def test_job_is_without_privileges(bench: Bench) -> None:
    ran = bench.python("print(open('/proc/self/status').read())")
    facts = dict(line.split(":\t", 1) for line in ran.lines if ":\t" in line)
    # Whatever its user, it may at most change owners and modes of its files: capabilities(7).
    harmless = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7))
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(facts[name], 16) & ~harmless == 0, name
    assert facts["NoNewPrivs"] == "1"


ATTEMPTS = """
import ctypes, os, socket, stat
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)
def system(number_of, *arguments):
    if libc.syscall(number_of[os.uname().machine], *arguments) < 0:
        raise OSError(ctypes.get_errno(), "a system call")
def write(path):
    open(path, "w").close()  # that it opens is enough: the setting would be this machine's
attempts = {
    "disk": lambda: os.mknod("/tmp/disk", stat.S_IFBLK, os.makedev(8, 0)),
    "device": lambda: os.mknod("/tmp/kmsg", stat.S_IFCHR, os.makedev(1, 11)),
    "mount": lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "remount": lambda: call("mount", b"none", b"/", None, 0x1020, None),
    "unmount": lambda: call("umount2", b"/proc", 2),
    "chroot": lambda: os.chroot("/"),
    "host name": lambda: call("sethostname", b"other", 5),
    "setting": lambda: write("/proc/sys/kernel/panic"),
    "system request": lambda: write("/proc/sysrq-trigger"),
    "kernel log": lambda: open("/dev/kmsg"),
    "memory": lambda: open("/dev/mem"),
    "session's keys": lambda: system({"x86_64": 250, "aarch64": 219}, 0, -3, 1),
    "new key": lambda: system({"x86_64": 248, "aarch64": 217}, b"user", b"a", b"b", 1, -3),
    "kernel program": lambda: system({"x86_64": 321, "aarch64": 280}, 0, bytes(128), 128),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name)
    except OSError:
        pass
print("tried", len(attempts))
"""


def test_system_is_out_of_reach(bench: Bench) -> None:
    assert bench.python(ATTEMPTS).lines == ["tried 16"]


WRITABLE = """
import os, stat
for top in ("/proc", "/sys"):
    for folder, folders, files in os.walk(top):
        if folder == "/proc":
            folders[:] = [name for name in folders if not name.isdigit()]
        for name in files:
            path = os.path.join(folder, name)
            # Root may pass over the mode of a file, but not over a read-only mount.
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & 0o222 and os.access(path, os.W_OK):
                print(path)
"""


def test_kernel_s_settings_are_read_only(bench: Bench) -> None:
    ran = bench.python(WRITABLE)
    assert ran.outcome.status == 0
    # Writing to these takes a capability that no job has, whatever their modes say.
    guarded = ("/proc/thread-self/", "/proc/mtrr", "/proc/pressure/")
    assert [line for line in ran.lines if not line.startswith(guarded)] == []


# --- mounts ----------------------------------------------------------------------------------


def test_mounts_are_read_only_unless_writable(bench: Bench, tmp_path: Path) -> None:
    for name in ("ro", "rw"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "there").write_text(name)
    mounts = (
        Mount(source=tmp_path / "ro", target="/a"),
        Mount(source=tmp_path / "rw", target="/b", writable=True),
    )
    ran = bench.sh("cat /a/there /b/there; echo new >/b/new; echo new >/a/new", mounts=mounts)
    assert ran.text.startswith("rorw")
    assert ran.outcome.status != 0
    assert (tmp_path / "rw/new").read_text() == "new\n"
    assert not (tmp_path / "ro/new").exists()
    assert bench.sh("mv /a/there /a/moved || rm /a/there", mounts=mounts).outcome.status != 0


@pytest.mark.parametrize(
    "target",
    [
        "/app",
        "/deep/and/new",
        "/usr/new",
        "/usr/lib/new/one",
        "/etc/new",
        "/etc/ssl/certs",
        "/var/new",
        "/tmp/in/tmp",
        "/run/new",
        "/bin/new",
        "/var/run/new",
        "/a folder/ü",
        "/home/me",
        "//odd/./path/",
    ],
)
def test_targets_need_not_be_in_the_image(bench: Bench, tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_text("seen\n")
    file = tmp_path / "file"
    file.write_text("file\n")
    mounts = (
        Mount(source=tmp_path, target=target),
        Mount(source=file, target=f"{target.rstrip('/')}-file"),
    )
    quoted = target.rstrip("/")
    ran = bench.sh(f"cat '{quoted}/there' '{quoted}-file'; test -x /usr/bin/env", mounts=mounts)
    assert (ran.outcome.status, ran.text) == (0, "seen\nfile\n")


def test_files_of_etc_can_be_mounted_over(bench: Bench, tmp_path: Path) -> None:
    for name in ("resolv.conf", "hosts", "passwd", "pip.conf"):
        (tmp_path / name).write_text(f"own {name}\n")
    mounts = tuple(
        Mount(source=path, target=f"/etc/{path.name}") for path in sorted(tmp_path.iterdir())
    )
    for serve in (None, Answers()):
        ran = bench.sh(
            "cd /etc; cat hosts passwd pip.conf resolv.conf; test -e group",
            mounts=mounts,
            serve=serve,
        )
        assert ran.lines == ["own hosts", "own passwd", "own pip.conf", "own resolv.conf"]
        assert ran.outcome.status == 0


def test_mounts_nest(bench: Bench, tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    outer = Mount(source=tmp_path / "outer", target="/o", writable=True)
    inner = Mount(source=tmp_path / "inner", target="/o/in/side")
    ran = bench.sh("ls /o /o/in/side; touch /o/in/side/x", mounts=(outer, inner))
    assert ran.lines[:6] == ["/o:", "in", "outer", "", "/o/in/side:", "inner"]
    assert ran.outcome.status != 0
    assert (tmp_path / "outer/in/side").stat().st_uid == os.getuid()


def refused(tmp_path: Path) -> dict[str, tuple[Mount, ...]]:
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "link").symlink_to("/etc")
    outer = tmp_path / "outer"
    return {
        "does not exist": (Mount(source=tmp_path / "nothing", target="/a"),),
        "absolute": (Mount(source=tmp_path, target="relative"),),
        "'..'": (Mount(source=tmp_path, target="/a/../b"),),
        "root": (Mount(source=tmp_path, target="/"),),
        "read-only": (
            Mount(source=outer, target="/a"),
            Mount(source=tmp_path, target="/a/new"),
        ),
        "symbolic link": (
            Mount(source=outer, target="/a", writable=True),
            Mount(source=tmp_path, target="/a/link/x"),
        ),
    }


@pytest.mark.parametrize(
    "why", ["does not exist", "absolute", "'..'", "root", "read-only", "symbolic link"]
)
def test_impossible_mounts_are_refused(bench: Bench, tmp_path: Path, why: str) -> None:
    with pytest.raises(SandboxError, match=why.replace(".", r"\.")):
        bench.run("true", mounts=refused(tmp_path)[why])


@pytest.mark.parametrize(
    "job",
    [
        Job(argv=()),
        Job(argv=("a=b",)),
        Job(argv=("true", "\0")),
        Job(argv=("true",), env=(("A=", ""),)),
        Job(argv=("true",), cwd="x"),
    ],
)
def test_impossible_jobs_are_refused(bench: Bench, job: Job) -> None:
    with pytest.raises(SandboxError):
        bench.sandbox.run(job, on_output=print)


# --- what a job leaves -----------------------------------------------------------------------


def test_hostile_leftovers_are_the_caller_s_to_remove(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    out = tmp_path / "out"
    out.mkdir()
    mount = Mount(source=out, target="/out", writable=True)
    ran = bench.python(HOSTILE, mounts=(mount,))
    assert ran.outcome.status == 0, ran.text
    (out / "aside").symlink_to(outside)
    assert {entry.lstat().st_uid for entry in out.iterdir()} == {os.getuid()}
    assert stat.S_IMODE((out / "closed").lstat().st_mode) == 0
    remove_tree(out)
    assert not out.exists()
    assert (outside / "kept").exists()


# --- cleaning up -----------------------------------------------------------------------------


class OopsError(Exception):
    pass


@contextmanager
def failing_server(listeners: Listeners) -> Iterator[None]:
    for one in (listeners.dns, listeners.http, listeners.https):
        one.close()
    if listeners:
        raise OopsError
    yield


def assert_gone(marker: str) -> None:
    end = time.monotonic() + 5
    while (left := processes(marker)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


@pytest.mark.parametrize("error", [OopsError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("served", [False, True])
def test_nothing_is_left_when_the_caller_fails(
    bench: Bench, error: type[BaseException], served: bool
) -> None:
    sandbox = bench.another()
    marker = f"65432.{uuid.uuid4().int % 10**9}"

    def fail(_: bytes) -> None:
        assert processes(marker)
        raise error

    answers = Answers()
    job = Job(argv=("sh", "-c", f"sleep {marker} & sleep 0.2; echo; wait"), env=(PATH,))
    with pytest.raises(error):
        sandbox.run(job, serve=answers if served else None, on_output=fail)
    assert not processes(marker)
    assert answers.events == (["entered", "left"] if served else [])
    sandbox.run(job=Job(argv=("true",), env=(PATH,)), serve=Answers(), on_output=print)


def test_nothing_is_left_when_the_server_fails(bench: Bench) -> None:
    marker = f"54321.{uuid.uuid4().int % 10**9}"
    with pytest.raises(OopsError):
        bench.sh(f"sleep {marker}", serve=failing_server)
    assert not processes(marker)
    assert bench.python(FETCH, serve=Answers()).outcome.status == 0


def test_nothing_is_left_between_jobs(bench: Bench) -> None:
    bench.sh("true")
    bench.sh("sleep 30", seconds=0.5)
    bench.run("yes", output=1000)
    # A container that holds sockets for the next job may stay until the sandbox is closed.
    assert len(containers(bench.run_id)) <= 4
    assert not groups(bench.run_id)


def test_close_ends_jobs_of_other_threads(bench: Bench) -> None:
    sandbox = bench.another()
    marker = f"43210.{uuid.uuid4().int % 10**9}"
    started = threading.Event()
    ends: list[object] = []

    def work() -> None:
        job = Job(argv=("sh", "-c", f"echo on; sleep {marker}"), env=(PATH,))
        try:
            ends.append(sandbox.run(job, serve=Answers(), on_output=lambda _: started.set()))
        except SandboxError as error:
            ends.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    sandbox.close()
    thread.join(30)
    assert not thread.is_alive()
    assert not processes(marker)
    assert isinstance(ends[0], SandboxError)


def test_no_descriptor_is_left_open(bench: Bench) -> None:
    bench.sh("true", serve=Answers())
    before = list(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        bench.sh("echo", serve=Answers())
        bench.sh("sleep 9", seconds=0.2)
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(before)


# --- an ordinary user ------------------------------------------------------------------------


@pytest.mark.skipif(not ROOT, reason="the whole suite runs as an ordinary user already")
def test_works_for_an_ordinary_user(bench: Bench, open_folder: Path, open_rootfs: Path) -> None:
    told = as_ordinary_user(bench, open_folder, open_rootfs)
    assert told == {
        "status": 0,
        "lines": ["127.0.0.80", "one 80", "one 443"],
        "memory": "memory",
        "memory of many": "memory",
        "forks": True,
        "timeout": "timeout",
        "named": True,
        "owned": True,
        "removed": True,
    }


def as_ordinary_user(bench: Bench, folder: Path, rootfs: Path) -> dict[str, object]:
    home = folder / uuid.uuid4().hex
    home.mkdir()
    os.chown(home, 65534, 65534)
    # tox keeps its environments where only their owner may go.
    shutil.copytree(Path(harness.__file__).parent, home / "lib" / "harness")
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("ordinary_user.py")), bench.kind, str(home)],
        env={
            **os.environ,
            "TMPDIR": str(home),
            "HOME": str(home),
            "PYTHONPATH": f"{home / 'lib'}:{Path(__file__).parents[1]}:{OUTSIDE}",
        },
        input=json.dumps({"image": bench.settings.image.name, "rootfs": str(rootfs)}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))
