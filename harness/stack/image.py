"""The stack image: a small Debian or Ubuntu with a compiler and Python, named by its content."""

import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import ImageError
from harness.stack.bootstrap import Bootstrap, OnLine, quiet, unpack, write_tar
from harness.stack.distro import SUITES, find_archive, host_distro
from harness.storage.locks import locked
from harness.storage.store import Store

REPOSITORY = "cache-harness/stack"
FORMAT = 1
"""Goes up when the same packages would make another image, so that older ones are not taken."""

PACKAGES = (
    # what classic buildpacks call
    *("bash", "bzip2", "ca-certificates", "coreutils", "curl", "diffutils", "file", "findutils"),
    *("gawk", "git", "grep", "gzip", "jq", "openssl", "procps", "sed", "tar", "unzip", "xz-utils"),
    "zstd",
    # what builds of C extensions need
    *("g++", "gcc", "libc6-dev", "make", "pkg-config", "python3-dev"),
    # a Python, its wheels of pip, and the shared libraries that any packed Python links to
    *("python3", "python3-gdbm", "python3-venv"),
)

# Mount points are made now, since a read-only root offers no place to make them later. The apt
# configuration goes because it names the builder's archive and proxies; set-user-id bits because
# the tree is also unpacked in a person's cache folder. /tmp stays as it is: mmdebstrap keeps there
# the settings without which its last apt-get would work on the host.
_FINISH = r"""
set -eu
root="$1"
cd "$root"
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian \
  usr/share/bash-completion usr/share/zsh
rm -rf usr/lib/gcc/*/*/lib*san*.a usr/lib/*/lib*san.so* usr/lib/*/libgprofng* usr/bin/*lto-dump* \
  usr/lib/*/libmvec.a usr/lib/*/perl/*/CORE usr/lib/git-core/git-daemon usr/lib/git-core/git-shell
rm -rf usr/lib/python3*/config-*/*.a usr/lib/*/libpython3*.a
rm -rf var/lib/apt/lists/* var/cache/* var/log/*
rm -rf etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
mkdir -p var/cache/apt/archives/partial var/log/apt var/lib/apt/lists/partial
: > etc/apt/sources.list
rm -f etc/resolv.conf etc/hostname etc/hosts etc/pip.conf
: > etc/resolv.conf
: > etc/pip.conf
printf 'stack\n' > etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' > etc/hosts
mkdir -p app build cache env buildpack etc/ssl/certs
chmod 1777 tmp var/tmp
find . -xdev -type f -perm /6000 -exec chmod ug-s {} +
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is made of; the archive that the packages come from is not part of it."""

    suite: str
    packages: tuple[str, ...] = PACKAGES

    @property
    def digest(self) -> str:
        """The sha256, in hex, of all that goes in."""
        parts = (str(FORMAT), platform.machine(), self.suite, _FINISH, *sorted(self.packages))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A kept stack image.

    Attributes:
        digest: The sha256 of its tar, in hex.
        suite: The suite that it was made from.
        recipe: The digest of its recipe.
        built: When it was made, in ISO 8601 and UTC.
        rootfs: Its tree, unpacked, owned by whoever made it; without device nodes.
        tar: The same tree as a tar file.
    """

    digest: str
    suite: str
    recipe: str
    built: str
    rootfs: Path
    tar: Path

    @property
    def tag(self) -> str:
        """Its name, as container engines write them."""
        return f"{REPOSITORY}:{self.digest[:12]}"


def default_suite() -> str:
    """The newest long-lived suite of the host's distribution.

    Raises:
        ImageError: The host is neither Debian nor Ubuntu.
    """
    host = host_distro()
    if host is None:
        raise ImageError(
            "this machine runs neither Debian nor Ubuntu: its packages cannot make a stack image",
            hint="give --suite NAME and --mirror URL, or run builds in an image of yours (--image)",
        )
    return SUITES[host.name][0]


def build_image(
    store: Store,
    *,
    suite: str | None = None,
    mirror: str | None = None,
    packages: tuple[str, ...] = PACKAGES,
    fresh: bool = False,
    on_line: OnLine = quiet,
) -> Image:
    """The stack image of a suite: the kept one, or one made now from the host's own archive.

    Args:
        store: Where it is kept.
        suite: A Debian or Ubuntu suite; the host distribution's newest where it is None.
        mirror: An archive's URL, instead of the one in the host's apt configuration.
        packages: What to install.
        fresh: Make it again even if one is stored.
        on_line: Called with each line of progress.

    Raises:
        ImageError: It cannot be made here; the hint says what to install.
        StoreError: The store cannot be written.
    """
    recipe = Recipe(suite=suite or default_suite(), packages=packages)
    kept = None if fresh else find_image(store, recipe)
    if kept is not None:
        return kept
    try:
        store.images.mkdir(parents=True, exist_ok=True)
        with locked(store.images / f".{recipe.digest[:12]}.lock"):
            # Another process may have made it while this one waited.
            kept = None if fresh else find_image(store, recipe)
            return kept or _build(store, recipe, mirror, on_line)
    except OSError as error:
        raise ImageError(
            f"cannot store an image in {store.images}: {error.strerror}",
            hint="free some room, or choose another folder with --store DIR",
        ) from error


def find_image(store: Store, recipe: Recipe) -> Image | None:
    """The newest kept image of a recipe."""
    same = [image for image in kept_images(store) if image.recipe == recipe.digest]
    return max(same, key=lambda image: image.built, default=None)


def kept_images(store: Store) -> tuple[Image, ...]:
    """Every image in the store, newest first."""
    found = []
    for file in store.images.glob("*/image.json"):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            image = Image(
                digest=str(facts["digest"]),
                suite=str(facts["suite"]),
                recipe=str(facts["recipe"]),
                built=str(facts["built"]),
                rootfs=file.parent / "rootfs",
                tar=file.parent / "image.tar",
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if image.rootfs.is_dir() and image.tar.is_file():
            found.append(image)
    return tuple(sorted(found, key=lambda image: image.built, reverse=True))


def _build(store: Store, recipe: Recipe, mirror: str | None, on_line: OnLine) -> Image:
    archive = find_archive(recipe.suite, mirror)
    bootstrap = Bootstrap(archive=archive, packages=recipe.packages, finish=_FINISH)
    # The name is known once the bytes are: they are made beside, on the same filesystem.
    with store.scratch(store.images) as folder:
        tar = folder / "image.tar"
        digest = write_tar(bootstrap, tar, on_line=on_line)
        final = store.images / digest
        facts = {
            "digest": digest,
            "suite": recipe.suite,
            "recipe": recipe.digest,
            "built": datetime.now(UTC).isoformat(timespec="seconds"),
            "packages": recipe.packages,
        }
        if not final.exists():
            with store.staged(final) as staging:
                tar.rename(staging / "image.tar")
                rootfs = staging / "rootfs"
                rootfs.mkdir()
                unpack(staging / "image.tar", rootfs)
                (staging / "image.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    image = next((image for image in kept_images(store) if image.digest == digest), None)
    if image is None:
        raise ImageError(
            f"the image in {final} is incomplete",
            hint=f"remove that folder, then run the command again: rm -r {final}",
        )
    return image
