"""Compiles modules where they are packed, as if in the place where they will be run."""

from pathlib import Path

from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError


def compile_folder(
    folder: Path, *, root: Path, place: str, marker: str, program: Path, system: System, called: str
) -> None:
    """Compiles all modules below a folder, with unchecked `.pyc` files (PEP 552).

    Templates of lib2to3's, and modules for other Pythons, do not compile, and are not run either.

    Args:
        folder: What is compiled.
        root: The folder that stands for `place`, in which the `.pyc` files say that they lie.
        place: See `root`.
        marker: A glob below `folder` of a `.pyc` file that is there where compiling worked.
        program: The Python that compiles, `lib` beside its `bin` searched for libraries.
        system: What it is run with.
        called: What an error calls the modules.

    Raises:
        RuntimeArchiveError: They do not compile.
    """
    # A worker process is started anew, which an unpacked system's loader has no part in.
    jobs = "0" if system.root == Path("/") else "1"
    done = system.run(
        (
            # Not isolated (-I): up to 3.10 the order of a set constant hangs on PYTHONHASHSEED.
            *(str(program), "-s", "-B", "-m", "compileall", "-q", "-f", "-j", jobs),
            *("--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", place),
            str(folder),
        ),
        (program.parent.parent / "lib",),
    )
    if done.returncode and not list(folder.glob(marker)):
        lines = (done.stderr + done.stdout).strip().splitlines()[-4:]
        raise RuntimeArchiveError(
            f"{called} does not compile:\n" + "\n".join(f"  {line}" for line in lines),
            hint="see that this Python runs by itself, then pack it again",
        )
