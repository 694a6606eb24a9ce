"""A server of a provider's, spoken word by word: what comes to it, what it answers, and what it asks."""

import re
import secrets
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .namespaces import EDGE_OUTSIDE, Network, entered
from .sip import Message, Request, response, tag_of, uri_of

ANSWER_SECONDS = 10.0
PHRASES = {180: "Ringing", 200: "OK", 486: "Busy Here", 487: "Request Terminated", 503: "Service Unavailable"}


def user_of(value: str) -> str:
    """The user part of the URI in a From, To or Contact."""
    return uri_of(value).removeprefix("sip:").rpartition("@")[0]


def routes_of(message: Message) -> list[str]:
    """The Record-Routes of a message in their order, each in its brackets."""
    return re.findall(r"<[^>]*>", ",".join(message.all("record-route")))


@dataclass
class Leg:
    """A dialog as the provider holds it."""

    peer: "Peer"
    call_id: str
    own: str
    own_tag: str
    other: str
    other_tag: str
    target: str
    routes: list[str]
    cseq: int = 100

    def request(self, method: str, *extra: str, cseq: int = 0) -> Request:
        """The next request of the dialog, with a Route for every Record-Route there was."""
        self.cseq += 1
        return Request(
            method=method,
            uri=self.target,
            sender=self.own,
            to=self.other,
            via=self.peer.via,
            contact=self.peer.contact,
            call_id=self.call_id,
            from_tag=self.own_tag,
            to_tag=self.other_tag,
            cseq=cseq or self.cseq,
            extra=[f"Route: {route}" for route in self.routes] + list(extra),
        )

    def hang_up(self) -> int:
        """Sends a BYE and returns the status of its answer."""
        answer = self.peer.ask(self.request("BYE"))
        return answer.status


@dataclass
class Peer:
    """A UDP socket with an address of the provider's. Requests to see whether it lives are answered by itself."""

    network: Network
    address: str
    port: int = 5060
    namespace: str = ""
    edge: str = EDGE_OUTSIDE
    inbox: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen: set[bytes] = set()
        with entered(self.namespace or self.network.provider):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, self.port))
        self.port = self.socket.getsockname()[1]

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def via(self) -> str:
        return f"SIP/2.0/UDP {self.address}:{self.port}"

    @property
    def contact(self) -> str:
        return f"sip:gateway@{self.address}:{self.port}"

    @property
    def offer(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.address}\r\ns=-\r\nc=IN IP4 {self.address}\r\nt=0 0\r\n"
            "m=audio 10000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def send(self, raw: bytes) -> None:
        self.socket.sendto(raw, (self.edge, 5060))

    def _read(self, seconds: float) -> bool:
        """Takes one datagram in; what was seen before is the same message sent again."""
        if seconds <= 0 or not select.select([self.socket], [], [], seconds)[0]:
            return False
        raw = self.socket.recv(65536)
        if raw not in self.seen:
            self.seen.add(raw)
            message = Message.parse(raw)
            if message.method == "OPTIONS" and not message.status:
                self.answer(message, 200)
            self.inbox.append(message)
        return True

    def wait(self, fits: Callable[[Message], bool], what: str, seconds: float = ANSWER_SECONDS) -> Message:
        """The first message that fits, taken out of what has come; fails, telling what came, when there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            for message in self.inbox:
                if fits(message):
                    self.inbox.remove(message)
                    return message
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {what} at {self.address} within {seconds:g} s; came: {self.heard()}")
            self._read(left)

    def heard(self) -> list[str]:
        """The first lines of what has come and was not waited for."""
        while self._read(0.001):
            pass
        return [message.start for message in self.inbox]

    def expect(self, method: str, seconds: float = ANSWER_SECONDS) -> Message:
        """The next request with that method."""
        return self.wait(lambda message: not message.status and message.method == method, method, seconds)

    def answer(self, request: Message, status: int, tag: str = "", body: str = "", record_route: str = "") -> str:
        """Answers a request and returns the tag of the answer; `record_route` is that of a proxy before the answering one."""
        tag = tag or secrets.token_hex(4)
        routes = ([record_route] if record_route else []) + request.all("record-route")
        extra = [*(f"Record-Route: {value}" for value in routes), f"Contact: <{self.contact}>"]
        self.send(response(request, f"{status} {PHRASES[status]}", tag, *extra, body=body))
        return tag

    def ask(self, request: Request, seconds: float = ANSWER_SECONDS) -> Message:
        """Sends a request and returns its final answer."""
        self.send(request.encoded())
        return self.final(request, seconds)

    def final(self, request: Request, seconds: float = ANSWER_SECONDS) -> Message:
        """The final answer to a request that was sent, acknowledged when it refuses an INVITE."""
        cseq = f"{request.cseq} {request.method}"
        final = self.wait(
            lambda m: m.status >= 200 and m.header("call-id") == request.call_id and m.header("cseq") == cseq,
            f"answer to {request.method} {request.uri}",
            seconds,
        )
        if request.method == "INVITE" and final.status >= 300:
            # Of the INVITE's own transaction.
            ack = Request(**{**vars(request), "method": "ACK", "body": "", "to_tag": tag_of(final.header("to"))})
            ack.extra = [line for line in request.extra if line.startswith("Route:")]
            self.send(ack.encoded())
        return final

    def invite(self, number: str, caller: str = "4930123", host: str = "", extra: tuple[str, ...] = ()) -> Request:
        """A call to a number, at the edge's address or another host, not sent yet."""
        host = host or self.edge
        return Request(
            method="INVITE",
            uri=f"sip:{number}@{host}",
            sender=f"sip:{caller}@{self.address}",
            to=f"sip:{number}@{host}",
            via=self.via,
            contact=self.contact,
            extra=["Content-Type: application/sdp", *extra],
            body=self.offer,
        )

    def established(self, request: Request, answer: Message) -> Leg:
        """The dialog of an INVITE of its own that was answered; acknowledges the answer."""
        assert answer.status == 200, answer.raw.decode()
        leg = Leg(
            self,
            request.call_id,
            request.sender,
            request.from_tag,
            request.to,
            tag_of(answer.header("to")),
            uri_of(answer.header("contact")),
            list(reversed(self._others(routes_of(answer)))),
        )
        self.send(leg.request("ACK", cseq=request.cseq).encoded())
        return leg

    def call(self, number: str, **more) -> Leg:
        """Calls a number that answers."""
        request = self.invite(number, **more)
        return self.established(request, self.ask(request))

    def take(self, invite: Message, record_route: str = "") -> tuple[Leg, Message]:
        """Answers a call, waits for the ACK, and returns the dialog and the ACK."""
        tag = self.answer(invite, 200, body=self.offer, record_route=record_route)
        leg = Leg(
            self,
            invite.header("call-id"),
            uri_of(invite.header("to")),
            tag,
            uri_of(invite.header("from")),
            tag_of(invite.header("from")),
            uri_of(invite.header("contact")),
            self._others(routes_of(invite)),
        )
        return leg, self.expect("ACK")

    def _others(self, routes: list[str]) -> list[str]:
        """The routes without its own: where it is the proxy too, that has taken its Route away."""
        return [route for route in routes if f"sip:{self.address}" not in route]
