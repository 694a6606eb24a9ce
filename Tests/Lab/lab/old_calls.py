"""The calls of an old Asterisk's stand-in: two legs that it joins, or one that hears itself."""

import re
import secrets
import socket

from .peers import routes_of
from .sip import Message, Request, tag_of, uri_of

MEDIA_TYPE = "Content-Type: application/sdp"
# What a leg that failed is told as; anything else is no fault of the called phone.
PHRASES = {404: "404 Not Found", 480: "480 Temporarily Unavailable", 486: "486 Busy Here", 603: "603 Declined"}


def media_of(body: bytes) -> tuple[str, int]:
    """Where a session description wants its sound."""
    text = body.decode()
    host, port = re.search(r"(?m)^c=IN IP4 (\S+)", text), re.search(r"(?m)^m=audio (\d+)", text)
    assert host and port, text
    return host[1], int(port[1])


class Channel:
    """One leg of a call; of an incoming one `invite` is the request, of an outgoing one `asked`."""

    def __init__(self, invite: Message | None, source: tuple[str, int], tag: str, address: str) -> None:
        self.invite = invite
        self.source = source
        self.tag = tag
        self.asked: Request | None = None
        self.answer: Message | None = None
        self.other: Channel | None = None
        self.echoes = False
        self.is_up = False
        self.sends_to = media_of(invite.body) if invite else None
        self.cseq = 102
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # The kernel before it passes sound to ports of 10000 and more alone.
        self.port = 10000 + 2 * secrets.randbelow(400)
        while True:
            try:
                self.media.bind((address, self.port))
                return
            except OSError:
                self.port += 2

    @property
    def call_id(self) -> str:
        return self.asked.call_id if self.asked else self.invite.header("call-id")

    def within(self, method: str, via: str, cseq: int = 0) -> Request:
        """The next request of its dialog, through those who stay in its path."""
        if self.asked:
            own, other = (self.asked.sender, self.asked.from_tag), (self.asked.to, tag_of(self.answer.header("to")))
            target, routes = self.answer.header("contact"), list(reversed(routes_of(self.answer)))
        else:
            own = (uri_of(self.invite.header("to")), self.tag)
            other = (uri_of(self.invite.header("from")), tag_of(self.invite.header("from")))
            target, routes = self.invite.header("contact"), routes_of(self.invite)
        self.cseq += 1
        return Request(
            method, uri_of(target), own[0], other[0], via,
            cseq=cseq or self.cseq, call_id=self.call_id, from_tag=own[1], to_tag=other[1],
            extra=[f"Route: {route}" for route in routes],
        )


class OldCalls:
    """The part of a stand-in that has the calls; the other one sends and answers."""

    def __init__(self, address: str, shown: str) -> None:
        self.address = address
        # The address that the edge's kernel translates for sound.
        self.shown = shown
        # By Call-ID, each leg.
        self.calls: dict[str, Channel] = {}

    def media(self) -> list[socket.socket]:
        return [channel.media for channel in list(self.calls.values())]

    def forget_calls(self) -> None:
        for channel in self.calls.values():
            channel.media.close()
        self.calls.clear()

    @property
    def via(self) -> str:
        return f"SIP/2.0/UDP {self.address}:5060"

    def _offer(self, channel: Channel) -> str:
        return (
            f"v=0\r\no=root 1 1 IN IP4 {self.shown}\r\ns=session\r\nc=IN IP4 {self.shown}\r\nt=0 0\r\n"
            f"m=audio {channel.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def relay(self, media: socket.socket, packet: bytes, source: tuple[str, int]) -> None:
        """Passes sound to the other leg, or back."""
        channel = next((one for one in self.calls.values() if one.media is media), None)
        if channel and channel.echoes:
            media.sendto(packet, source)
        elif channel and channel.other and channel.other.sends_to and channel.other.is_up:
            channel.other.media.sendto(packet, channel.other.sends_to)

    # Of the caller

    def accept(self, channel: Channel) -> None:
        """Answers an incoming leg."""
        channel.is_up = True
        self._respond(channel, "200 OK", self._offer(channel))

    def _respond(self, channel: Channel, status: str, body: str = "") -> None:
        routes = [f"Record-Route: {value}" for value in channel.invite.all("record-route")]
        contact = f"Contact: <{uri_of(channel.invite.header('to')).partition('@')[0]}@{self.address}>"
        self.answer(channel.invite, channel.source, status, *routes, contact, body=body)

    def refuse(self, channel: Channel, status: str) -> None:
        """Ends an incoming leg that was not answered."""
        self._respond(channel, status)
        self._drop(channel)

    def offered_again(self, message: Message, source: tuple[str, int]) -> None:
        """A re-INVITE: the sound goes where it says from now on."""
        channel = self.calls[message.header("call-id")]
        channel.sends_to = media_of(message.body) if message.body else channel.sends_to
        self.answer(message, source, "200 OK", f"Contact: <sip:{self.address}>", body=self._offer(channel))

    # Of the called

    def ring(self, channel: Channel, invite: Request, target: tuple[str, int]) -> None:
        """Calls a phone for an incoming leg."""
        leg = Channel(None, target, "", self.address)
        leg.asked, leg.other, channel.other = invite, channel, leg
        invite.extra.append(MEDIA_TYPE)
        invite.body = self._offer(leg)
        self.calls[invite.call_id] = leg
        self.send(invite.encoded(), target)

    def invite_answered(self, leg: Channel, message: Message) -> None:
        """What the called phone says, to its caller."""
        caller = leg.other
        if message.status < 180:
            return
        if message.status < 200:
            self._respond(caller, "180 Ringing")
            return
        leg.answer = message
        if message.status < 300:
            self.send(leg.within("ACK", self.via, cseq=leg.asked.cseq).encoded(), leg.source)
            if not leg.is_up:
                leg.is_up, leg.sends_to = True, media_of(message.body)
                self.accept(caller)
            return
        kept = {**vars(leg.asked), "method": "ACK", "body": "", "extra": [], "to_tag": tag_of(message.header("to"))}
        self.send(Request(**kept).encoded(), leg.source)
        self._drop(leg)
        if caller.call_id in self.calls:
            self.refuse(caller, PHRASES.get(message.status, "503 Service Unavailable"))

    # Ends

    def hung_up(self, call_id: str) -> None:
        """One side has said BYE: so the other one hears it."""
        channel = self.calls.get(call_id)
        if channel is None:
            return
        other = channel.other
        self._drop(channel)
        if other and other.call_id in self.calls:
            self.send(other.within("BYE", self.via).encoded(), other.source)
            self._drop(other)

    def cancelled(self, call_id: str) -> None:
        """The caller has given up."""
        channel = self.calls.get(call_id)
        if channel is None or channel.is_up:
            return
        leg = channel.other
        self.refuse(channel, "487 Request Terminated")
        if leg:
            # Its 487 ends it.
            self.send(leg.asked.cancel().encoded(), leg.source)

    def _drop(self, channel: Channel) -> None:
        self.calls.pop(channel.call_id, None)
        channel.media.close()
