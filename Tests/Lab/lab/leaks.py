"""What must never be seen outside: addresses of the inside, and what an Asterisk is. Every packet of every test is looked at.

Three things are excepted:

* Media addresses of a session description leave as Asterisk has written them, until the edge carries media itself.
* In answers the lines that repeat a request are its sender's own, whatever he has written.
* A connection's TLS records are random bytes, and some of them look like a line; what clients read from them is in `read_by_tls`.
"""

import ctypes
import re
import socket
from collections import defaultdict

from .capture import PACKET_OUTGOING, UDP, Capture, Packet
from .insides import INSIDES
from .namespaces import EDGE_INSIDE, PBX_MEDIA, Network

ADDRESSES = [EDGE_INSIDE, *PBX_MEDIA, *INSIDES]
INSIDE = [re.compile(rb"(?<![0-9.])" + re.escape(address.encode()) + rb"(?![0-9])") for address in ADDRESSES]
# "Asterisk" is also the name by which it calls: what counts is the product with its version.
PRODUCT = re.compile(rb"^(server|user-agent)\s*:|^s=(?!-$)|asterisk pbx|asterisk/?[ -]?[0-9]+\.[0-9]", re.IGNORECASE)
MEDIA = re.compile(rb"^(c=|a=rtcp:|a=candidate:|a=remote-candidates:)")
REPEATED = re.compile(rb"^(via|v|from|f|to|t|call-id|i|cseq)\s*:", re.IGNORECASE)
# A record's content type and the first byte of its version (RFC 8446 section 5.1); no SIP message begins so.
TLS_RECORD = re.compile(rb"[\x14-\x17]\x03")
START = re.compile(rb"^(SIP/2\.0 [1-6]\d\d |[A-Z]+ \S+ SIP/2\.0$)")

SO_ATTACH_FILTER = 26
# Load the packet's type (an ancillary word), keep what leaves, drop the rest: floods that arrive cost nothing here.
OUTGOING_ONLY = [(0x20, 0, 0, 0xFFFFF004), (0x15, 0, 1, PACKET_OUTGOING), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]


# What clients have read by TLS and must not have, with where they are: no look at a packet shows it.
read_by_tls: list[tuple[tuple[str, int], bytes]] = []


class Lines:
    """The lines of a datagram, or of one direction of a connection in whatever pieces it comes."""

    def __init__(self) -> None:
        self.rest = b""
        self.is_answer = False
        self.is_sealed: bool | None = None

    def leaks(self, data: bytes, is_whole: bool) -> list[bytes]:
        """Those lines that tell of the inside; when there is more to come, the last one waits for its end."""
        if self.is_sealed is None and data:
            self.is_sealed = bool(TLS_RECORD.match(data))
        if self.is_sealed:
            return []
        lines = (self.rest + data).split(b"\n")
        self.rest = b"" if is_whole else lines.pop()
        return [line for line in (line.rstrip(b"\r") for line in lines) if self._tells(line)]

    def _tells(self, line: bytes) -> bool:
        start = START.match(line)
        if start:
            self.is_answer = line.startswith(b"SIP/2.0")
        if MEDIA.match(line) or self.is_answer and REPEATED.match(line):
            return False
        return bool(PRODUCT.search(line)) or any(address.search(line) for address in INSIDE)


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction))]


class LeakWatch(Capture):
    """`with LeakWatch(network) as watch:` and then `watch.leaks`: each with where it went."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "outside")
        self.begin()
        read_by_tls.clear()
        instructions = (_Instruction * len(OUTGOING_ONLY))(*OUTGOING_ONLY)
        program = _Program(len(OUTGOING_ONLY), instructions)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))

    def begin(self) -> None:
        """Nothing has been seen yet."""
        self.leaks: list[tuple[tuple[str, int], bytes]] = []
        self.flows: dict[tuple, Lines] = defaultdict(Lines)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        # The last line of a connection may have no end.
        self.leaks += [(target, line) for (_, target), lines in self.flows.items() for line in lines.leaks(b"", True)]

    def take(self, packet: Packet) -> None:
        if not packet.outgoing or packet.is_media:
            return
        is_datagram = packet.protocol == UDP
        lines = Lines() if is_datagram else self.flows[packet.source, packet.target]
        self.leaks += [(packet.target, line) for line in lines.leaks(packet.payload, is_datagram)]
