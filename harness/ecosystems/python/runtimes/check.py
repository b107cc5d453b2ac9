"""Whether a packed runtime works with the libraries of a system."""

import tempfile
from pathlib import Path

from harness.ecosystems.python.runtimes.runtime import Runtime, minor_of
from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError
from harness.stack.bootstrap import unpack
from harness.stack.image import Image

_CHECK = """
import importlib, json, os, site, sys, sysconfig
import ctypes, ensurepip, hashlib, ssl, venv, zlib
folder = sysconfig.get_path("purelib")
expected = os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2])
packages = os.path.join(expected, "site-packages")
assert os.path.dirname(os.__file__) == expected, ("stdlib", os.__file__)
assert folder == sysconfig.get_path("platlib") == packages, ("sysconfig", folder)
assert packages in sys.path, ("sys.path", sys.path)
assert site.getsitepackages()[0] == packages, ("site", site.getsitepackages())
assert not [p for p in sys.path if not p.startswith(sys.prefix)], ("sys.path", sys.path)
if sys.version_info < (3, 12):
    import warnings
    warnings.simplefilter("ignore")
    from distutils.sysconfig import get_python_lib
    assert get_python_lib() == packages, ("distutils", get_python_lib())
wheels = os.listdir(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
assert [w for w in wheels if w.startswith("pip-%s-" % ensurepip.version())], ("pip", wheels)
for name in sorted(os.listdir(os.path.join(expected, "lib-dynload"))):
    importlib.import_module(name.partition(".")[0])
print("well")
"""


def check(tree: Path, *, version: str, system: System) -> None:
    """Runs a packed tree with the libraries of a system.

    Raises:
        RuntimeArchiveError: It does not start there, an extension module does not load, or it
            would install packages elsewhere than into its own site-packages.
    """
    program = tree / "bin" / f"python{minor_of(version)}"
    done = system.run((str(program), "-I", "-B", "-c", _CHECK), (tree / "lib",))
    if done.returncode or done.stdout.strip() != "well":
        lines = done.stderr.strip().splitlines()[-4:] or [f"status {done.returncode}"]
        raise RuntimeArchiveError(
            f"Python {version}, as packed, does not work with the system at {system.root}:\n"
            + "\n".join(f"  {line}" for line in lines),
            hint="pack one that was built on an older system, or build an image of a newer suite "
            "(cache-harness image build --suite NAME)",
        )


def works(runtime: Runtime, image: Image) -> bool:
    """Whether a kept runtime works in an image; that it does is remembered beside it."""
    mark = works_mark(runtime, image)
    if mark.exists():
        return True
    with tempfile.TemporaryDirectory(prefix="cache-harness-") as folder:
        tree = Path(folder)
        unpack(runtime.gz, tree)
        try:
            check(tree, version=runtime.version, system=System(root=image.rootfs))
        except RuntimeArchiveError:
            return False
    mark.touch()
    return True


def works_mark(runtime: Runtime, image: Image) -> Path:
    """The file that remembers that a kept runtime works in an image."""
    return runtime.zst.parent / f"works-in-{image.digest[:12]}"
