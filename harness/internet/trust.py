"""The sealed internet's certificate authority, and how a sandbox is made to trust it."""

import hashlib
import ssl
import threading
from pathlib import Path

import trustme
from cryptography import x509

from harness.sandboxes import WEB_SERVER, Mount

CERTIFICATES = "/etc/ssl/certs"
BUNDLE = f"{CERTIFICATES}/ca-certificates.crt"
KEPT_CONTEXTS = 512


class Authority:
    """A certificate authority of this process's own; safe to use from several threads.

    A certificate is made for each name that a client asks for (the TLS server name, RFC 6066) and
    kept. A client that gives none gets one for `WEB_SERVER`'s address.
    """

    __slots__ = ("_authority", "_contexts", "_lock")

    def __init__(self) -> None:
        self._authority = trustme.CA(
            organization_name="Cache harness", organization_unit_name="Sealed internet"
        )
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._authority.cert_pem.bytes()

    def context(self) -> ssl.SSLContext:
        """Returns a server's context that shows a certificate for the name it is asked by."""
        context = _server_context(self._authority.issue_cert(WEB_SERVER))
        context.sni_callback = self._choose
        return context

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        if name is None:
            return None
        try:
            connection.context = self._named(name.lower())
        except ValueError:  # no certificate can name it: it is not a host name (RFC 5890)
            return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        return None

    def _named(self, name: str) -> ssl.SSLContext:
        with self._lock:
            context = self._contexts.get(name)
            if context is None:
                if len(self._contexts) >= KEPT_CONTEXTS:
                    self._contexts.clear()
                context = _server_context(self._authority.issue_cert(name))
                self._contexts[name] = context
            return context


def _server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


def trust_mounts(authority: Authority, folder: Path) -> tuple[Mount, ...]:
    """Writes into `folder` what a sandbox needs to reach the sealed internet and to trust it.

    Args:
        authority: Whose certificate is trusted, and no other.
        folder: An existing folder; it must outlive the jobs that mount it.

    Returns:
        The mounts: the system's certificates as a bundle and as OpenSSL's folder of hashed names
        (so that an OpenSSL built with either finds them), pip's own configuration (pip before 24.2
        does not look at the system's), and a hosts file with `localhost` only. How names are asked
        for is the sandbox's to say.
    """
    certificates = folder / "certs"
    certificates.mkdir(exist_ok=True)
    certificates.chmod(0o755)
    bundle = Path(BUNDLE).name
    files = {
        certificates / bundle: authority.pem,
        certificates / f"{subject_hash(authority.pem)}.0": authority.pem,
        folder / "pip.conf": f"[global]\ncert = {BUNDLE}\n".encode(),
        folder / "hosts": b"127.0.0.1 localhost\n",
    }
    for path, content in files.items():
        path.write_bytes(content)
        path.chmod(0o644)  # whatever the umask: the sandbox's user may be another
    return (
        Mount(source=certificates, target=CERTIFICATES),
        Mount(source=folder / "pip.conf", target="/etc/pip.conf"),
        Mount(source=folder / "hosts", target="/etc/hosts"),
    )


def trust_env() -> dict[str, str]:
    """Returns the variables for clients that have a bundle of their own unless told.

    `SSL_CERT_FILE` is uv's, `REQUESTS_CA_BUNDLE` that of Poetry, Pipenv and whatever else asks
    through requests.
    """
    return {"REQUESTS_CA_BUNDLE": BUNDLE, "SSL_CERT_FILE": BUNDLE}


def subject_hash(pem: bytes) -> str:
    """Returns the 8 hex digits under which OpenSSL looks for a certificate in a folder.

    It is what `openssl x509 -subject_hash` prints: SHA-1 over the subject's canonical form (values
    in UTF-8, ASCII in lower case, white space collapsed, no outer sequence), its first four bytes
    read as a little-endian number (OpenSSL's `X509_NAME_hash`).

    Raises:
        ValueError: Not a certificate in PEM.
    """
    subject = x509.load_pem_x509_certificate(pem).subject
    canonical = x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(part.oid, _canonical(str(part.value))) for part in rdn
        )
        for rdn in subject.rdns
    ).public_bytes()
    digest = hashlib.sha1(_content(canonical), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical(value: str) -> str:
    # Bytes know the cases of ASCII only, and so does OpenSSL here.
    return " ".join(value.split()).encode().lower().decode()


def _content(der: bytes) -> bytes:
    """Returns a DER value without its tag and length (X.690, 8.1.3)."""
    long_form = der[1] & 0x80
    return der[2 + (der[1] & 0x7F) :] if long_form else der[2:]
