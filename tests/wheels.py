"""Wheels of pure Python, as installers take them."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence


def wheel_name(project: str, version: str) -> str:
    """The file name of a project's wheel."""
    return f"{project.replace('-', '_')}-{version}-py3-none-any.whl"


def wheel(
    project: str,
    version: str,
    files: Mapping[str, str],
    *,
    requires: Sequence[str] = (),
    requires_python: str = "",
    entry_points: str = "",
) -> bytes:
    """A project's wheel.

    Args:
        project: Its name.
        version: Its version.
        files: What it installs, by path.
        requires: What it depends on.
        requires_python: Which Pythons it is for; any where this is empty.
        entry_points: The text of its `entry_points.txt`; it has none where this is empty.
    """
    info = f"{project.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    if requires_python:
        metadata += f"Requires-Python: {requires_python}\n"
    everything = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": entry_points} if entry_points else {}),
    }
    lines = [f"{path},{_digest(text)},{len(text.encode())}" for path, text in everything.items()]
    everything[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in everything.items():
            archive.writestr(path, text)
    return data.getvalue()


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
