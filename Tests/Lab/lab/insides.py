"""Further networks of Asterisks beside the lab's own: one of IPv4, and IPv6 on the inside that there is.

    edge 198.19.0.1, fd00:19::1 [inside] --- 198.19.0.10 and .20, fd00:19::30
         198.19.1.1            [second] --- 198.19.1.10

No Asterisk has a route to the edge's address in another network: one that is called from there cannot respond.
"""

import contextlib
from collections.abc import Iterator

from .namespaces import Network, command

EDGE_SECOND, FAR = "198.19.1.1", "198.19.1.10"
EDGE_SIX, SIX = "fd00:19::1", "fd00:19::30"
# Addresses of the edge's networks that move between machines; the kernel's routes begin at the others.
VIP, VIP_SECOND = "198.19.0.9", "198.19.1.9"
INSIDES = [EDGE_SECOND, FAR, EDGE_SIX, SIX, VIP, VIP_SECOND]


class Insides:
    """The namespaces and addresses; made on a network that stands, and gone with it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.spaces = {FAR: network.prefix + "far", SIX: network.prefix + "six"}
        for namespace in self.spaces.values():
            command("ip", "netns", "add", namespace)
            command("ip", "-n", namespace, "link", "set", "lo", "up")
        network.make_bridge("second", [f"{EDGE_SECOND}/24"])
        self.edge("address", "add", f"{EDGE_SIX}/64", "dev", "inside", "nodad")
        network.link(self.spaces[FAR], "eth0", "second", "far", [f"{FAR}/24"])
        network.link(self.spaces[SIX], "eth0", "inside", "six", [f"{SIX}/64 nodad"])
        network.pbx |= self.spaces
        network.edge_seen |= {FAR: EDGE_SECOND, SIX: EDGE_SIX}

    def edge(self, *words: str) -> None:
        """Has ip(8) change something of the edge's network."""
        command("ip", "-n", self.network.edge, *words)

    def remove(self) -> None:
        for address in self.spaces:
            del self.network.pbx[address], self.network.edge_seen[address]
        for port in ("far", "six", "second"):
            self.edge("link", "delete", port)
        self.edge("address", "delete", f"{EDGE_SIX}/64", "dev", "inside")
        for namespace in self.spaces.values():
            command("ip", "netns", "delete", namespace)


@contextlib.contextmanager
def insides_on(network: Network) -> Iterator[Insides]:
    insides = Insides(network)
    try:
        yield insides
    finally:
        insides.remove()
