"""The real hosts are asked as the operator's own programs ask them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_hosts import Hosts, Say, real_hosts

from harness.errors import TapeError
from harness.internet.exchange import Answer
from harness.internet.upstream import Upstream

URL = "https://files.example.com/x"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with real_hosts(tmp_path, {URL: Say(body=b"x", headers={"ETag": "e"})}) as found:
        yield found


def fetch(hosts: Hosts, tmp_path: Path, url: str = URL, **environ: Any) -> Answer | None:
    upstream = Upstream({**hosts.environ, **environ}, pauses=())
    return upstream.fetch("GET", url, headers=(("accept", "x"),), into=tmp_path / "body")


def test_what_is_answered(hosts: Hosts, tmp_path: Path) -> None:
    answer = fetch(hosts, tmp_path)
    assert (answer.status, answer.size, answer.sha256) == (200, 1, hashlib.sha256(b"x").hexdigest())
    assert answer.headers == (("etag", "e"),)
    assert (tmp_path / "body").read_bytes() == b"x"
    assert hosts.log[0].headers["accept"] == "x"


def test_credentials_in_a_url_are_sent_and_no_part_of_it(hosts: Hosts, tmp_path: Path) -> None:
    fetch(hosts, tmp_path, "https://me:pass%20word@files.example.com/x")
    (ask,) = hosts.log
    assert (ask.url, ask.headers["authorization"]) == (URL, "Basic bWU6cGFzcyB3b3Jk")


def test_what_is_packed_stays_packed(hosts: Hosts, tmp_path: Path) -> None:
    hosts.pages[URL] = Say(body=b"not gzip at all", headers={"content-encoding": "gzip"})
    answer = fetch(hosts, tmp_path)
    assert dict(answer.headers)["content-encoding"] == "gzip"
    assert (tmp_path / "body").read_bytes() == b"not gzip at all"


@pytest.mark.parametrize(
    ("no_proxy", "spared"),
    [("", False), ("example.com", True), (".example.com", True), ("files.example.com", True),
     ("a, files.example.com", True), ("*", True), ("ample.com", False), ("x.example.com", False)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_hosts_that_are_asked_without_a_proxy(no_proxy: str, spared: bool, name: str) -> None:
    upstream = Upstream({"https_proxy": "proxy.example.com:1", name: no_proxy})
    assert upstream._proxy(URL) == ("" if spared else "http://proxy.example.com:1")


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTP_PROXY": "http://a:1"}, ""),
        ({"ALL_PROXY": "http://a:1"}, "http://a:1"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "https://b:2"}, "https://b:2"),
    ],
)
def test_the_proxy_that_is_asked(environ: dict[str, str], proxy: str) -> None:
    assert Upstream(environ)._proxy(URL) == proxy


def test_a_proxy_that_is_no_url_is_told(hosts: Hosts, tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="the proxy ftp://REDACTED@x cannot be used"):
        fetch(hosts, tmp_path, HTTPS_PROXY="ftp://me:word@x")


def test_a_bundle_that_cannot_be_read_is_told(hosts: Hosts, tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="/no/such/bundle cannot be read: No such file"):
        fetch(hosts, tmp_path, SSL_CERT_FILE="/no/such/bundle")


def test_without_the_operator_s_bundle_nothing_is_trusted(hosts: Hosts, tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="certificate verify failed"):
        fetch(hosts, tmp_path, SSL_CERT_FILE="")


def test_a_full_disk_is_told(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "body").symlink_to("/dev/full")
    with pytest.raises(TapeError, match="cannot be saved: No space left"):
        fetch(hosts, tmp_path)
