"""What is secret in a URL or in a request, and the same without it."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

REDACTED = "REDACTED"

_SECRET_ENDS = (
    "token", "secret", "password", "passwd", "signature", "credential", "credentials", "key",
)  # fmt: skip
_SECRET_WORDS = frozenset({"auth", "authorization", "jwt", "pass", "pwd", "sig"})
_SIGNED_BY = ("x-amz-", "x-goog-", "x-oss-")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_USERINFO = re.compile(r"(?<=://)[^/?#@\s\"'<>\\]*@")
# Also as HTML and JSON write a query.
_PARAMETER = re.compile(
    r"(?P<lead>[?&;]|\\u0026)(?P<name>[^=&;?#\s\"'<>\\]+)=(?P<value>[^&;#\s\"'<>\\]+)"
)
# Characters: what is shorter may stand in an answer by chance.
_SHORTEST_CREDENTIAL = 8
_SHORTEST_VALUE = 16


def redact(text: str) -> str:
    """A URL, or a text with URLs in it, without userinfo and without parameters that look secret.

    Whatever is not secret stays as it is written, escapes and all.
    """
    text = _USERINFO.sub(f"{REDACTED}@", text)
    return _PARAMETER.sub(_redacted, text)


def _redacted(match: re.Match[str]) -> str:
    if not is_secret(unquote(match["name"])):
        return match[0]
    return f"{match['lead']}{match['name']}={REDACTED}"


def is_secret(parameter: str) -> bool:
    """Whether a query parameter's name says that its value is a secret."""
    if parameter.lower().startswith(_SIGNED_BY):
        return True
    words = [word.lower() for word in _WORD.findall(parameter)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


def secrets_of(url: str, headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The secrets that a request carries, as they are and as they may be repeated in an answer."""
    userinfos = [match[0][:-1] for match in _USERINFO.finditer(url)]
    credentials = [part for each in userinfos for part in _credentials(unquote(each))]
    values = [
        match["value"] for match in _PARAMETER.finditer(url) if is_secret(unquote(match["name"]))
    ]
    for name, value in headers:
        if name.lower() == "authorization":
            scheme, _, rest = value.partition(" ")
            credentials.append(rest.strip())
            if scheme.lower() == "basic":
                credentials += _credentials(_decoded(rest.strip()))
        elif name.lower() == "cookie":
            values += [pair.partition("=")[2].strip() for pair in value.split(";")]
    for found, shortest in ((credentials, _SHORTEST_CREDENTIAL), (values, _SHORTEST_VALUE)):
        for secret in found:
            for form in dict.fromkeys((secret, unquote(secret))):
                if len(form) >= shortest and form != REDACTED:
                    yield form


def _credentials(userinfo: str) -> list[str]:
    """What is secret of `user:password`: a token may stand in the user's place."""
    user, _, password = userinfo.partition(":")
    return [password] if password not in {"", "x-oauth-basic"} else [user]


def _decoded(basic: str) -> str:
    try:
        return base64.b64decode(basic, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
