"""What is secret is found in URLs and requests, and nothing else is touched."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.internet.exchange import GIT_REQUEST, Asked, Question, normalised, question
from harness.internet.redaction import REDACTED, is_secret, redact, secrets_of

SECRET = "0123456789abcdef-secret"  # noqa: S105 - it has to look like one


@pytest.mark.parametrize(
    "name",
    ["token", "access_token", "private-token", "ACCESS_TOKEN", "accessToken", "key", "api_key",
     "apikey", "apiKey", "AWSAccessKeyId", "X-Amz-Signature", "x-amz-credential", "X-Amz-Date",
     "X-Goog-Signature", "secret", "client_secret", "clientsecret", "password", "passwd", "pwd",
     "sig", "Signature", "signature", "auth", "authToken", "credential", "credentials", "jwt",
     "Key-Pair-Id"],
)  # fmt: skip
def test_a_parameter_that_looks_secret_is_redacted(name: str) -> None:
    assert is_secret(name)
    for before, after in (("?", ""), ("?a=1&", "&b=2"), ("?a=1&amp;", "&amp;b=2"), ("?a;", "#f")):
        url = f"https://a.example.com/x{before}{name}={SECRET}{after}"
        assert redact(url) == f"https://a.example.com/x{before}{name}={REDACTED}{after}"


@pytest.mark.parametrize(
    "name",
    ["service", "version", "author", "authors", "page", "sha", "ref", "design", "signal", "assign",
     "passenger", "keyword", "format", "se", "sv", "id", "a", "tokens_per_page", "x-amzn"],
)  # fmt: skip
def test_any_other_stays_as_it_is(name: str) -> None:
    url = f"https://a.example.com/x%20y?{name}=a%2Fb+c&flag&{name}=#end"
    assert not is_secret(name)
    assert redact(url) == url


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://me:word@a.example.com/x", "https://REDACTED@a.example.com/x"),
        ("https://ghp_x@a.example.com", "https://REDACTED@a.example.com"),
        ("https://a.example.com/@scope/x@1.0", "https://a.example.com/@scope/x@1.0"),
        ("https://a.example.com/?q=x@y", "https://a.example.com/?q=x@y"),
        ("/relative?token=x", "/relative?token=REDACTED"),
        ("https://a/?%74oken=x", "https://a/?%74oken=REDACTED"),
        (
            '{"url": "../f?sig=x\\u0026token=y"}',
            '{"url": "../f?sig=REDACTED\\u0026token=REDACTED"}',
        ),
        ('<a href="f?token=x">f</a>', '<a href="f?token=REDACTED">f</a>'),
    ],
)
def test_userinfo_and_other_forms(url: str, redacted: str) -> None:
    assert redact(url) == redacted


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_the_secrets_of_a_request() -> None:
    basic = base64.b64encode(b"me:basic password").decode()
    user = base64.b64encode(b"token-as-a-user:x-oauth-basic").decode()
    for url, headers, secrets in (
        (f"https://a/?a=1&token={SECRET}", (), {SECRET}),
        ("https://a/?token=0123456789%2Babcdef", (),
         {"0123456789%2Babcdef", "0123456789+abcdef"}),
        ("https://me:pass%20word@a/", (), {"pass word"}),
        ("https://only-a-token@a/", (), {"only-a-token"}),
        ("https://a/", (("Authorization", f"Basic {basic}"),), {basic, "basic password"}),
        ("https://a/", (("authorization", f"Basic {user}"),), {user, "token-as-a-user"}),
        ("https://a/", (("authorization", f"Bearer {SECRET}"),), {SECRET}),
        ("https://a/", (("cookie", f"a=1; session={SECRET}"),), {SECRET}),
        ("https://a/?token=REDACTED&key=short", (("authorization", "Basic short"),), set()),
        ("https://a/", (("authorization", "Basic \xff"), ("accept", SECRET)), set()),
    ):  # fmt: skip
        assert set(secrets_of(url, headers)) == secrets


# --- what selects an answer --------------------------------------------------------------------


def asked(
    url: str = "https://a.example.com/x", method: str = "GET", body: bytes = b"", **headers: Any
) -> Asked:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    made = question(method, url, named, body, negotiated=PythonIndex().negotiated)
    assert isinstance(made, Question)
    return made.asked


def test_what_selects_an_answer_and_what_does_not() -> None:
    plain = asked()
    assert asked(method="HEAD") == plain
    assert asked("https://A.example.com:443/x") == plain
    assert asked(body=b"ignored") == plain
    for header in ("Range", "User_Agent", "Cookie", "If_None_Match", "Accept_Encoding"):
        assert asked(body=b"", **{header: "x"}) == plain
    assert asked(Accept="application/json") == plain
    assert asked("https://a.example.com/x?token=1") == asked("https://a.example.com/x?token=2")
    assert asked(Authorization="a") == asked(Authorization="b")
    different = [
        plain,
        asked("https://a.example.com/X"),
        asked("http://a.example.com/x"),
        asked("https://a.example.com:444/x"),
        asked("https://a.example.com/x?"),
        asked(method="POST"),
        asked(method="POST", body=b"x"),
        asked(Git_Protocol="version=2"),
        asked(Authorization="a"),
        asked(Accept="application/vnd.pypi.simple.v1+json"),
    ]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTPS://A.example.com:443", "https://a.example.com"),
        ("http://a:80/B?c", "http://a/B?c"),
        ("https://a:80/", "https://a:80/"),
        ("http://a:8080/", "http://a:8080/"),
    ],
)
def test_normalised(url: str, plain: str) -> None:
    assert normalised(url) == plain


@given(
    st.sampled_from(["GET", "POST"]), st.text(), st.binary(), st.sampled_from(["", "gzip", "br"])
)
def test_no_request_is_too_odd(method: str, rest: str, body: bytes, encoding: str) -> None:
    headers = [("Content-Encoding", encoding), ("Content-Type", GIT_REQUEST)]
    question(method, f"https://{rest}", headers, body, negotiated=str)


def pkt(*lines: bytes) -> bytes:
    return b"".join(b"%04x%b" % (len(line) + 4, line) if line else b"0000" for line in lines)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((b"agent=git/2.1", b"", b"want 1\n"), (b"agent=git/2.30-x", b"", b"want 1\n"), True),
        ((b"agent=git/2.1", b"want 1\n"), (b"agent=git/2.1", b"session-id=5", b"want 1\n"), True),
        ((b"want 1 ofs-delta agent=git/2.1\n",), (b"want 1 ofs-delta agent=git/2.30\n",), True),
        ((b"agent=git/2.1", b"want 1\n"), (b"agent=git/2.1", b"want 2\n"), False),
        ((b"want 1\n", b""), (b"want 1\n",), False),
        ((b"want 1\n", b"", b"done\n"), (b"want 1\n", b"done\n", b""), False),
    ],
)
def test_a_git_request_is_told_by_what_it_wants(
    one: tuple[bytes, ...], other: tuple[bytes, ...], same: bool
) -> None:
    first, second = (
        asked(method="POST", body=pkt(*lines), Content_Type=GIT_REQUEST) for lines in (one, other)
    )
    assert (first == second) is same
    # Whatever else is posted counts to the byte.
    assert asked(method="POST", body=pkt(*one)) != asked(method="POST", body=pkt(*other))
