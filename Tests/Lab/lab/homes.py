"""A home: phones behind a router whose NAT forgets a silent way by UDP after 35 s, as many do.

    198.18.4.N router 10.77.0.1 --- 10.77.0.11 and on: the phones
"""

import contextlib
from collections.abc import Iterator

from .namespaces import Network, command

FORGETS_SECONDS = 35
PHONE_ADDRESSES = [f"10.77.0.{last}" for last in range(11, 41)]
ROUTER = "10.77.0.1"
TRANSLATION = """
table ip home {
    chain outward {
        type nat hook postrouting priority 100;
        oifname "wan" masquerade random
    }
}
"""
TIMEOUTS = ["net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_timeout_stream"]


class Home:
    """The router's and the phones' namespaces; made on a network that stands, and gone with it."""

    def __init__(self, network: Network, number: int) -> None:
        self.network = network
        self.number = number
        self.router, self.phones = (f"{network.prefix}{name}{number}" for name in ("home", "kin"))
        for namespace in (self.router, self.phones):
            command("ip", "netns", "add", namespace)
            command("ip", "-n", namespace, "link", "set", "lo", "up")
        network.link(self.router, "wan", "outside", f"home{number}", [f"198.18.4.{number}/16"])
        self._in_router("ip", "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", self.phones)
        self._in_router("ip", "address", "add", f"{ROUTER}/24", "dev", "lan")
        self._in_router("ip", "link", "set", "lan", "up")
        lines = "".join(f"address add {address}/24 dev eth0\n" for address in PHONE_ADDRESSES)
        command("ip", "-n", self.phones, "-batch", "-", input=lines)
        command("ip", "-n", self.phones, "link", "set", "eth0", "up")
        command("ip", "-n", self.phones, "route", "add", "default", "via", ROUTER)
        self._in_router("nft", "-f", "-", input=TRANSLATION)
        self._in_router("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", *[f"{name}={FORGETS_SECONDS}" for name in TIMEOUTS])

    def _in_router(self, *words: str, **options) -> str:
        return command("ip", "netns", "exec", self.router, *words, **options)

    def cut(self) -> None:
        """Its line is dead: nothing leaves, and nothing is told to anybody."""
        command("ip", "-n", self.router, "link", "set", "wan", "down")

    def remove(self) -> None:
        command("ip", "-n", self.network.edge, "link", "delete", f"home{self.number}")
        for namespace in (self.router, self.phones):
            command("ip", "netns", "delete", namespace)


@contextlib.contextmanager
def homes_on(network: Network, count: int) -> Iterator[list[Home]]:
    with contextlib.ExitStack() as made:
        homes = []
        for number in range(1, count + 1):
            homes.append(Home(network, number))
            made.callback(homes[-1].remove)
        yield homes
