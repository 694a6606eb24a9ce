"""Writes small MaxMind databases (https://maxmind.github.io/MaxMind-DB/): IPv4 networks below ::/96 and their countries."""

import ipaddress
import struct


def _text(value: str) -> bytes:
    return bytes([2 << 5 | len(value)]) + value.encode()


def _map(entries: dict[str, bytes]) -> bytes:
    return bytes([7 << 5 | len(entries)]) + b"".join(_text(key) + value for key, value in entries.items())


def database(countries: dict[str, str]) -> bytes:
    """The bytes of a database of networks and the two letters of their countries."""
    tree: dict = {}
    for network, country in countries.items():
        parsed = ipaddress.ip_network(network)
        bits = "0" * 96 + f"{int(parsed.network_address):032b}"[: parsed.prefixlen]
        node = tree
        for bit in bits[:-1]:
            node = node.setdefault(bit, {})
        node[bits[-1]] = country

    nodes: list[dict] = []

    def collect(node: dict) -> None:
        node["number"] = len(nodes)
        nodes.append(node)
        for bit in "01":
            if isinstance(node.get(bit), dict):
                collect(node[bit])

    collect(tree)
    data, search = b"", b""
    for node in nodes:
        for bit in "01":
            branch, record = node.get(bit), len(nodes)
            if isinstance(branch, dict):
                record = branch["number"]
            elif branch:
                record = len(nodes) + 16 + len(data)
                data += _map({"country": _map({"iso_code": _text(branch)})})
            search += record.to_bytes(3, "big")
    metadata = _map({
        "node_count": bytes([6 << 5 | 4]) + struct.pack(">I", len(nodes)),
        "record_size": bytes([5 << 5 | 1, 24]),
        "ip_version": bytes([5 << 5 | 1, 6]),
        "database_type": _text("Test"),
        "languages": bytes([0, 4]),
        "binary_format_major_version": bytes([5 << 5 | 1, 2]),
        "binary_format_minor_version": bytes([5 << 5]),
        "build_epoch": bytes([1, 2, 1]),
        "description": bytes([7 << 5]),
    })
    return search + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata
