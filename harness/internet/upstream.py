"""Asks the real hosts, by way of the operator's own proxies and trusted certificates."""

import hashlib
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, SSLError, URLSchemeUnknown

from harness.errors import TapeError
from harness.internet.exchange import Answer
from harness.internet.redaction import redact

CONNECT_SECONDS, READ_SECONDS = 15, 60
PAUSES = (0.5, 2.0)  # seconds before a second and a third attempt
_CHUNK = 64 * 1024  # what is waited for: a client that is passed it on must not wait for long
_BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_HOPELESS = (SSLError, LocationValueError, URLSchemeUnknown)
# No answers, whatever they say: a host that is asked too much, or that is in trouble.
_IN_TROUBLE = frozenset({429, 500, 502, 503, 504})

# Of the connection, or about parts and other forms of what is kept whole.
_NOT_FORWARDED = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "expect", "host",
        "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
        "keep-alive", "proxy-authorization", "proxy-connection", "range", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_KEPT = frozenset(
    {
        "content-disposition", "content-encoding", "content-type", "etag", "last-modified",
        "location", "www-authenticate",
    }
)  # fmt: skip


OnBegin = Callable[[tuple[tuple[str, str], ...], int], None]


class Upstream:
    """The real hosts; safe to use from several threads."""

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, pauses: tuple[float, ...] = PAUSES
    ) -> None:
        """Args: the operator's variables, and how long to wait before each further attempt."""
        self._environ = os.environ if environ is None else environ
        self._pauses = pauses
        self._lock = threading.Lock()
        self._managers: dict[str, urllib3.PoolManager] = {}

    def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...],
        body: bytes = b"",
        into: Path,
        on_begin: OnBegin | None = None,
    ) -> Answer:
        """Asks for one thing; redirects are answers.

        Args:
            method: GET or POST.
            url: With credentials, where there are any for it alone.
            headers: The client's; those that are of its connection are not passed on.
            body: What is posted.
            into: Where the answer's body is written.
            on_begin: Told of an answer that is found (200) and says its size, before its body is
                read; again where that breaks off.

        Returns:
            The answer, its headers those that may be kept, `location` as it came.

        Raises:
            TapeError: No answer came in several attempts, or none that can be kept.
        """
        asking = dict(_forwarded(url, headers))
        for pause in (*self._pauses, None):
            try:
                answer = self._attempt(
                    method, url, headers=asking, body=body, into=into, on_begin=on_begin
                )
                why, hopeless = f"it answers {answer.status}", False
                if answer.status not in _IN_TROUBLE:
                    return answer
            except HTTPError as error:
                why, hopeless = _why(error), isinstance(error, _HOPELESS)
            except OSError as error:
                raise TapeError(
                    f"its answer cannot be saved: {error.strerror or error}", hint="free some room"
                ) from error
            if pause is None or hopeless:
                break
            time.sleep(pause)
        raise TapeError(
            f"{urlsplit(url).hostname} gave no answer to record: {why}",
            hint="check whether this machine reaches it (`curl -I URL`); proxies are taken from"
            " HTTPS_PROXY and the like, certificates from SSL_CERT_FILE; then record again",
        )

    def _attempt(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: bytes,
        into: Path,
        on_begin: OnBegin | None,
    ) -> Answer:
        response = self._manager(url).urlopen(
            method,
            _without_userinfo(url),
            headers=headers,
            body=body if method == "POST" else None,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )
        digest, size = hashlib.sha256(), 0
        try:
            with into.open("wb", buffering=0) as file:
                length = response.headers.get("content-length", "")
                if on_begin and response.status == 200 and length.isdecimal():
                    on_begin(tuple(_kept(response.headers)), int(length))
                for chunk in response.stream(_CHUNK, decode_content=False):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Answer(
            status=response.status,
            headers=tuple(_kept(response.headers)),
            sha256=digest.hexdigest(),
            size=size,
        )

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy(url)
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            return self._managers[proxy]

    def _new_manager(self, proxy: str) -> urllib3.PoolManager:
        trust = self._trust
        if not proxy:
            return urllib3.PoolManager(ssl_context=trust, maxsize=16)
        try:
            user = urlsplit(proxy).netloc.rpartition("@")[0]
            headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
            return urllib3.ProxyManager(
                _without_userinfo(proxy),
                proxy_headers=headers,
                ssl_context=trust,
                proxy_ssl_context=trust,
                maxsize=16,
            )
        except (HTTPError, ValueError) as error:
            raise TapeError(
                f"the proxy {redact(proxy)} cannot be used: {_why(error)}",
                hint="set HTTPS_PROXY to one that is asked by http:// or https://",
            ) from error

    def _proxy(self, url: str) -> str:
        parts = urlsplit(url)
        if _spared(parts.hostname or "", self._variable("no_proxy")):
            return ""
        proxy = self._variable(f"{parts.scheme}_proxy") or self._variable("all_proxy")
        return proxy if "://" in proxy or not proxy else f"http://{proxy}"

    def _variable(self, name: str) -> str:
        return self._environ.get(name) or self._environ.get(name.upper(), "")

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        bundle = next(filter(None, map(self._environ.get, _BUNDLES)), None)
        try:
            if bundle and Path(bundle).is_dir():
                return ssl.create_default_context(capath=bundle)
            return ssl.create_default_context(cafile=bundle)
        except OSError as error:
            raise TapeError(
                f"the trusted certificates in {bundle} cannot be read: {error.strerror}",
                hint=f"set {' or '.join(_BUNDLES)} to a bundle of certificates in PEM, or to none",
            ) from error


def _spared(host: str, no_proxy: str) -> bool:
    """Whether a host is asked without a proxy: it, or a domain that it is in, is listed."""
    listed = [name.strip().lower().lstrip(".") for name in no_proxy.split(",")]
    return "*" in listed or any(
        name and (host == name or host.endswith(f".{name}")) for name in listed
    )


def _forwarded(url: str, headers: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    yield from ((name, value) for name, value in headers if name not in _NOT_FORWARDED)
    # What is kept must be what was meant, and the same for every client.
    yield "accept-encoding", "identity"
    user = urlsplit(url).netloc.rpartition("@")[0]
    if user:
        yield "authorization", urllib3.make_headers(basic_auth=unquote(user))["authorization"]


def _kept(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if name.lower() in _KEPT:
            yield name.lower(), value
        elif name.lower() == "cache-control" and "immutable" in value.lower():
            # Any other makes what a client fetches again depend on the time between two builds.
            yield "cache-control", value


def _without_userinfo(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _why(error: Exception) -> str:
    told = str(error)
    # urllib3 begins with the connection's representation, which helps nobody.
    return redact(told.rpartition(">: ")[2] or told)
