"""Makes the wheels and sdists that scenarios keep in an app: fixtures/repos/shop-files.

To be run after a change of what they hold:

    .venv/bin/python dev/app_files.py
"""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "repos" / "shop-files"

_TIME = 1646136000  # 2022-03-01 12:00 UTC, when the forks begin too
_METADATA = """\
Metadata-Version: 2.1
Name: shop
Version: {version}
Summary: A package in a file of the app
"""
_WHEEL = """\
Wheel-Version: 1.0
Generator: app_files
Root-Is-Purelib: true
Tag: py3-none-any
"""
_PROJECT = """\
[build-system]
requires = ["flit_core>=3.4"]
build-backend = "flit_core.buildapi"

[project]
name = "shop"
version = "{version}"
description = "A package in a file of the app"
"""


def files() -> dict[str, bytes]:
    """Every file by its path in the fixture."""
    return {
        "app/wheels/shop-1.0-py3-none-any.whl": wheel("1.0", "first"),
        "app/sdists/shop-1.0.tar.gz": sdist("1.0", "first"),
        "rebuilt/wheels/shop-1.0-py3-none-any.whl": wheel("1.0", "second"),
        "rebuilt/sdists/shop-1.0.tar.gz": sdist("1.0", "second"),
        "newer/wheels/shop-1.1-py3-none-any.whl": wheel("1.1", "newer"),
    }


def wheel(version: str, page: str) -> bytes:
    """A wheel of `shop` with a module and a page."""
    info = f"shop-{version}.dist-info"
    contents = {
        **_package(version, page),
        f"{info}/METADATA": _METADATA.format(version=version),
        f"{info}/WHEEL": _WHEEL,
    }
    lines = [f"{path},{_digest(text)},{len(text)}\n" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in contents.items():
            member = zipfile.ZipInfo(path, (2022, 3, 1, 12, 0, 0))
            member.external_attr = 0o100644 << 16
            archive.writestr(member, text)
    return data.getvalue()


def sdist(version: str, page: str) -> bytes:
    """An sdist of the same."""
    contents = {
        "pyproject.toml": _PROJECT.format(version=version),
        "PKG-INFO": _METADATA.format(version=version),
        **_package(version, page),
    }
    data = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=data, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, text in contents.items():
            member = tarfile.TarInfo(f"shop-{version}/{path}")
            member.size, member.mtime, member.mode = len(text), _TIME, 0o644
            archive.addfile(member, io.BytesIO(text.encode("ascii")))
    return data.getvalue()


def _package(version: str, page: str) -> dict[str, str]:
    return {
        "shop/__init__.py": f'VERSION = "{version}"\n',
        "shop/page.html": f"<p>{page}</p>\n",
    }


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("ascii")).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode('ascii')}"


if __name__ == "__main__":
    for _path, _data in files().items():
        (FOLDER / _path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / _path).write_bytes(_data)
