"""Compiles modules where they are packed, as if in the place where they will be run."""

from dataclasses import dataclass
from pathlib import Path

from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A Python that compiles, `lib` beside its `bin` searched for libraries, and its system."""

    program: Path
    system: System


def compile_folder(
    folder: Path, *, root: Path, place: str, marker: str, compiler: Compiler, called: str
) -> None:
    """Compiles all modules below a folder, with unchecked `.pyc` files (PEP 552).

    Templates of lib2to3's, and modules for other Pythons, do not compile, and are not run either.

    Args:
        folder: What is compiled.
        root: The folder that stands for `place`, in which the `.pyc` files say that they lie.
        place: See `root`.
        marker: A glob below `folder` of a `.pyc` file that is there where compiling worked.
        compiler: What compiles.
        called: What an error calls the modules.

    Raises:
        RuntimeArchiveError: They do not compile.
    """
    program, system = compiler.program, compiler.system
    # A worker process is started by itself, which an unpacked system's loader has no part in.
    jobs = "0" if system.root == Path("/") else "1"
    done = system.run(
        (
            # Not isolated (-I): up to 3.10 the order of a set constant depends on PYTHONHASHSEED.
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
            hint="check that this Python runs by itself, then pack it again",
        )
