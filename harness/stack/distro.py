"""The host's Debian or Ubuntu: its name, its package archive, and how its apt reaches it."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import ImageError

SUITES = {
    "debian": ("trixie", "bookworm", "bullseye"),
    "ubuntu": ("noble", "jammy", "focal"),
}
"""Suites of each distribution, newest first: what was built on an older one runs on the first."""

NEWER_SUITES = {"debian": ("forky",), "ubuntu": ("resolute",)}
"""Suites newer than those, whose packages are only ever extracted."""

COMPONENTS = {"debian": ("main",), "ubuntu": ("main", "universe")}

_NETWORK_OPTIONS = re.compile(
    r"^Acquire::("
    r"(https?|ftp)::.*(proxy|verify|cainfo|capath|sslcert|sslkey|timeout).*"
    r"|check-date|check-valid-until|retries|forceipv[46]"
    r")$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One package archive and one suite of it, as apt's configuration has them.

    `signed_by` is a path to a keyring, or empty.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """A distribution (`debian` or `ubuntu`) and the code name of its release (may be empty)."""

    name: str
    codename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where the packages of one suite come from, and what vouches for them."""

    distro: str
    suite: str
    uri: str
    signed_by: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def entry(self) -> str:
        """The archive as a one-line apt source (sources.list(5))."""
        signed = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {signed}{self.uri} {self.suite} {' '.join(COMPONENTS[self.distro])}"


def parse_one_line(text: str) -> tuple[Source, ...]:
    """The binary archives of a `sources.list` file (sources.list(5), one-line style).

    Lines that are not understood are passed over, as apt itself has already judged the file.
    """
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if match is None:
            continue
        words = match["rest"].split()
        if len(words) < 2:
            continue
        options = dict(
            word.split("=", 1) for word in (match["options"] or "").split() if "=" in word
        )
        found.append(
            Source(
                uri=words[0],
                suite=words[1],
                components=tuple(words[2:]),
                signed_by=options.get("signed-by", ""),
            )
        )
    return tuple(found)


def parse_deb822(text: str) -> tuple[Source, ...]:
    """The binary archives of a `.sources` file (sources.list(5), deb822 style).

    A keyring that is written out in the file is not a path, and is left out.
    """
    found = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in {" ", "\t"}:
                if key:
                    fields[key] += "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        disabled = fields.get("enabled", "yes").lower() in {"no", "false", "0", "off", "without"}
        if disabled or "deb" not in fields.get("types", "").split():
            continue
        signed_by = fields.get("signed-by", "")
        found += [
            Source(
                uri=uri,
                suite=suite,
                components=tuple(fields.get("components", "").split()),
                signed_by=signed_by if re.fullmatch(r"/\S+", signed_by) else "",
            )
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return tuple(found)


def host_sources(apt: Path = Path("/etc/apt")) -> tuple[Source, ...]:
    """Every archive that the host's apt is configured with, in apt's own order."""
    lists = (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*")))
    found: list[Source] = []
    for file in lists:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if file.suffix == ".list":
            found += parse_one_line(text)
        elif file.suffix == ".sources":
            found += parse_deb822(text)
    return tuple(found)


def parse_os_release(text: str) -> Distro | None:
    """The distribution that an os-release(5) file names; None for one not of Debian's family."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            values[key.strip()] = "".join(shlex.split(value, posix=True))
    names = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    if "ubuntu" in names:
        codename = values.get("UBUNTU_CODENAME") or values.get("VERSION_CODENAME", "")
        return Distro(name="ubuntu", codename=codename)
    if "debian" in names:
        codename = values.get("DEBIAN_CODENAME") or values.get("VERSION_CODENAME", "")
        return Distro(name="debian", codename=codename)
    return None


def host_distro() -> Distro | None:
    """The host's distribution, or None where it is not of Debian's family."""
    for file in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        try:
            return parse_os_release(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return None


def network_options(dump: str) -> tuple[tuple[str, str], ...]:
    """What `apt-config dump` says of proxies, certificates and the checks of dates: an archive
    that the host reaches only so is reached so for another suite too."""  # noqa: D205, D209
    found = []
    for line in dump.splitlines():
        match = re.fullmatch(r'(\S+) "(.*)";', line)
        if match and match[2] and _NETWORK_OPTIONS.match(match[1]):
            found.append((match[1], match[2]))
    return tuple(found)


def distro_of(suite: str) -> str | None:
    """The distribution that has a suite of this name, or None for an unknown suite."""
    return next((name for name in SUITES if suite in (*SUITES[name], *NEWER_SUITES[name])), None)


def choose_source(sources: tuple[Source, ...], distro: Distro) -> Source | None:
    """The archive of the distribution itself among the host's, whatever else is configured.

    Third parties name their suites after the host's release too, so an archive whose path ends in
    the distribution's name goes first, then one that has the release's own suite.
    """
    names = {"debian": ("debian",), "ubuntu": ("ubuntu", "ubuntu-ports")}[distro.name]
    base = {distro.codename, "stable", "testing", "unstable", "sid", "oldstable"} - {""}

    def rank(source: Source) -> tuple[bool, bool]:
        last = urlsplit(_plain(source.uri)).path.rstrip("/").rpartition("/")[2]
        return (last not in names, source.suite not in base)

    usable = [
        source
        for source in sources
        if "main" in source.components
        and source.suite in base | {f"{distro.codename}-updates"}
        and not source.uri.startswith("cdrom:")
    ]
    return min(usable, key=rank, default=None)


def find_archive(suite: str, mirror: str | None = None) -> Archive:
    """The archive that has a suite, from the host's own apt configuration.

    Args:
        suite: A suite's code name.
        mirror: An archive's URL, instead of the host's.

    Raises:
        ImageError: The host has no archive for that suite.
    """
    host = host_distro()
    wanted = distro_of(suite) or (host.name if host else None)
    if wanted is None:
        known = ", ".join(name for suites in SUITES.values() for name in suites)
        raise ImageError(
            f"this machine runs neither Debian nor Ubuntu, and {suite!r} is not a suite of theirs",
            hint=f"choose one of {known}, with --mirror URL",
        )
    options = network_options(_apt_config())
    if mirror is not None:
        return Archive(
            distro=wanted, suite=suite, uri=mirror, signed_by=_keyring(wanted), options=options
        )
    if host is None or host.name != wanted:
        raise ImageError(
            f"{suite} is a suite of {wanted.capitalize()},"
            " for which this machine's apt has no archive",
            hint="give an archive that has it with --mirror URL, or choose "
            + (f"--suite {SUITES[host.name][0]}" if host else "another machine"),
        )
    source = choose_source(host_sources(), host)
    if source is None:
        raise ImageError(
            f"the apt configuration in /etc/apt names no archive of {wanted.capitalize()}'s",
            hint="give one with --mirror URL",
        )
    return Archive(
        distro=wanted,
        suite=suite,
        uri=_plain(source.uri),
        signed_by=source.signed_by or _keyring(wanted),
        options=options,
    )


def _keyring(distro: str) -> str:
    file = Path(f"/usr/share/keyrings/{distro}-archive-keyring.gpg")
    return str(file) if file.exists() else ""


def _plain(uri: str) -> str:
    """An archive's own URL where apt is given a list of mirrors (apt-transport-mirror(1))."""
    if not uri.startswith("mirror+file:"):
        return uri
    file = Path(urlsplit(uri.removeprefix("mirror+")).path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return uri
    urls = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return urls[0] if urls else uri


def _apt_config() -> str:
    try:
        done = subprocess.run(
            ["apt-config", "dump"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
