import shutil
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
import trustme

from harness.internet.trust import BUNDLE, Authority, subject_hash, trust_env, trust_mounts


def shake_hands(authority: Authority, name: str | None, *, trusted: bytes) -> dict[str, object]:
    """A TLS handshake in memory; returns the certificate that the client was shown."""
    client = ssl.create_default_context(cadata=trusted.decode())
    client.check_hostname = name is not None
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.context().wrap_bio(ours, theirs, server_side=True)
    talker = client.wrap_bio(theirs, ours, server_hostname=name)
    for _ in range(4):
        for side in (talker, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = talker.getpeercert()
    assert certificate is not None
    return dict(certificate)


@pytest.mark.parametrize("name", ["github.com", "a.b.s3.dualstack.example.com", "xn--bcher-kva.de"])
def test_a_certificate_names_what_was_asked(name: str) -> None:
    authority = Authority()
    shown = shake_hands(authority, name, trusted=authority.pem)
    assert shown["subjectAltName"] == (("DNS", name),)


def test_a_client_that_names_nothing_gets_the_address() -> None:
    authority = Authority()
    shown = shake_hands(authority, None, trusted=authority.pem)
    assert shown["subjectAltName"] == (("IP Address", "127.0.0.80"),)


def test_a_client_that_trusts_another_authority_refuses() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(Authority(), "github.com", trusted=Authority().pem)


def test_a_name_that_no_certificate_can_name_ends_the_handshake() -> None:
    client = ssl.create_default_context()
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = Authority().context().wrap_bio(ours, theirs, server_side=True)
    talker = client.wrap_bio(theirs, ours, server_hostname="under_score.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        talker.do_handshake()
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        talker.do_handshake()


@pytest.mark.skipif(not shutil.which("openssl"), reason="compares with the openssl command")
@pytest.mark.parametrize(
    ("organization", "unit"),
    [
        ("Cache harness", "x"),
        ("  Many   Spaces  ", "UPPER lower"),
        ("Bücher ÄÖ", "日本"),
        ("a" * 60, "b" * 60),
    ],
)
def test_subject_hash_is_openssls(organization: str, unit: str) -> None:
    pem = trustme.CA(organization_name=organization, organization_unit_name=unit).cert_pem.bytes()
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash"], input=pem, capture_output=True, check=True
    )
    assert subject_hash(pem) == said.stdout.decode().strip()


def test_mounts(tmp_path: Path) -> None:
    authority = Authority()
    mounts = {mount.target: mount.source for mount in trust_mounts(authority, tmp_path)}
    assert mounts.keys() == {"/etc/ssl/certs", "/etc/pip.conf", "/etc/hosts"}
    assert not any(mount.writable for mount in trust_mounts(authority, tmp_path))
    certificates = mounts["/etc/ssl/certs"]
    assert {path.name for path in certificates.iterdir()} == {
        "ca-certificates.crt",
        f"{subject_hash(authority.pem)}.0",
    }
    assert mounts["/etc/pip.conf"].read_text() == f"[global]\ncert = {BUNDLE}\n"
    for path in tmp_path.rglob("*"):
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted
    assert trust_env() == dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), BUNDLE)


def test_a_folder_of_hashed_names_is_enough_for_openssl(tmp_path: Path) -> None:
    authority = Authority()
    (folder,) = (m.source for m in trust_mounts(authority, tmp_path) if m.target.endswith("certs"))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(capath=str(folder))
    near, far = socket.socketpair()
    with near, far:
        server = authority.context().wrap_socket(
            near, server_side=True, do_handshake_on_connect=False
        )
        talker = client.wrap_socket(
            far, server_hostname="github.com", do_handshake_on_connect=False
        )
        with server, talker:
            for side in (server, talker):
                side.setblocking(False)
            for _ in range(6):
                for side in (talker, server):
                    try:
                        side.do_handshake()
                    except ssl.SSLWantReadError:
                        continue
            assert talker.getpeercert()
