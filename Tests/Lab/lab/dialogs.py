"""A phone's call spoken word by word: what opens it, and the requests inside it."""

import secrets
from dataclasses import dataclass
from urllib.parse import quote

from .accounts import Account
from .clients import ANSWER_SECONDS, Client, proven
from .sip import Message, Request, response, tag_of, uri_of

SDP_TYPE = "Content-Type: application/sdp"


def offer(address: str) -> str:
    """A session description of a phone at an address."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )


def within(request: Request, method: str, answer: Message, sequence: int) -> Request:
    """A request of the dialog that an answer has opened (RFC 3261 section 12.1.2)."""
    tag = answer.header("to").partition("tag=")[2]
    routes = [f"Route: {route}" for route in reversed(answer.all("record-route"))]
    target = answer.header("contact").partition("<")[2].partition(">")[0]
    kept = {name: getattr(request, name) for name in ("sender", "to", "via", "call_id", "from_tag")}
    return Request(method=method, uri=target, to_tag=tag, cseq=sequence, extra=routes, **kept)


def refusal_acknowledged(request: Request, answer: Message) -> Request:
    """The ACK of an INVITE that was refused, in its transaction (RFC 3261 section 17.1.1.3)."""
    kept = {**vars(request), "method": "ACK", "extra": [], "body": "", "contact": ""}
    return Request(**{**kept, "to_tag": answer.header("to").partition("tag=")[2]})


def asked(client: Client, request: Request, seconds: float = ANSWER_SECONDS) -> Message:
    """The final answer to a request, acknowledged when it refuses an INVITE."""
    answer = client.answer_to(request, seconds)
    assert answer, f"no answer to {request.method} {request.uri}"
    if request.method == "INVITE" and answer.status >= 300:
        client.send(refusal_acknowledged(request, answer).encoded())
    return answer


def invitation(client: Client, account: Account, number: str) -> Request:
    """An INVITE of a phone that has just been challenged, with the answer to the challenge, not sent yet."""
    request = client.request("INVITE", account.name, to=number, extra=[SDP_TYPE], body=offer(client.address))
    first = asked(client, request)
    assert first.status == 407, first.raw.decode()
    return proven(request, first, account)


@dataclass
class Talk:
    """A call that a phone has made and that was answered."""

    client: Client
    account: Account
    invite: Request
    answer: Message
    cseq: int

    @classmethod
    def begun(cls, client: Client, account: Account, number: str, seconds: float = ANSWER_SECONDS) -> "Talk":
        """Calls a number that answers, and acknowledges the answer."""
        return cls.answered(client, account, invitation(client, account, number), seconds)

    @classmethod
    def answered(cls, client: Client, account: Account, invite: Request, seconds: float = ANSWER_SECONDS) -> "Talk":
        """Sends an INVITE that will be answered, and acknowledges the answer."""
        answer = asked(client, invite, seconds)
        assert answer.status == 200, answer.raw.decode()
        client.send(within(invite, "ACK", answer, invite.cseq).encoded())
        return cls(client, account, invite, answer, invite.cseq)

    def request(self, method: str, *extra: str, body: str = "") -> Request:
        """The next request of the dialog."""
        self.cseq += 1
        request = within(self.invite, method, self.answer, self.cseq)
        request.contact = self.invite.contact
        request.extra += [*extra, *([SDP_TYPE] if body else [])]
        request.body = body
        return request

    def hang_up(self) -> int:
        """Ends the call, and returns the status of the answer."""
        return asked(self.client, self.request("BYE")).status

    @property
    def replaces(self) -> str:
        """What names this call to who is to be joined with its other end (RFC 3891)."""
        return replaces(self.invite.call_id, tag_of(self.answer.header("to")), self.invite.from_tag)


@dataclass
class Taken:
    """A call that came to a phone, and that it has answered."""

    client: Client
    invite: Message
    contact: str
    tag: str
    cseq: int = 100

    @classmethod
    def answered(cls, client: Client, account: Account, seconds: float = ANSWER_SECONDS) -> "Taken":
        """Waits for a call and answers it."""
        invite = client.receive(seconds)
        assert invite and invite.method == "INVITE" and not invite.status, invite and invite.start
        contact = f"sip:{account.name}@{client.address}:{client.port};transport={client.transport}"
        taken = cls(client, invite, contact, secrets.token_hex(5))
        routes = [f"Record-Route: {value}" for value in invite.all("record-route")]
        client.send(response(invite, "200 OK", taken.tag, *routes, f"Contact: <{contact}>", body=offer(client.address)))
        ack = client.receive(seconds)
        assert ack and ack.method == "ACK", ack and ack.start
        return taken

    def request(self, method: str, *extra: str) -> Request:
        """The next request of the dialog."""
        self.cseq += 1
        own, other = self.invite.header("to"), self.invite.header("from")
        return Request(
            method,
            uri_of(self.invite.header("contact")),
            uri_of(own),
            uri_of(other),
            f"SIP/2.0/{self.client.transport.upper()} {self.client.address}:{self.client.port}",
            self.contact,
            self.cseq,
            self.invite.header("call-id"),
            self.tag,
            tag_of(other),
            extra=[*(f"Route: {value}" for value in self.invite.all("record-route")), *extra],
        )

    @property
    def replaces(self) -> str:
        """What names this call to who is to be joined with its other end (RFC 3891)."""
        return replaces(self.invite.header("call-id"), tag_of(self.invite.header("from")), self.tag)


def replaces(call_id: str, other_tag: str, own_tag: str) -> str:
    """A Replaces as it stands among the headers of a Refer-To."""
    return "Replaces=" + quote(f"{call_id};to-tag={other_tag};from-tag={own_tag}", safe="")
