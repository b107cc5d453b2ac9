"""Programs for jobs in sandboxes, in Python."""

FETCH = """
import socket, urllib.request
print(socket.gethostbyname("any.name.example"))
print(urllib.request.urlopen("http://any.name.example/x", timeout=10).read().decode())
print(urllib.request.urlopen("http://other.example:443/x", timeout=10).read().decode())
"""
"""Looks a name up, and fetches by HTTP on both ports."""

HOG = "import time; held = b'x' * ({} * 1024 * 1024); time.sleep(20)"
"""Holds as many MiB as the braces say."""

MANY = f"""
import os
import shutil
for _ in range(5):
    if os.fork() == 0:
        exec({HOG.format(60)!r})
        os._exit(0)
for _ in range(5):
    os.wait()
"""
"""Five processes that hold 60 MiB each."""

COUNT = """
import os, time
made = 0
try:
    while made < 300:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError as error:
    print(made, error.strerror, flush=True)
    raise SystemExit(9)
print(made, flush=True)
"""
"""Starts 300 processes, prints how many it could, and exits 9 where it could not."""

HOSTILE = r"""
import os
import shutil
os.umask(0)
os.chdir("/out")
os.symlink("/etc/passwd", "link-out")
os.symlink("../../..", "link-up")
os.symlink("loop", "loop")
os.mkfifo("fifo")
os.makedirs("closed/inner/more")
open("closed/inner/file", "w").close()
open(b"\xff\xfe\n\t name", "w").close()
open("-rf", "w").close()
os.makedirs("a/" * 200)
open("unreadable", "w").close()
os.chmod("unreadable", 0)
for n in ("closed/inner/more", "closed/inner", "closed"):
    os.chmod(n, 0)
here = "."
for _ in range(900):
    os.mkdir("deep")
    os.chdir("deep")
"""
"""Leaves in /out what is hard to remove."""
