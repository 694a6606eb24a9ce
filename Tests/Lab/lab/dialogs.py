"""A phone's call spoken word by word: what opens it, and the requests inside it."""

from dataclasses import dataclass

from .accounts import Account
from .clients import ANSWER_SECONDS, Client, proven
from .sip import Message, Request

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
