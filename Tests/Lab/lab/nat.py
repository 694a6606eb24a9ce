"""A NAT before the edge, as a cloud has it: the edge has a private address, the Internet sees another one, all of it translated.

    Internet 198.18.0.0/16 --- 198.18.254.5 router 172.31.5.1 --- 172.31.5.10 edge
                                                             --- 172.31.5.21 and on: phones of the local network

The edge answers by way of the router, whoever asks at its private address; its media addresses stay where they were.
"""

import contextlib
from collections.abc import Iterator

from .namespaces import Network, command
from .rempart import Settings

SHOWN = "198.18.254.5"
OWN = "172.31.5.10"
ROUTER = "172.31.5.1"
ROUTERS_MAC = "02:00:00:00:fe:05"
LOCAL_NETWORK = "172.31.5.0/24"
LOCAL_ADDRESSES = ["172.31.5.21", "172.31.5.22"]

TRANSLATION = f"""
table ip cloud {{
    chain inward {{
        type nat hook prerouting priority -100;
        iifname "wan" ip daddr {SHOWN} dnat to {OWN}
    }}
    chain outward {{
        type nat hook postrouting priority 100;
        oifname "wan" snat to {SHOWN}
    }}
}}
"""
TABLE = "100"
FILTERING = "net.bridge.bridge-nf-call-iptables"


class Nat:
    """The router's and the local network's namespaces; made on a network that stands, and gone with it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.router = network.prefix + "router"
        self.local = network.prefix + "local"
        for namespace in (self.router, self.local):
            command("ip", "netns", "add", namespace)
            command("ip", "-n", namespace, "link", "set", "lo", "up")
        network.make_bridge("lan", [f"{OWN}/24"])
        network.link(self.router, "wan", "outside", "natwan", [f"{SHOWN}/16"])
        # The Internet's hosts remember the router of the module before by this.
        command("ip", "-n", self.router, "link", "set", "wan", "address", ROUTERS_MAC)
        network.link(self.router, "lan", "lan", "natlan", [f"{ROUTER}/24"])
        network.link(self.local, "eth0", "lan", "local", [f"{address}/24" for address in LOCAL_ADDRESSES])
        command("ip", "-n", self.local, "route", "add", "default", "via", ROUTER)
        command("ip", "netns", "exec", self.router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        command("ip", "netns", "exec", self.router, "nft", "-f", "-", input=TRANSLATION)
        # The edge's kernel is the Internet's and the cloud's cable too: what only passes there meets none of its rules.
        self.filtering = self._sysctl("-n", "-e", FILTERING).strip()
        self._sysctl("-q", "-e", "-w", f"{FILTERING}=0")
        # The Internet's packets come by another side than that of its route.
        for name in ("all", "lan"):
            self._sysctl("-q", "-w", f"net.ipv4.conf.{name}.rp_filter=0")
        self._edge("route", "add", LOCAL_NETWORK, "dev", "lan", "table", TABLE)
        self._edge("route", "add", "default", "via", ROUTER, "dev", "lan", "table", TABLE)
        self._edge("rule", "add", "from", OWN, "lookup", TABLE)

    def _sysctl(self, *words: str) -> str:
        return command("ip", "netns", "exec", self.network.edge, "sysctl", *words)

    def _edge(self, *words: str) -> None:
        command("ip", "-n", self.network.edge, *words)

    def remove(self) -> None:
        if self.filtering:
            self._sysctl("-q", "-w", f"{FILTERING}={self.filtering}")
        self._edge("rule", "delete", "from", OWN, "lookup", TABLE)
        for port in ("natwan", "natlan", "local", "lan"):
            self._edge("link", "delete", port)
        for namespace in (self.router, self.local):
            command("ip", "netns", "delete", namespace)


def behind_nat(settings: Settings) -> None:
    """Has an edge's settings name both of its addresses, and the network beside it."""
    settings.outside, settings.shown = OWN, SHOWN
    settings.domains = [settings.domains[0], SHOWN]
    settings.more += f"local-networks: [{LOCAL_NETWORK}]\n"


@contextlib.contextmanager
def nat_on(network: Network) -> Iterator[Nat]:
    nat = Nat(network)
    try:
        yield nat
    finally:
        nat.remove()
