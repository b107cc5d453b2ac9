"""The name server: every host name is the web server's address."""

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord
from dnslib.label import DNSLabelError

from harness.sandboxes import WEB_SERVER

LIFETIME = 60


def answer(packet: bytes) -> bytes | None:
    """Returns the reply to one DNS query (RFC 1035), or None for what is not a query.

    An A question gets `WEB_SERVER` for whatever name; `localhost` and the names under it get the
    loopback address (RFC 6761). Any other type gets an empty answer without error, so that a
    resolver goes on with the address it has instead of asking again.
    """
    try:
        query = DNSRecord.parse(packet)
        if query.header.qr or not query.questions:
            return None
        reply = query.reply()
        if query.header.opcode != 0:
            reply.header.rcode = RCODE.NOTIMP
        elif query.q.qtype in {QTYPE.A, QTYPE.ANY}:
            local = f".{query.q.qname}".rstrip(".").lower().endswith(".localhost")
            address = "127.0.0.1" if local else WEB_SERVER
            reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A(address), ttl=LIFETIME))
        return bytes(reply.pack())
    except (DNSError, DNSLabelError, ValueError):
        return None
