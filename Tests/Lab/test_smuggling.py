"""What two parsers could read in two ways never gets to the second one: seen by a tap on Asterisk's side.

Each row of `lab.smuggling` is sent by a stranger and by a phone with the right password. A message that is legal and
passed on arrives in one form: long names, one header a line, nothing folded, one of each, and without what was hidden.
"""

import re
from collections.abc import Iterator

import pytest
from conftest import ACCOUNTS, CHAN_SIP_16, Lab
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.clients import Client
from lab.namespaces import EDGE_INSIDE
from lab.sip import Request, credentials
from lab.smuggling import CLOSED, HIDDEN, PASSED, ROWS, SILENCE, Row
from lab.waiting import eventually

ACCOUNT = ACCOUNTS["1003"]
NOBODY = "9999"
SDP = "v=0\r\no=- 1 1 IN IP4 198.18.2.39\r\ns=-\r\nc=IN IP4 198.18.2.39\r\nt=0 0\r\nm=audio 12000 RTP/AVP 0\r\n"
# An answer to wrong credentials leaves 250 ms after they came; what has not come after this does not come.
LATE_SECONDS = 0.75
LINE = re.compile(rb"[A-Z][A-Za-z-]*: [\x20-\x7e\x80-\xff]*")
SINGLE = ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Content-Type", "Content-Length", "Subject"]
NEVER = ["Route", "Path", "WWW-Authenticate", "P-Asserted-Identity", "Remote-Party-ID", "Diversion", "Identity"]


class Table:
    """The registered phone, the stranger, and the tap on Asterisk's side, which all rows share."""

    def __init__(self, lab: Lab, wire: Capture, phone: Client, stranger: Client) -> None:
        self.lab, self.wire, self.phone, self.stranger = lab, wire, phone, stranger
        self.strangers: list[str] = []

    def arrived(self, text: str) -> list[bytes]:
        """What has gone to an Asterisk with this in it."""
        return [raw for raw in self.wire.signalling(outgoing=True) if text.encode() in raw]

    def proofs(self, client: Client, request: Request, count: int, uri: str = "") -> list[str]:
        """So many header lines with the right credentials, all by one challenge, for the request's own URI or another."""
        first = client.answer_to(request)
        assert first, "the request as it is would be challenged"
        assert first.status == 407
        words = ACCOUNT.name, ACCOUNT.secret, request.method, uri or request.uri
        return [f"Proxy-Authorization: {credentials(first.challenge(), *words, number)}" for number in range(1, count + 1)]

    def last_word(self) -> None:
        """A message of the phone that goes on to Asterisk: when the tap has it, it has all that came before."""
        request = self.phone.request("MESSAGE", ACCOUNT.name, to=ECHO)
        request = request.again(*self.proofs(self.phone, request, 1))
        self.phone.answer_to(request)
        eventually(lambda: bool(self.arrived(request.call_id)), "the tap has seen the last word", 5, every=0.01)

    def outcome(self, client: Client, raw: bytes, request: Request, question: bytes) -> str:
        """What is answered; `question` is sent behind it, whose answer comes when the other has been dealt with."""
        client.send(raw)
        if client.transport == "udp":
            client.send(question)
        wait = 5.0
        while message := client.receive(wait):
            # Of two Call-IDs the first is answered.
            if message.header("call-id") in (request.call_id, HIDDEN.decode()) and message.status >= 200:
                acknowledge(client, request, message.header("to"))
                return str(message.status)
            if message.header("call-id") == "question":
                wait = LATE_SECONDS if b"Proxy-Authorization" in raw else 0.01
        if client.transport == "udp":
            return SILENCE
        return CLOSED if client.closed(5) else SILENCE


def acknowledge(client: Client, request: Request, to: str) -> None:
    if request.method == "INVITE":
        ack = Request(**{**vars(request), "method": "ACK", "body": "", "extra": [], "contact": ""})
        client.send(ack.encoded().replace(f"To: <{request.to}>".encode(), f"To: {to}".encode()))


@pytest.fixture(scope="module")
def table(lab: Lab, stage) -> Iterator[Table]:
    stage.site([CHAN_SIP_16])
    with (
        Capture(lab.network, "inside") as wire,
        lab.client("198.18.2.38") as stranger,
        lab.client("198.18.2.39") as phone,
    ):
        assert phone.register(ACCOUNT) == 200
        yield Table(lab, wire, phone, stranger)


@pytest.fixture(autouse=True)
def nobody_banned(table: Table, stage) -> Iterator[None]:
    yield
    stage.current.edge.ask("unban", "all")


def request_of(client: Client, row: Row) -> Request:
    if row.method == "INVITE":
        extra = ["Content-Type: application/sdp"]
        return client.request(row.method, ACCOUNT.name, to=NOBODY, extra=extra, body=SDP)
    return client.request(row.method, ACCOUNT.name, to=ECHO)


def question(client: Client) -> bytes:
    return client.request("OPTIONS", ACCOUNT.name, uri=f"sip:{client.domain}", call_id="question").encoded()


def assert_canonical(raw: bytes, row: Row) -> None:
    """One form, and nothing hidden in it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    number = NOBODY if row.method == "INVITE" else ECHO
    assert re.fullmatch(rb"(MESSAGE|INVITE|ACK) sip:" + number.encode() + rb"@198\.19\.0\.10:5060 SIP/2\.0", first), first
    for line in lines:
        assert LINE.fullmatch(line), line
    names = [line.split(b":")[0].decode() for line in lines]
    for name in SINGLE:
        assert names.count(name) <= 1, f"{name} in {names}"
    assert not set(names) & set(NEVER), names
    values = {line.split(b": ", 1)[0].decode(): line.split(b": ", 1)[1] for line in lines}
    assert values["Via"].startswith(f"SIP/2.0/UDP {EDGE_INSIDE}:5060;branch=z9hG4bK".encode()), values["Via"]
    assert int(values["Content-Length"]) == len(body)
    assert values["From"].startswith(b"<sip:1003@example.test>;tag="), values["From"]
    assert values["To"].startswith(f"<sip:{number}@example.test>".encode()), values["To"]
    assert (HIDDEN in raw) == row.stays, raw


def client_of(table: Table, row: Row, shared: Client) -> Client:
    return shared if row.transport == "udp" else table.lab.client("198.18.2.37", row.transport)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_an_authenticated_phone_hides_does_not_reach_asterisk(table: Table, row: Row) -> None:
    before = len(table.wire.packets)
    client = client_of(table, row, table.phone)
    try:
        request = request_of(client, row)
        # Whoever writes another Request-URI computes his credentials for that one.
        words = row.change(request.encoded()).split(b"\r\n", 1)[0].split(b" ")
        uri = words[1].decode() if len(words) == 3 and words[1].isascii() else ""
        request = request.again(*request.extra, *table.proofs(client, request, 1, uri))
        raw = row.change(request.encoded())
        got = table.outcome(client, raw, request, question(client))
    finally:
        if client is not table.phone:
            client.socket.close()
    table.last_word()
    seen = table.arrived(request.call_id)
    assert (PASSED if seen else got) == row.phone
    for each in seen:
        assert_canonical(each, row)
    if not row.stays:
        assert HIDDEN not in b"".join(packet.payload for packet in table.wire.packets[before:] if packet.outgoing)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_stranger_learns_no_more_than_from_a_sound_message(table: Table, row: Row) -> None:
    client = client_of(table, row, table.stranger)
    try:
        request = request_of(client, row)
        table.strangers.append(request.call_id)
        got = table.outcome(client, row.change(request.encoded()), request, question(client))
    finally:
        if client is not table.stranger:
            client.socket.close()
    assert got == row.stranger


def test_nothing_of_any_stranger_has_reached_asterisk(table: Table) -> None:
    table.last_word()
    seen = b"".join(table.wire.signalling(outgoing=True))
    assert not [call_id for call_id in table.strangers if call_id.encode() in seen]
