import pytest
from dnslib import QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from harness.internet.names import answer
from harness.sandboxes import WEB_SERVER


def ask(name: str, kind: str = "A") -> DNSRecord:
    query = DNSRecord.question(name, kind)
    reply = answer(bytes(query.pack()))
    assert reply is not None
    parsed = DNSRecord.parse(reply)
    assert parsed.header.id == query.header.id
    assert parsed.header.rcode == RCODE.NOERROR
    return parsed


LABELS = st.from_regex(r"[a-zA-Z0-9_-]{1,30}", fullmatch=True)


@given(st.lists(LABELS, min_size=1, max_size=4).map(".".join))
def test_every_name_is_the_web_server(name: str) -> None:
    if name.lower().rsplit(".", 1)[-1] != "localhost":
        assert [str(record.rdata) for record in ask(name).rr] == [WEB_SERVER]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.localhost"])
def test_localhost_is_local(name: str) -> None:
    assert [str(record.rdata) for record in ask(name).rr] == ["127.0.0.1"]


def test_a_name_that_only_ends_alike_is_not_local() -> None:
    assert [str(record.rdata) for record in ask("notlocalhost").rr] == [WEB_SERVER]


@pytest.mark.parametrize("kind", ["AAAA", "MX", "TXT", "PTR", "HTTPS", "SRV"])
def test_other_types_are_empty_without_error(kind: str) -> None:
    assert ask("example.com", kind).rr == []


def test_a_reply_is_not_answered() -> None:
    reply = answer(bytes(DNSRecord.question("example.com").pack()))
    assert reply is not None
    assert answer(reply) is None


def test_an_update_is_not_implemented() -> None:
    update = DNSRecord(DNSHeader(opcode=5), q=DNSQuestion("example.com", QTYPE.SOA))
    reply = answer(bytes(update.pack()))
    assert reply is not None
    assert DNSRecord.parse(reply).header.rcode == RCODE.NOTIMP


@given(st.binary(max_size=80))
def test_garbage_is_dropped_or_answered_but_never_raises(packet: bytes) -> None:
    reply = answer(packet)
    assert reply is None or DNSRecord.parse(reply).header.qr == 1


def test_a_name_that_is_too_long_is_dropped() -> None:
    head = b"\0\1\1\0\0\1\0\0\0\0\0\0"
    assert answer(head + (b"\x3f" + b"a" * 63) * 6 + b"\0\0\1\0\1") is None


@given(st.binary(max_size=60))
def test_garbage_after_a_good_header(rest: bytes) -> None:
    header = bytes(DNSRecord.question("example.com").pack())[:12]
    reply = answer(header + rest)
    assert reply is None or DNSRecord.parse(reply).header.qr == 1
