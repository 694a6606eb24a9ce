"""What passes between an attacker and the edge, and the moment from which the kernel drops him.

Packets carry the kernel's own time of arrival (SO_TIMESTAMPNS), taken before the firewall sees them. The kernel tells
of a set's new element at the end of the transaction that adds it (NFNLGRP_NFTABLES): the time is that of reading the
notice, so it is late by the reader's wake-up, well below a millisecond on an idle machine, and never early.
"""

import ctypes
import re
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from .namespaces import entered

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35
SO_ATTACH_FILTER = 26
NETLINK_NETFILTER = 12
NFNLGRP_NFTABLES = 7
NEW_SET_ELEMENT = 10 << 8 | 12
UDP, TCP = 17, 6

BRANCH = re.compile(rb"(?im)^(?:via|v)\s*:[^\r\n]*?branch=([^;,\s]+)")


@dataclass(frozen=True)
class Seen:
    """One datagram or segment with something in it."""

    at: float
    outgoing: bool
    source: str
    target: str
    payload: bytes

    @property
    def is_provisional(self) -> bool:
        return self.payload.startswith(b"SIP/2.0 1")


@dataclass
class Story:
    """What came of one attack."""

    sent: list[Seen]
    answers: list[Seen]
    dropped: dict[str, float] = field(default_factory=dict)

    @property
    def tries_answered(self) -> int:
        """How many guesses got a final answer; without any guess, how many requests did."""
        guesses = {b for seen in self.sent if b"uthorization:" in seen.payload for b in BRANCH.findall(seen.payload)[:1]}
        answered = {b for seen in self.answers if not seen.is_provisional for b in BRANCH.findall(seen.payload)[:1]}
        return len(guesses & answered) if guesses else len(answered)

    def seconds_to_drop(self, source: str) -> float | None:
        """From the deciding packet to the kernel's drop.

        Of what came before the drop, the deciding packet is the first that was left without an answer, or the very
        last when all had one.
        """
        at = self.dropped.get(source)
        if at is None:
            return None
        before = [seen.at for seen in self.sent if seen.source == source and seen.at <= at]
        if not before:
            return None
        answer = max((seen.at for seen in self.answers if seen.target == source and seen.at <= at), default=0.0)
        silent = [when for when in before if when > answer]
        return at - (silent[0] if silent and answer else before[-1])

    def seconds_of_attack(self, source: str) -> float | None:
        """From a source's first packet to the kernel's drop."""
        at, first = self.dropped.get(source), min((seen.at for seen in self.sent if seen.source == source), default=0.0)
        return at - first if at else None


def _only(network: str) -> bytes:
    """A classic BPF program that passes IPv4 to or from a network."""
    address, _, prefix = network.partition("/")
    mask = (0xFFFFFFFF << (32 - int(prefix or 32))) & 0xFFFFFFFF
    wanted = struct.unpack("!I", socket.inet_aton(address))[0] & mask
    load, conjoin, equal, give = 0x20, 0x54, 0x15, 0x06
    program = [
        (load, 0, 0, 26), (conjoin, 0, 0, mask), (equal, 3, 0, wanted),
        (load, 0, 0, 30), (conjoin, 0, 0, mask), (equal, 0, 1, wanted),
        (give, 0, 0, 0xFFFF), (give, 0, 0, 0),
    ]  # fmt: skip
    return b"".join(struct.pack("=HBBI", *line) for line in program)


class Watch:
    """`with Watch(namespace, interface, network) as watch:` and then `watch.story()`."""

    def __init__(self, namespace: str, interface: str, network: str) -> None:
        self.seen: list[Seen] = []
        self.elements: list[tuple[float, bytes]] = []
        code = _only(network)
        self._code = ctypes.create_string_buffer(code)
        program = struct.pack("@HP", len(code) // 8, ctypes.addressof(self._code))
        with entered(namespace):
            self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            self.wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
            self.wire.bind((interface, ETH_P_ALL))
            self.notices = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            self.notices.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
            self.notices.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()
        self.wire.close()
        self.notices.close()

    def _run(self) -> None:
        while not self.ending.is_set():
            # The notice first: its time is that of reading it.
            ready = select.select([self.notices, self.wire], [], [], 0.1)[0]
            if self.notices in ready:
                self._read_notice()
            if self.wire in ready:
                self._read_packet()

    def _read_notice(self) -> None:
        try:
            data, now = self.notices.recv(1 << 20), time.time()
        except OSError:
            return
        while len(data) >= 16:
            size, kind = struct.unpack("=IH", data[:6])
            if kind == NEW_SET_ELEMENT:
                self.elements.append((now, data[16:size]))
            data = data[max((size + 3) & ~3, 16) :]

    def _read_packet(self) -> None:
        frame, extra, _, address = self.wire.recvmsg(70000, 256)
        at = time.time()
        for _, kind, value in extra:
            if kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("@ll", value[:16])
                at = seconds + nanoseconds / 1e9
        packet = frame[14:]
        if len(packet) < 28 or packet[9] not in (UDP, TCP):
            return
        header, total = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0]
        segment = packet[header:total]
        payload = segment[8:] if packet[9] == UDP else segment[(segment[12] >> 4) * 4 :]
        if payload:
            source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            self.seen.append(Seen(at, address[2] == PACKET_OUTGOING, source, target, payload))

    def dropped(self, source: str) -> float | None:
        """Since when the kernel has the source, or its /24, in a set."""
        address = socket.inet_aton(source)
        # A range of addresses is two elements, which begin with its first address and with the next after its last.
        wanted = address, address[:3] + b"\0"
        return next((at for at, element in list(self.elements) if any(each in element for each in wanted)), None)

    def story(self) -> Story:
        """All that was seen so far."""
        seen = list(self.seen)
        story = Story([each for each in seen if not each.outgoing], [each for each in seen if each.outgoing])
        for source in {each.source for each in story.sent}:
            at = self.dropped(source)
            if at:
                story.dropped[source] = at
        return story
