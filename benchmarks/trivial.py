"""A buildpack that does next to nothing, and scenarios for it: what is left is the harness."""

from pathlib import Path

_DETECT = "#!/bin/sh\nexit 0\n"
# Leaves one module and, in the cache, one file.
_COMPILE = """\
#!/bin/sh
set -e
site=$1/.heroku/python/lib/python3.11/site-packages
mkdir -p "$site"
echo 'x = 1' >"$site/x.py"
echo kept >"$2/kept"
"""
# Installs what lies in the cache, as a buildpack does that keeps what it installed.
_RESTORE = """\
#!/bin/sh
set -e
mkdir -p "$1/.heroku/python/lib/python3.11"
cp -a "$2/site-packages" "$1/.heroku/python/lib/python3.11/"
"""

_SCENARIO = """\
description = "Scenario {number} of app {app}"

[app.files]
"requirements.txt" = ""
"app.txt" = "app {app}"
"""
_COMMIT = """
[[commits]]
message = "Commit {number}"
edits = [{{ do = "write", path = "file{number}.txt", text = "text {number}" }}]
"""


def buildpack(folder: Path) -> Path:
    """Writes the buildpack that leaves one tiny module into a new folder, which is returned."""
    return _buildpack(folder, _COMPILE)


def restoring_buildpack(folder: Path) -> Path:
    """Writes one that installs `site-packages` from its cache into a new folder."""
    return _buildpack(folder, _RESTORE)


def scenarios(folder: Path, *, count: int, commits: int, apps: int) -> Path:
    """Writes scenarios into a new folder, which is returned.

    Args:
        folder: The folder.
        count: How many scenarios.
        commits: How many commits each has, the first included; two at least.
        apps: How many different apps they are of; those of one app need the same builds.
    """
    home = folder / "scenarios"
    home.mkdir(parents=True)
    later = "".join(_COMMIT.format(number=number) for number in range(2, commits + 1))
    for number in range(count):
        text = _SCENARIO.format(number=number, app=number % apps) + later
        (home / f"s{number:04}.toml").write_text(text, encoding="utf-8")
    return home


def _buildpack(folder: Path, compile_script: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    for name, text in (("detect", _DETECT), ("compile", compile_script)):
        program = folder / "bin" / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
    return folder
