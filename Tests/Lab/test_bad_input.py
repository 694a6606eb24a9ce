"""Whatever arrives from outside, other phones go on registering and calling, and Asterisk sees nothing of it."""

import contextlib
import random
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.clients import Client
from lab.namespaces import entered
from lab.phones import PORTS, Phone, Shelf
from lab.sip import Message
from lab.waiting import eventually

BAD = "198.18.2.30"
MARK = b"rempart-bad-mark"
SILENCE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def others_go_on(site: Site, shelf: Shelf, lab: Lab) -> Iterator[None]:
    """Around every test here: a call that lasts through it, and afterwards a new registration and a new call."""
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)
    children = {component["name"]: component["pid"] for component in site.edge.status()["components"]}
    with Capture(site.lab.network, "inside") as inside:
        yield
        new_registration_and_call(site, shelf, lab)
        phone.hang_up().wait_closed()
        eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the calls")
    assert MARK not in b"".join(inside.signalling(outgoing=True)), "nothing of it has reached Asterisk"
    assert {component["name"]: component["pid"] for component in site.edge.status()["components"]} == children
    site.edge.ask("unban", "all")


def new_registration_and_call(site: Site, shelf: Shelf, lab: Lab) -> None:
    other: Phone = shelf.phone().register(lab.accounts["1002"], "tls", lab.domain)
    other.dial(f"sip:{ECHO}@{lab.domain}").wait_established().hang_up().wait_closed()


def options(client: Client, *extra: str) -> bytes:
    return client.request("OPTIONS", "1003", extra=[f"User-Agent: {MARK.decode()}", *extra]).encoded()


def connected(lab: Lab, transport: str) -> socket.socket:
    """A bare TCP connection to a port of the edge."""
    with entered(lab.network.clients):
        connection = socket.socket()
        connection.bind((BAD, 0))
    connection.settimeout(10)
    connection.connect(("198.18.255.1", PORTS[transport]))
    return connection


def ended_by_the_edge(connection: socket.socket) -> bool:
    """Whether the edge ends the connection, whatever it says before."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


def test_garbage_datagrams_get_no_answer(lab: Lab) -> None:
    generator = random.Random(1)
    with lab.client(BAD) as client:
        for size in (1, 2, 4, 17, 300, 1400) * 50:
            client.send(generator.randbytes(size))
        assert client.receive(SILENCE_SECONDS) is None


def test_largest_datagrams_do_no_harm(lab: Lab) -> None:
    with lab.client(BAD) as client:
        for filling in (b"A", b"\r\n", b"\0", b"INVITE "):
            client.send((filling * 65507)[:65507])
        padded = options(client, "Subject: " + "x" * 64000)
        client.send(padded[:65507])
        answer = client.receive(SILENCE_SECONDS)
    assert answer is None or 400 <= answer.status < 500


def test_a_tcp_header_that_never_ends_is_cut_off(lab: Lab) -> None:
    with lab.client(BAD, "tcp") as client:
        client.send(b"OPTIONS sip:example.test SIP/2.0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                client.send(b"X-Filler: " + MARK + b"z" * 1000 + b"\r\n")
        assert client.closed(20)


@pytest.mark.parametrize("length", ["999999999", "-1", "12abc", "4294967297", "1\r\nContent-Length: 2"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_content_length_that_lies_is_refused_or_met_with_silence(lab: Lab, transport: str, length: str) -> None:
    with lab.client(BAD, transport) as client:
        client.send(options(client).replace(b"Content-Length: 0", b"Content-Length: " + length.encode()))
        answer = client.receive(SILENCE_SECONDS)
    assert answer is None or 400 <= answer.status < 500


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "space-before-colon": lambda raw: raw.replace(b"Call-ID:", b"Call-ID :"),
    "bare-line-feeds": lambda raw: raw.replace(b"\r\n", b"\n"),
    "bare-carriage-return": lambda raw: raw.replace(b"Max-Forwards: 70", b"Max-Forwards: 70\rX: 1"),
    "nul-in-header": lambda raw: raw.replace(b"User-Agent: ", b"User-Agent: \0"),
    "two-call-ids": lambda raw: raw.replace(b"Max-Forwards: 70", b"Call-ID: another"),
    "two-from": lambda raw: raw.replace(b"Max-Forwards: 70", b"From: <sip:1004@example.test>;tag=2"),
    "no-via": lambda raw: b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith(b"Via")),
    "no-cseq": lambda raw: b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith(b"CSeq")),
    "cseq-of-another-method": lambda raw: raw.replace(b"1 OPTIONS", b"1 INVITE"),
    "cseq-too-large": lambda raw: raw.replace(b"CSeq: 1 ", b"CSeq: 99999999999 "),
    "wrong-version": lambda raw: raw.replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1),
    "open-quote": lambda raw: raw.replace(b"From: <", b'From: "never closed <'),
    "no-hops-left-garbled": lambda raw: raw.replace(b"Max-Forwards: 70", b"Max-Forwards: seventy"),
}


@pytest.mark.parametrize("fault", MALFORMED, ids=str)
def test_a_malformed_request_is_refused_or_met_with_silence(lab: Lab, fault: str) -> None:
    with lab.client(BAD) as client:
        client.send(MALFORMED[fault](options(client)))
        answer = client.receive(SILENCE_SECONDS)
    assert answer is None or 400 <= answer.status < 600


def test_an_unknown_method_gets_a_clear_answer(lab: Lab) -> None:
    account = ACCOUNTS["1003"]
    with lab.client(BAD) as client:
        request = client.request("DANCE", account.name, to=ECHO, extra=[f"User-Agent: {MARK.decode()}"])
        first, second = client.authenticated(request, account)
    answer = second or first
    assert answer and answer.status in (405, 501)


def test_a_foreign_domain_gets_no_answer_over_udp(lab: Lab) -> None:
    with lab.client(BAD) as client:
        for method in ("OPTIONS", "REGISTER", "INVITE"):
            request = client.request(method, "1003", uri="sip:elsewhere.invalid")
            request.sender = request.to = "sip:1003@elsewhere.invalid"
            client.send(request.encoded())
        assert client.receive(SILENCE_SECONDS) is None


def test_tls_spoken_to_the_sip_port_is_ended(lab: Lab) -> None:
    connection = connected(lab, "tcp")
    with connection, pytest.raises((ssl.SSLError, OSError)):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.wrap_socket(connection, server_hostname=lab.domain)


def test_sip_spoken_to_the_tls_port_is_ended(lab: Lab) -> None:
    with connected(lab, "tls") as connection:
        connection.sendall(b"OPTIONS sip:example.test SIP/2.0\r\nUser-Agent: " + MARK + b"\r\n\r\n")
        assert ended_by_the_edge(connection)


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "half-a-hello"])
def test_a_handshake_that_never_goes_on_is_ended(lab: Lab, start: bytes) -> None:
    connections = [connected(lab, "tls") for _ in range(20)]
    for connection in connections:
        if start:
            connection.sendall(start)
    for connection in connections:
        with connection:
            assert ended_by_the_edge(connection)


def forged(client: Client, method: str, token: str) -> Message | None:
    """A request within a dialog that never was, along a route that the edge never made."""
    request = client.request(
        method,
        "1003",
        uri=f"sip:{token}@198.18.255.1:5060",
        to_tag="never-was",
        extra=[f"Route: <sip:{token}@198.18.255.1:5060;lr>", f"User-Agent: {MARK.decode()}"],
    )
    client.send(request.encoded())
    return client.receive_final(SILENCE_SECONDS)


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 200, "198.19.0.10", "600"], ids=["one", "short", "long", "address", "number"])
@pytest.mark.parametrize("method", ["BYE", "INVITE", "ACK", "REFER"])
def test_a_forged_token_reaches_nobody(lab: Lab, method: str, token: str) -> None:
    with lab.client(BAD) as client:
        answer = forged(client, method, token)
    assert answer is None or 400 <= answer.status < 500


def test_a_response_nobody_asked_for_reaches_nobody(lab: Lab) -> None:
    with lab.client(BAD) as client:
        for status in ("100 Trying", "200 OK", "486 Busy Here"):
            head = options(client).split(b"\r\n", 1)[1]
            client.send(b"SIP/2.0 " + status.encode() + b"\r\n" + head)
        assert client.receive(SILENCE_SECONDS) is None
