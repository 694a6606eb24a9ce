"""Every byte that passes an interface of the edge, kept in memory: what a tap on the wire would see."""

import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from .namespaces import Network, entered

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
UDP, TCP = 17, 6
PACKET_OUTGOING = 4
QUIET_SECONDS = 0.1
DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Packet:
    """One UDP datagram or TCP segment with something in it."""

    outgoing: bool
    protocol: int
    source: tuple[str, int]
    target: tuple[str, int]
    payload: bytes

    @property
    def is_media(self) -> bool:
        return self.protocol == UDP and self.source[1] >= 10000 and self.target[1] >= 10000


def _parse(frame: bytes, outgoing: bool) -> Packet | None:
    if len(frame) < 34:
        return None
    kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if kind == ETH_P_IP:
        header, total, protocol = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])[0], packet[9]
        source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    elif kind == ETH_P_IPV6 and len(packet) >= 40:
        # Without extension headers, which nobody here writes.
        header, total, protocol = 40, 40 + struct.unpack("!H", packet[4:6])[0], packet[6]
        source, target = (socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24))
    else:
        return None
    segment = packet[header:total]
    if protocol not in (UDP, TCP) or len(segment) < 8:
        return None
    ports = struct.unpack("!HH", segment[:4])
    offset = 8 if protocol == UDP else (segment[12] >> 4) * 4
    payload = segment[offset:]
    return Packet(outgoing, protocol, (source, ports[0]), (target, ports[1]), payload) if payload else None


class Capture:
    """`with Capture(network, "outside") as wire:` and then `wire.packets`; an interface of the edge, or of another namespace."""

    def __init__(self, network: Network, interface: str, namespace: str = "") -> None:
        self.packets: list[Packet] = []
        with entered(namespace or network.edge):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((interface, ETH_P_ALL))
        self.socket.settimeout(QUIET_SECONDS)
        self.ending = threading.Event()
        self.deadline = 0.0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not (self.ending.is_set() and time.monotonic() > self.deadline):
            try:
                frame, address = self.socket.recvfrom(70000)
            except TimeoutError:
                if self.ending.is_set():
                    return
                continue
            packet = _parse(frame, address[2] == PACKET_OUTGOING)
            if packet:
                self.take(packet)

    def take(self, packet: Packet) -> None:
        """Each packet, as it passes."""
        self.packets.append(packet)

    def __enter__(self) -> "Capture":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What was sent before the end is in the socket by now; others may go on sending for ever.
        self.deadline = time.monotonic() + DRAIN_SECONDS
        self.ending.set()
        self.thread.join()
        self.socket.close()

    def signalling(self, outgoing: bool) -> list[bytes]:
        """What was said in one direction, RTP left out: UDP datagrams each alone, TCP segments of a flow joined."""
        datagrams: list[bytes] = []
        flows: dict[tuple, bytes] = defaultdict(bytes)
        for packet in list(self.packets):
            if packet.outgoing != outgoing or packet.is_media:
                continue
            if packet.protocol == UDP:
                datagrams.append(packet.payload)
            else:
                flows[packet.source, packet.target] += packet.payload
        return datagrams + list(flows.values())
