"""That the look at every packet sees what it should, on packets that are made for it."""

import pytest

from lab.capture import TCP, UDP, Packet
from lab.leaks import LeakWatch, Lines

HEAD = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.19.0.10\r\nFrom: <sip:1@198.19.0.10>\r\n"


def _leaks(text: str) -> list[str]:
    return [line.decode() for line in Lines().leaks(text.encode(), True)]


@pytest.mark.parametrize(
    "line",
    ["Contact: <sip:x@198.19.0.10:5060>", "Server: x", "User-Agent: y", "s=Asterisk", "o=- 1 1 IN IP4 198.19.0.1", "Message-Account: sip:a@198.19.0.20"],
)
def test_a_line_that_tells_of_the_inside_is_seen(line: str) -> None:
    assert _leaks(f"{HEAD}{line}\r\n\r\n") == [line]


@pytest.mark.parametrize(
    "line",
    ["c=IN IP4 198.19.0.10", "a=rtcp:9 IN IP4 198.19.0.10", "a=candidate:1 1 UDP 1 198.19.0.10 9 typ host", "s=-", "From: \"Asterisk\" <sip:asterisk@x>", "X: 198.19.0.100"],
)
def test_a_line_that_may_leave_is_not(line: str) -> None:
    assert _leaks(f"{HEAD}{line}\r\n\r\n") == []


def test_a_request_repeats_nobodys_lines() -> None:
    assert _leaks("BYE sip:x SIP/2.0\r\nFrom: <sip:1@198.19.0.10>\r\n\r\n") == ["From: <sip:1@198.19.0.10>"]


def test_a_line_in_two_segments_is_seen_and_what_comes_in_is_not() -> None:
    watch = LeakWatch.__new__(LeakWatch)
    watch.begin()
    edge, phone = ("198.18.255.1", 5060), ("198.18.1.1", 5060)
    for outgoing, piece in [(True, b"BYE sip:x SIP/2.0\r\nCall-ID: a@198.1"), (True, b"9.0.10\r\n"), (False, b"Server: x\r\n")]:
        watch.take(Packet(outgoing, TCP, edge, phone, piece))
    watch.take(Packet(True, UDP, (edge[0], 10000), (phone[0], 20000), b"Server: x\r\n"))
    assert watch.leaks == [(phone, b"Call-ID: a@198.19.0.10")]


def test_a_line_made_by_chance_of_a_tls_record_is_nobodys() -> None:
    watch = LeakWatch.__new__(LeakWatch)
    watch.begin()
    edge, phone = ("198.18.255.1", 5061), ("198.18.1.1", 5060)
    for piece in [b"\x16\x03\x03\x00\x7a\x02\x00\nS=\xfeEr3", b"\x00\nServer: x\r\n"]:
        watch.take(Packet(True, TCP, edge, phone, piece))
    assert watch.leaks == []
