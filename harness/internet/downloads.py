"""Declared downloads: a file for a host and a path."""

import re
from urllib.parse import unquote

from starlette.responses import FileResponse

from harness.internet import Download


class StoredFile(FileResponse):
    """A file whose headers tell its content only, never when or where the harness keeps it."""

    chunk_size = 1024 * 1024

    def __init__(self, path: str, *, sha256: str, media_type: str | None = None) -> None:
        super().__init__(
            path,
            media_type=media_type or "application/octet-stream",
            headers={"etag": f'"{sha256}"', "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT"},
        )


def find_download(downloads: tuple[Download, ...], host: str, path: str) -> Download | None:
    """Returns the download at a host (without port) and a decoded path, the first that matches."""
    for download in downloads:
        if unquote(download.path) == path and _matches(download.host, host):
            return download
    return None


def _matches(pattern: str, host: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.lower().split("*"))
    return re.fullmatch(expression, host.lower()) is not None
