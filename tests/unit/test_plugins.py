"""A plug-in is known by all that decides how it acts, in whatever package that stands."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

KIND = """
from harness.buildpacks.classic import ClassicKind
from acme_base import Base
import acme_tools.shell

class Kind(Base, ClassicKind):
    name = "acme"
    preference = 0
    check = stack_image = named_image = sweep = reclaim = None

    def recognises(self, folder):
        import acme_late
        return False

    def reasons(self, log):
        return __import__("acme_named").reasons
"""
FILES = {
    "acme_kind/__init__.py": "",
    "acme_kind/kinds.py": KIND,
    "acme_kind/recipe.sh": "true\n",
    "acme_base.py": "class Base:\n    pass\n",
    "acme_tools/shell/__init__.py": "import acme_deep\n",
    "acme_tools/other/__init__.py": "",
    "acme_deep.py": "x = 1\n",
    "acme_late.py": "x = 1\n",
    "acme_named.py": "reasons = ()\n",
    "acme_unused.py": "x = 1\n",
    "share/acme/recipe.sh": "true\n",
    "acme-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"
    "Requires-Dist: Acme.Plugins>=1; extra == 'x'\nRequires-Dist: acme-not-there\n",
    "acme-1.0.dist-info/entry_points.txt": "[cache_harness.buildpacks]\n"
    "acme = acme_kind.kinds:Kind\n[cache_harness.sandboxes]\nacme = acme_kind.kinds:Kind\n",
    "acme-1.0.dist-info/RECORD": "acme_kind/__init__.py,,\nacme_kind/kinds.py,,\n"
    "share/acme/recipe.sh,,\nacme-1.0.dist-info/METADATA,,\nacme-1.0.dist-info/RECORD,,\n",
    "acme_plugins-2.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-plugins\n"
    "Version: 2.0\n",
}  # fmt: skip
KINDS = """
from harness.buildpacks.registry import kinds
print(*(f"{one.kind.name} {one.identity}" for one in kinds()), sep="\\n")
"""
SANDBOXES = """
from harness.sandboxes.registry import backends, identity_of
for name, backend in backends().items():
    if name == "acme":
        print(name, identity_of(name, backend()))
    else:
        print(name, identity_of(name, object.__new__(backend)))
"""
UNKNOWN = """
from harness.plugins.entry_points import Plugin
class Here: pass
print("here", Plugin(name="here", brought=Here).identity(Here()))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder on the path, with a distribution that brings a kind of its own."""
    folder = tmp_path / "packages"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def identities(folder: Path, program: str = KINDS) -> dict[str, str]:
    """What a new process says."""
    done = subprocess.run(
        (sys.executable, "-c", program),
        env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return {
        name: said for name, _, said in (line.partition(" ") for line in done.stdout.splitlines())
    }


def test_the_harness_s_own_need_no_name(installed: Path) -> None:
    kinds, sandboxes = identities(installed), identities(installed, SANDBOXES)
    assert kinds.pop("acme")
    assert sandboxes.pop("acme")
    assert kinds == {"classic": "", "scalingo": ""}
    assert sandboxes == {"docker": "", "bubblewrap": ""}


CHANGES = {
    "its module": "acme_kind/kinds.py",
    "another module of its package": "acme_kind/__init__.py",
    "a data file of its package": "acme_kind/recipe.sh",
    "a new file in its package": "acme_kind/new",
    "a data file of its distribution": "share/acme/recipe.sh",
    "what it inherits from": "acme_base.py",
    "what it imports, in a namespace": "acme_tools/shell/__init__.py",
    "what that imports": "acme_deep.py",
    "what it imports late": "acme_late.py",
    "what it imports by a name that is written out": "acme_named.py",
}


@pytest.mark.parametrize("path", CHANGES.values(), ids=CHANGES)
def test_a_change_of_code_or_data_is_another_identity(installed: Path, path: str) -> None:
    first = identities(installed)
    with (installed / path).open("a") as file:
        file.write("# changed\n")
    second = identities(installed)
    assert first["classic"] == second["classic"] == ""
    assert first["acme"] != second["acme"]


def test_its_mode_counts_as_well(installed: Path) -> None:
    first = identities(installed)
    (installed / "acme_kind/recipe.sh").chmod(0o755)
    assert identities(installed) != first


def test_a_package_that_is_imported_and_is_installed_later_counts(installed: Path) -> None:
    with (installed / "acme_late.py").open("a") as file:
        file.write("def f():\n    import acme_optional\n")
    first = identities(installed)
    (installed / "acme_optional.py").touch()
    assert identities(installed)["acme"] != first["acme"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("acme-1.0.dist-info", "acme-1.1.dist-info"),
        ("acme_plugins-2.0.dist-info", "acme_plugins-2.1.dist-info"),
    ],
)
def test_another_version_is_another_identity(installed: Path, before: str, after: str) -> None:
    first = identities(installed)
    old, new = (name.partition("-")[2].removesuffix(".dist-info") for name in (before, after))
    (installed / before).rename(installed / after)
    metadata = installed / after / "METADATA"
    metadata.write_text(metadata.read_text().replace(f"Version: {old}", f"Version: {new}"))
    assert identities(installed)["acme"] != first["acme"]


@pytest.mark.parametrize(
    "path", ["acme_unused.py", "acme_tools/other/__init__.py", "acme-1.0.dist-info/INSTALLER"]
)
def test_what_has_no_say_is_the_same_identity(installed: Path, path: str) -> None:
    first = identities(installed)
    (installed / path).write_text("# changed\n")
    assert identities(installed) == first


def test_it_is_the_same_wherever_it_lies_and_once_it_is_compiled(
    installed: Path, tmp_path: Path
) -> None:
    first = identities(installed)
    subprocess.run((sys.executable, "-m", "compileall", "-q", installed), check=True)
    moved = installed.rename(tmp_path / "elsewhere")
    assert identities(moved) == first


def test_a_folder_that_leads_back_into_itself_ends(installed: Path) -> None:
    for name in ("a", "b"):
        (installed / "acme_kind" / name).symlink_to(".")
    assert identities(installed)["acme"]


def test_the_same_in_an_archive(installed: Path, tmp_path: Path) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(installed.rglob("*")):
            file.write(path, path.relative_to(installed))
    first = identities(archive)
    assert first == identities(archive)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("acme_kind/more", "")
    assert identities(archive)["acme"] != first["acme"]


def test_what_lies_nowhere_is_nobody_else_s(tmp_path: Path) -> None:
    assert identities(tmp_path, UNKNOWN) != identities(tmp_path, UNKNOWN)


@pytest.mark.parametrize(("program", "what"), [(KINDS, "buildpack kind"), (SANDBOXES, "sandbox")])
def test_what_cannot_be_imported_is_told_with_its_distribution(
    installed: Path, program: str, what: str
) -> None:
    (installed / "acme_base.py").unlink()
    with pytest.raises(AssertionError) as raised:
        identities(installed, program)
    said = str(raised.value)
    assert f"{what} 'acme' (acme_kind.kinds:Kind) cannot be imported: No module" in said
    assert "repair or uninstall acme" in said


def test_a_sandbox_made_for_another_version_is_named_with_what_it_lacks(installed: Path) -> None:
    module = installed / "acme_kind/kinds.py"
    module.write_text(module.read_text().replace("check = ", "sweep = "))
    with pytest.raises(AssertionError) as raised:
        identities(installed, SANDBOXES)
    said = str(raised.value)
    assert "sandbox 'acme' lacks check" in said
    assert "upgrade or uninstall acme" in said
