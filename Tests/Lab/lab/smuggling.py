"""Ways to say one thing to the edge and another to the Asterisk behind it, as data: one row each.

What is named with 3.8, 3.16 and 3.18 are the sections of the attack catalogue (Via and Route, two parsers with two
opinions, injection through fields); AST- and ES- are advisories. A change is made in the bytes of a request that is
right in every other respect, once by a stranger and once by a phone that adds the right credentials: only the latter's
may be passed on at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

# Whatever an attacker adds has this in it, so that the tap on Asterisk's side can look for it.
HIDDEN = b"hidden-by-rempart-lab"
# A request of its own, for the places where a second one may be hidden.
SECOND = (
    b"MESSAGE sip:600@198.19.0.10 SIP/2.0\r\nVia: SIP/2.0/UDP 198.19.0.99;branch=z9hG4bKsecond\r\n"
    b"From: <sip:1002@example.test>;tag=2\r\nTo: <sip:600@example.test>\r\nCall-ID: " + HIDDEN + b"\r\n"
    b"CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
SILENCE = "silence"
PASSED = "passed on"
CLOSED = "closed"
CHALLENGED = "407"

Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Row:
    """One way to smuggle, and what must come of it."""

    name: str
    source: str
    change: Change
    # What a stranger gets, and what a phone with the right password gets: a status, SILENCE, PASSED or CLOSED.
    stranger: str
    phone: str
    method: str = "MESSAGE"
    transport: str = "udp"
    # Whether the text of it may arrive, as a part of a value that says nothing.
    stays: bool = False


def line(text: bytes) -> Change:
    """One more header line, among the others."""
    return lambda raw: raw.replace(b"Max-Forwards:", text + b"\r\nMax-Forwards:", 1)


def swap(old: bytes, new: bytes) -> Change:
    def change(raw: bytes) -> bytes:
        assert old in raw, old
        return raw.replace(old, new, 1)

    return change


def header(name: bytes, make: Callable[[bytes], bytes]) -> Change:
    """A header's value, made into another one."""

    def change(raw: bytes) -> bytes:
        start = raw.index(b"\r\n" + name + b": ") + len(name) + 4
        end = raw.index(b"\r\n", start)
        return raw[:start] + make(raw[start:end]) + raw[end:]

    return change


def body(text: bytes, length: bytes | None = None) -> Change:
    """A body, and what Content-Length says of it; without `length` there is none."""

    def change(raw: bytes) -> bytes:
        said = b"" if length is None else b"Content-Type: text/plain\r\nContent-Length: " + length + b"\r\n"
        return raw.replace(b"Content-Length: 0\r\n", said) + text

    return change


def start(make: Callable[[bytes, bytes, bytes], bytes]) -> Change:
    """The start line, of its method, its Request-URI and its version."""

    def change(raw: bytes) -> bytes:
        first, rest = raw.split(b"\r\n", 1)
        return make(*first.split(b" ")) + b"\r\n" + rest

    return change


def uri(make: Callable[[bytes], bytes]) -> Change:
    return start(lambda method, target, version: b" ".join([method, make(target), version]))


def user(text: bytes) -> Change:
    """Another user part of the Request-URI."""
    return uri(lambda target: b"sip:" + text + b"@" + target.split(b"@")[1])


HIDE = b"X-Hidden: " + HIDDEN
# White space and control characters before a colon: AST-2016-009 and its kin.
BEFORE_COLON = [
    Row("To\\x01:", "AST-2016-009", line(b"To\x01: <sip:" + HIDDEN + b"@x>"), "400", "400"),
    Row("From\\x7f:", "AST-2016-009", line(b"From\x7f: <sip:" + HIDDEN + b"@x>"), "400", "400"),
    Row("Route\\x0b:", "AST-2016-009", line(b"Route\x0b: <sip:" + HIDDEN + b";lr>"), "400", "400"),
    Row("Call-ID\\x00:", "AST-2016-009", line(b"Call-ID\x00: " + HIDDEN), "400", "400"),
    Row("space before the colon", "ES2020-01", line(b"X-Bypass-me : " + HIDDEN), CHALLENGED, PASSED, stays=True),
    Row("tab before the colon", "ES2020-01", line(b"P-Asserted-Identity\t: <sip:" + HIDDEN + b"@x>"), CHALLENGED, PASSED),
    Row("fold before the colon", "3.16", line(b"Route\r\n : <sip:" + HIDDEN + b";lr>"), "400", "400"),
    Row("8-bit before the colon", "3.16", line(b"To\xa0: <sip:" + HIDDEN + b"@x>"), "400", "400"),
    Row("no name", "3.16", line(b": " + HIDDEN), "400", "400"),
    Row("no colon", "3.16", line(HIDDEN), "400", "400"),
    Row("a name that is no token", "3.16", line(b"To<1>: " + HIDDEN), "400", "400"),
]
FOLDED = [
    Row("a header in a fold", "3.16", line(b"Subject: a\r\n Route: <sip:" + HIDDEN + b";lr>"), CHALLENGED, PASSED, stays=True),
    Row("a header in a fold with a tab", "3.16", line(b"X-A: b\r\n\tFrom: <sip:" + HIDDEN + b"@x>"), CHALLENGED, PASSED, stays=True),
    Row("an empty fold, then a header", "3.16", line(b"X-A: b\r\n \r\n Route: " + HIDDEN), CHALLENGED, PASSED, stays=True),
    Row("a fold in From", "3.16", header(b"From", lambda value: value.replace(b";", b"\r\n ;")), CHALLENGED, PASSED),
    Row("a fold in CSeq's method", "3.16", header(b"CSeq", lambda value: value + b"\r\n INVITE"), SILENCE, SILENCE),
    Row("a fold in Content-Length", "3.16", swap(b"Content-Length: 0", b"Content-Length: 0\r\n 5"), "400", "400"),
    Row("a fold right behind the start line", "3.16", swap(b"SIP/2.0\r\n", b"SIP/2.0\r\n " + HIDE + b"\r\n"), "400", "400"),
]
DOUBLED = [
    Row(f"{name.decode()} and its other name", "3.16", line(name + b": " + value), answer, answer)
    for name, value, answer in [
        (b"f", b"<sip:" + HIDDEN + b"@example.test>;tag=2", "400"),
        (b"t", b"<sip:" + HIDDEN + b"@example.test>", "400"),
        (b"i", HIDDEN, "400"),
        (b"l", b"0", "400"),
        (b"L", b"5", "400"),
    ]
] + [
    Row(f"{name.decode()} twice", "3.16", line(name + b": " + value + b"\r\n" + name + b": " + HIDDEN), "400", "400")
    for name, value in [
        (b"From", b"x"), (b"To", b"x"), (b"Call-ID", HIDDEN), (b"CSeq", b"1 MESSAGE"), (b"Content-Type", b"text/plain"),
        (b"Expires", b"60"), (b"Event", b"x"), (b"Subject", b"x"), (b"Refer-To", b"<sip:x@y>"), (b"Replaces", b"x"),
        (b"Date", b"x"), (b"Session-Expires", b"90"),
    ]
] + [
    Row("Max-Forwards twice", "3.16", line(b"Max-Forwards: 7"), "400", "400"),
    Row("two Contacts", "3.16", line(b"m: <sip:" + HIDDEN + b"@198.18.9.9>"), "400", "400", method="INVITE"),
    Row("compact names of lists", "3.16", line(b"k: 100rel\r\nu: " + HIDDEN), CHALLENGED, PASSED, stays=True),
    Row("two tags in From", "3.16", header(b"From", lambda value: value + b";tag=" + HIDDEN), "400", "400"),
    Row("two branches", "3.16", header(b"Via", lambda value: value + b";branch=z9hG4bK" + HIDDEN), SILENCE, SILENCE),
]  # fmt: skip
LENGTHS = [
    Row("no Content-Length", "3.16", lambda raw: body(b"hello", b"5")(raw).replace(b"Content-Length: 5\r\n", b""), CHALLENGED, PASSED),
    Row("Content-Length too large", "3.16", body(b"hello", b"6"), "400", "400"),
    Row("Content-Length twice, the same", "3.16", body(b"hello", b"5\r\nContent-Length: 5"), "400", "400"),
    Row("Content-Length twice", "3.16", body(b"hello" + SECOND, b"5\r\nContent-Length: 400"), "400", "400"),
    Row("Content-Length with a sign", "3.16", body(b"hello", b"+5"), "400", "400"),
    Row("Content-Length below zero", "3.16", body(b"hello", b"-1"), "400", "400"),
    Row("Content-Length in hexadecimal", "3.16", body(b"hello", b"0x5"), "400", "400"),
    Row("Content-Length as a list", "3.16", body(b"hello", b"5, 5"), "400", "400"),
    Row("Content-Length over 32 bits", "3.16", body(b"hello", b"4294967301"), "400", "400"),
    Row("Content-Length with words behind", "3.16", body(b"hello", b"5 and more"), "400", "400"),
    Row("Content-Length with zeros before", "3.16", body(b"hello", b"0005"), CHALLENGED, PASSED),
    Row("a second request in the tail", "3.16", body(b"hello" + SECOND, b"5"), CHALLENGED, PASSED),
    Row("a second request behind an empty body", "3.16", lambda raw: raw + SECOND, CHALLENGED, PASSED),
    Row("an empty line too early", "3.16", swap(b"\r\nCall-ID:", b"\r\n\r\n" + HIDE + b"\r\nCall-ID:"), SILENCE, SILENCE),
    Row("line ends before the start line", "3.16", lambda raw: b"\r\n\r\n" + raw, CHALLENGED, PASSED),
    Row("no Content-Length by TCP", "3.16", swap(b"Content-Length: 0\r\n", b""), CLOSED, CLOSED, transport="tcp"),
    Row("Content-Length twice by TCP", "3.16", body(SECOND, b"0\r\nContent-Length: 5"), CLOSED, CLOSED, transport="tcp"),
    Row("Content-Length with a sign by TCP", "3.16", body(b"hello", b"+5"), CLOSED, CLOSED, transport="tcp"),
    Row("a second request in one segment", "3.16", lambda raw: raw + SECOND, CHALLENGED, PASSED, transport="tcp"),
]
BYTES = [
    Row("a bare CR", "3.16", line(b"X-A: b\r" + HIDE), "400", "400"),
    Row("a bare LF", "3.16", line(b"X-A: b\n" + HIDE), "400", "400"),
    Row("LF alone everywhere", "3.16", lambda raw: raw.replace(b"\r\n", b"\n"), SILENCE, SILENCE),
    Row("CR CR LF", "3.16", line(b"X-A: b\r\r\n" + HIDE), "400", "400"),
    Row("NUL in a value", "3.16", line(b"X-A: b\0" + HIDE), "400", "400"),
    Row("NUL in From", "3.16", header(b"From", lambda value: value.replace(b"@", b"\0@")), SILENCE, SILENCE),
    Row("escape sequences of terminals", "3.18", line(b"X-A: \x1b[2J" + HIDDEN), "400", "400"),
    Row("DEL in a value", "3.16", line(b"X-A: b\x7f" + HIDE), "400", "400"),
    Row("8-bit text in a value", "3.16", line(b"Subject: gr\xc3\xbcn \xc0\x8a" + HIDDEN), CHALLENGED, PASSED, stays=True),
    Row("8-bit text in a user part", "3.16", user(b"6\xb200"), "400", "400"),
    Row("8-bit text in the Call-ID", "3.16", header(b"Call-ID", lambda value: value + b"\xe9"), SILENCE, SILENCE),
]
ESCAPED = [
    Row(f"{text.decode()} as the number", "3.16", user(text), CHALLENGED, "404")
    for text in [b"600%00", b"600%0d%0aRoute:", b"600%40198.19.0.10", b"101%20", b"%2536%2530%2530", b"600%3bx"]
] + [
    Row(f"{text.decode()} as the number", "3.18, AST-2010-002", user(text), CHALLENGED, "404")
    for text in [
        b"100&SIP/trunk/0044207", b"100,1,Hangup", b"$%7BEXTEN%7D", b"600'--", b"(600)", b"600=1", b"~600", b"a" * 65,
    ]
] + [
    Row(f"{text.decode()} as the number", "3.16", user(text), CHALLENGED, PASSED)
    for text in [b"6%300", b"%36%30%30", b"600;x=" + HIDDEN, b"600:" + HIDDEN]
] + [
    Row("%00 in To alone", "3.16", header(b"To", lambda value: value.replace(b"600", b"600%00")), CHALLENGED, "404"),
    Row("& in To alone", "3.18", header(b"To", lambda value: value.replace(b"600", b"600&SIP/x")), CHALLENGED, "404"),
    Row("another account with an escape", "3.16", header(b"From", lambda value: value.replace(b"1003", b"%31003")), CHALLENGED, PASSED),
    Row("a line end in From's user", "3.16", header(b"From", lambda value: value.replace(b"1003", b"1003%0d%0a")), CHALLENGED, CHALLENGED),
    Row("SQL as the account", "3.18", header(b"From", lambda value: value.replace(b"1003", b"1003'or'1'='1")), CHALLENGED, PASSED),
    Row("a comma in the account", "3.16", header(b"From", lambda value: value.replace(b"1003", b"1003,1002")), CHALLENGED, PASSED),
]  # fmt: skip
STARTS = [
    Row("a method in small letters", "3.16", lambda raw: raw.replace(b"MESSAGE", b"message"), "501", "501"),
    Row("a method in mixed letters", "3.16", lambda raw: raw.replace(b"MESSAGE", b"Message"), "501", "501"),
    Row("CSeq's method in small letters", "3.16", swap(b" MESSAGE\r\n", b" message\r\n"), SILENCE, SILENCE),
    Row("CSeq of another method", "3.16", swap(b" MESSAGE\r\n", b" INVITE\r\n"), SILENCE, SILENCE),
    Row("sip/2.0", "3.16", swap(b"SIP/2.0\r\n", b"sip/2.0\r\n"), CHALLENGED, PASSED),
    Row("SIP/2.00", "3.16", swap(b"SIP/2.0\r\n", b"SIP/2.00\r\n"), SILENCE, SILENCE),
    Row("SIP/02.0", "3.16", swap(b"SIP/2.0\r\n", b"SIP/02.0\r\n"), SILENCE, SILENCE),
    Row("SIP/3.0", "3.16", swap(b"SIP/2.0\r\n", b"SIP/3.0\r\n"), SILENCE, SILENCE),
    Row("SIP/2.0 and a blank", "3.16", swap(b"SIP/2.0\r\n", b"SIP/2.0 \r\n"), SILENCE, SILENCE),
    Row("two blanks in the start line", "3.16", swap(b" SIP/2.0\r\n", b"  SIP/2.0\r\n"), SILENCE, SILENCE),
    Row("HTTP/1.1", "3.16", swap(b"SIP/2.0\r\n", b"HTTP/1.1\r\n"), SILENCE, SILENCE),
    Row("a blank before the method", "3.16", lambda raw: b" " + raw, SILENCE, SILENCE),
    Row("CSeq with zeros before", "3.16", header(b"CSeq", lambda value: b"000" + value), CHALLENGED, PASSED),
    Row("CSeq over 31 bits", "3.16", header(b"CSeq", lambda value: b"4294967297 " + value.split()[1]), SILENCE, SILENCE),
]
PARTIES = [
    Row("tel: in From", "3.16", header(b"From", lambda value: value.replace(b"sip:1003@example.test", b"tel:1003")), "416", "416"),
    Row("an unknown scheme in From", "3.16", header(b"From", lambda value: value.replace(b"sip:", b"im:")), "416", "416"),
    Row(
        'a quoted string with \\" and <', "3.16",
        header(b"From", lambda value: b'"a\\" <sip:1002@' + HIDDEN + b'>" ' + value), CHALLENGED, PASSED,
    ),
    Row("a quoted string with <", "3.16", header(b"From", lambda value: b'"<sip:1002@' + HIDDEN + b'>" ' + value), CHALLENGED, PASSED),
    Row("a quoted string with \\ at its end", "3.16", header(b"From", lambda value: b'"a\\" ' + value), "400", "400"),
    Row("two addresses in From", "3.16", header(b"From", lambda value: value + b", <sip:1002@" + HIDDEN + b">"), "400", "400"),
    Row("a comma in an unquoted From", "3.16", header(b"From", lambda value: b"sip:1003@example.test,sip:1002@x"), "400", "400"),
    Row("a second bracket in From", "3.16", header(b"From", lambda value: b"<sip:1002@" + HIDDEN + b"> " + value), "400", "400"),
    Row("a password in From", "3.16", header(b"From", lambda value: value.replace(b"@", b":" + HIDDEN + b"@")), CHALLENGED, PASSED),
    Row("a comma in an unquoted Contact", "3.16", header(b"Contact", lambda value: b"sip:1003@198.18.2.9,sip:" + HIDDEN + b"@x"),
        "400", "400", method="INVITE"),
    Row("an IPv6 zone in Via", "3.16", header(b"Via", lambda value: b"SIP/2.0/UDP [fe80::1%25eth0];branch=z9hG4bKzone1"), SILENCE, SILENCE),
    Row("an IPv6 zone in From", "3.16", header(b"From", lambda value: value.replace(b"example.test", b"[fe80::1%25eth0]")), "400", "400"),
    Row("an IPv6 zone in the Request-URI", "3.16", uri(lambda target: b"sip:600@[fe80::1%25eth0]"), "400", "400"),
    Row("an IPv6 zone in Contact", "3.16", header(b"Contact", lambda value: b"<sip:1003@[fe80::1%25eth0]>"), "400", "400", method="INVITE"),
]  # fmt: skip
URIS = [
    Row("parameters of the Request-URI", "3.16",
        uri(lambda target: target + b";transport=tcp;maddr=" + HIDDEN + b";ttl=255;method=INVITE"), CHALLENGED, PASSED),
    Row("headers of the Request-URI", "3.16", uri(lambda target: target + b"?Route=%3Csip:" + HIDDEN + b"%3E"), CHALLENGED, PASSED),
    Row("parameters of To's URI", "3.16", header(b"To", lambda value: value.replace(b">", b";maddr=" + HIDDEN + b";method=INVITE>")), CHALLENGED, PASSED),
    Row("headers of To's URI", "3.16", header(b"To", lambda value: value.replace(b">", b"?Route=%3Csip:" + HIDDEN + b"%3E>")), CHALLENGED, PASSED),
    Row("parameters of From's URI", "3.16", header(b"From", lambda value: value.replace(b">", b";maddr=" + HIDDEN + b";user=1002>")), CHALLENGED, PASSED),
    Row("headers of Contact's URI", "3.16", header(b"Contact", lambda value: value.replace(b">", b"?Route=%3Csip:" + HIDDEN + b"%3E>")),
        CHALLENGED, PASSED, method="INVITE"),
    Row("maddr, ttl and method in Contact", "3.16", header(b"Contact", lambda value: value.replace(b">", b";maddr=" + HIDDEN + b";ttl=1;method=BYE>")),
        CHALLENGED, PASSED, method="INVITE"),
    Row("Asterisk's address as the domain", "3.8", uri(lambda target: b"sip:600@198.19.0.10"), SILENCE, SILENCE),
    Row("the edge's inside address as the domain", "3.8", uri(lambda target: b"sip:600@198.19.0.1"), SILENCE, SILENCE),
]  # fmt: skip
ROUTES = [
    Row("a Route to Asterisk", "3.8", line(b"Route: <sip:198.19.0.10;lr;" + HIDDEN + b">"), CHALLENGED, PASSED),
    Row("Routes by the edge to Asterisk", "3.8", line(b"Route: <sip:198.18.255.1;lr>, <sip:" + HIDDEN + b"@198.19.0.10;lr>"), CHALLENGED, PASSED),
    Row("a Record-Route", "3.8", line(b"Record-Route: <sip:" + HIDDEN + b";lr>"), CHALLENGED, PASSED, method="INVITE"),
    Row("a Path", "3.8", line(b"Path: <sip:" + HIDDEN + b";lr>"), CHALLENGED, PASSED),
    Row("received, maddr and rport in Via", "3.8",
        header(b"Via", lambda value: value.replace(b";rport", b"") + b";received=198.19.0.10;maddr=198.19.0.10;ttl=5;rport=5060"), CHALLENGED, PASSED),
    Row("Vias below, and one in its short form", "3.8",
        swap(b"\r\nMax-Forwards", b"\r\nv: SIP/2.0/UDP " + HIDDEN + b";branch=z9hG4bKa, SIP/2.0/TCP 198.19.0.10;branch=z9hG4bKb\r\nMax-Forwards"), CHALLENGED, PASSED),
    Row("a Via of commas", "3.8", header(b"Via", lambda value: value + b",,,"), SILENCE, SILENCE),
]  # fmt: skip
CLAIMS = [
    Row(f"{name.decode()}", "3.16, 3.20", line(name + b": <sip:" + HIDDEN + b"@example.test>"), CHALLENGED, PASSED)
    for name in [
        b"P-Asserted-Identity", b"P-Preferred-Identity", b"Remote-Party-ID", b"Diversion", b"History-Info",
        b"Identity", b"y", b"n", b"P-Charging-Vector", b"P-Access-Network-Info", b"P-ASSERTED-IDENTITY",
    ]
] + [
    Row("credentials for another realm before ours", "3.16",
        line(b'Proxy-Authorization: Digest username="1002",realm="' + HIDDEN + b'",nonce="n",uri="sip:x",response="0"'), CHALLENGED, PASSED),
    Row("credentials of three headers", "3.16",
        line(b"Authorization: Basic " + HIDDEN + b'\r\nAuthorization: Digest username="1002",realm="asterisk",nonce="' + HIDDEN + b'",uri="sip:x",response="0"'),
        CHALLENGED, PASSED),
    Row("challenges in a request", "3.6", line(b'WWW-Authenticate: Digest realm="' + HIDDEN + b'",nonce="n"'), CHALLENGED, PASSED),
]  # fmt: skip

ROWS = BEFORE_COLON + FOLDED + DOUBLED + LENGTHS + BYTES + ESCAPED + STARTS + PARTIES + URIS + ROUTES + CLAIMS
