"""The user that a job runs as, as the sandbox's /etc tells of it."""

NAME = "build"
HOME = "/tmp"  # noqa: S108  (a path of the sandbox's, whose /tmp is its own)
SHELL = "/bin/sh"

PASSWD = f"root:x:0:0:root:/root:{SHELL}\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


def with_user(passwd: str, uid: int, gid: int) -> str:
    """`passwd` (the file's text) with a line for `uid`, where it has none."""
    return _with(passwd, str(uid), f":x:{uid}:{gid}:{NAME}:{HOME}:{SHELL}")


def with_group(group: str, gid: int) -> str:
    """`group` (the file's text) with a line for `gid`, where it has none."""
    return _with(group, str(gid), f":x:{gid}:")


def _with(text: str, number: str, rest: str) -> str:
    lines = [line.split(":") for line in text.splitlines()]
    if any(len(line) > 2 and line[2] == number for line in lines):
        return text
    taken = {line[0] for line in lines}
    name = NAME if NAME not in taken else f"{NAME}-{number}"
    return (text if not text or text.endswith("\n") else text + "\n") + name + rest + "\n"
