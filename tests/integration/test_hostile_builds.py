"""Buildpacks that mean harm: the host stays as it was, and what they leave is compared."""

from pathlib import Path

import pytest
from planted import run_planted
from program import EndedRun, Program

pytestmark = [pytest.mark.image, pytest.mark.timeout(300)]

ODDITIES = r"""
echo safe >"$packages/safe.py"
mkfifo "$packages/fifo"
mknod "$packages/null" c 1 3 || echo "no device is made"
mkdir -p "$packages/closed/inner" "$packages/leak-1.0.dist-info" "$packages/pipe-1.0.dist-info"
echo x >"$packages/closed/inner/file"
ln -s SECRET "$packages/secret"
ln -s SECRET/METADATA "$packages/leak-1.0.dist-info/METADATA"
ln -s SECRET/METADATA "$packages/leak-1.0.dist-info/RECORD"
mkfifo "$packages/pipe-1.0.dist-info/METADATA"
ln -s /dev/zero "$packages/pipe-1.0.dist-info/RECORD"
ln -s loop "$packages/loop"
ln -s / "$packages/everything"
ln -s SECRET "$build/.heroku/python/src"
touch "$packages/"$'not\xffutf-8\n.py'
rm -f /run/build-steps/statuses
ln -s SECRET/METADATA /run/build-steps/statuses
"""
# Files, links and pipes: seven in site-packages, two in each dist-info, and `src`.
ODD_FILES = 12
CLOSED = 'chmod 000 "$packages/closed/inner" "$packages/closed"\n'
NO_CACHE = 'rm -rf "$cache"\nln -s SECRET "$cache"\n'
CHANGES = (
    '[[ ! -e $cache/seen ]] || rm "$packages/safe.py"\nmkdir -p "$cache"\ntouch "$cache/seen"\n'
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of the host's that looks like a build's, for a build to point at."""
    folder = tmp_path / "secret"
    (folder / ".heroku/python/bin").mkdir(parents=True)
    (folder / ".heroku/python/bin/tool").write_text("tool")
    (folder / "METADATA").write_text("Name: stolen-words\nVersion: 1.0\n")
    return folder


def listing(folder: Path) -> list[tuple[str, int, int]]:
    return [(str(p), p.lstat().st_mode, p.lstat().st_mtime_ns) for p in sorted(folder.rglob("*"))]


def unhurt(program: Program, folder: Path, script: str, secret: Path, kind: str) -> EndedRun:
    """A run with a hostile buildpack, after which the host is as it was and nothing was read."""
    before = listing(secret), Path("/etc").stat().st_mtime_ns
    script = script.replace("SECRET", str(secret))
    ran = run_planted(program, folder, script, "--timeout", "60", sandbox=kind)
    assert (listing(secret), Path("/etc").stat().st_mtime_ns) == before
    assert "stolen" not in str(ran.report) + ran.said
    return ran


def test_what_a_hostile_build_leaves_is_compared_and_removed(
    program: Program, kind: str, tmp_path: Path, secret: Path
) -> None:
    ran = unhurt(program, tmp_path, ODDITIES + CLOSED + NO_CACHE, secret, kind)
    assert ran.verdicts == {"planted": "agrees"}, ran.said
    assert ran.status == 0, ran.said
    # The app brings one file, and then another.
    assert [step["compared"] for step in ran.steps] == [ODD_FILES + 1, ODD_FILES + 2]


def test_what_a_hostile_build_leaves_is_told_apart(
    program: Program, kind: str, tmp_path: Path, secret: Path
) -> None:
    ran = unhurt(program, tmp_path, ODDITIES + CHANGES + CLOSED, secret, kind)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "diverges"], ran.said
    (divergence,) = ran.steps[-1]["divergences"]
    assert divergence["path"].endswith("/site-packages/safe.py")
    assert divergence["kind"] == "missing"
    assert ran.status == 1


@pytest.mark.parametrize(
    "place", ["$build", "$build/.heroku", "$build/.heroku/python", "$build/.heroku/python/bin"]
)
@pytest.mark.bubblewrap
def test_link_in_place_of_what_is_compared_is_not_followed(
    program: Program, tmp_path: Path, secret: Path, place: str
) -> None:
    below = place.removeprefix("$build")
    script = f'echo x >"$build/keep"\nrm -rf "{place}"\nln -s SECRET{below} "{place}"\n'
    ran = unhurt(program, tmp_path, script, secret, "bubblewrap")
    if below:
        # The link itself, what the app brings, and what else the build left.
        assert [step["compared"] for step in ran.steps] == [3, 4], ran.said
        assert ran.status == 0
    else:
        # A link in place of the whole build is dropped, and nothing is left.
        assert ran.status == 2, ran.said
        assert "nothing to compare" in ran.out
