"""Network namespaces without a route out: clients, a provider, edge and two PBXs, and the edge's kernel rules that pass media only.

    clients 198.18.0.0/16 --- [outside] edge [inside] --- 198.19.0.10 and 198.19.0.20
    provider 198.18.3.x   ---

Signalling can only cross the edge through a process there: the kernel forwards nothing but UDP to and from ports of
10000 and more (RTP). Each Asterisk has a media address on the outside (198.18.255.10, .20) that the edge's kernel
translates, as an administrator would with `media_address`; so no inside address has to be told to a phone.
"""

import contextlib
import ctypes
import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

EDGE_OUTSIDE = "198.18.255.1"
EDGE_INSIDE = "198.19.0.1"
HOST_OUTSIDE = "198.18.255.254"
PBX_MEDIA = {"198.19.0.10": "198.18.255.10", "198.19.0.20": "198.18.255.20"}
PROVIDER_ADDRESSES = [f"198.18.3.{last}" for last in (10, 11, 20, 30, 40, 50)]
CLIENT_ADDRESSES = [f"198.18.{net}.{last}" for net in (1, 2) for last in range(1, 41)]

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

MEDIA_RULES = """
table ip lab {
    chain forward {
        type filter hook forward priority 0; policy drop;
        udp sport >= 10000 udp dport >= 10000 accept
    }
    chain translate_in {
        type nat hook prerouting priority -100;
        iifname "outside" udp dport >= 10000 dnat to ip daddr map { %(inward)s }
    }
    chain translate_out {
        type nat hook postrouting priority 100;
        oifname "outside" udp sport >= 10000 snat to ip saddr map { %(outward)s }
    }
}
"""


def command(*arguments: str, **options) -> str:
    """Runs a command that must succeed and returns what it printed; its complaint is in the error when it fails."""
    done = subprocess.run(arguments, text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _setns(descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    """The namespaces; making one first removes what a crashed run with the same name left behind."""

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        self.prefix = f"rempart-{digest}-"
        self.host_link = f"rempart{digest}"
        self.clients = self.prefix + "clients"
        self.edge = self.prefix + "edge"
        self.provider = self.prefix + "provider"
        self.pbx = {address: f"{self.prefix}pbx{address.rsplit('.', 1)[1]}" for address in PBX_MEDIA}
        # Where each PBX sees the edge.
        self.edge_seen = dict.fromkeys(PBX_MEDIA, EDGE_INSIDE)

    def namespace_of(self, address: str) -> str:
        """Where an Asterisk with that address stands: a PBX's namespace, or the provider's."""
        return self.pbx.get(address, self.provider)

    def make(self, with_host: bool = False) -> None:
        """Makes the namespaces; with the host, this machine itself stands on the outside as well (the demo)."""
        self.remove()
        for namespace in [self.edge, self.clients, self.provider, *self.pbx.values()]:
            command("ip", "netns", "add", namespace)
            command("ip", "-n", namespace, "link", "set", "lo", "up")
        self.make_bridge("outside", [f"{address}/16" for address in [EDGE_OUTSIDE, *PBX_MEDIA.values()]])
        self.make_bridge("inside", [f"{EDGE_INSIDE}/24"])
        self.link(self.clients, "eth0", "outside", "clients", [f"{address}/16" for address in CLIENT_ADDRESSES])
        self.link(self.provider, "eth0", "outside", "provider", [f"{address}/16" for address in PROVIDER_ADDRESSES])
        if with_host:
            self.link(None, self.host_link, "outside", "host", [f"{HOST_OUTSIDE}/16"])
        for address, namespace in self.pbx.items():
            self.link(namespace, "eth0", "inside", "pbx" + address.rsplit(".", 1)[1], [f"{address}/24"])
            command("ip", "-n", namespace, "route", "add", "198.18.0.0/16", "via", EDGE_INSIDE)
        command("ip", "netns", "exec", self.edge, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        rules = MEDIA_RULES % {
            "inward": ", ".join(f"{media} : {pbx}" for pbx, media in PBX_MEDIA.items()),
            "outward": ", ".join(f"{pbx} : {media}" for pbx, media in PBX_MEDIA.items()),
        }
        command("ip", "netns", "exec", self.edge, "nft", "-f", "-", input=rules)

    def make_bridge(self, name: str, addresses: list[str]) -> None:
        """One side of the edge, "lan" behind a NAT's router, "second" inside, with the edge's own addresses there.

        A bridge takes the lowest of its ports' link addresses, unless it has one of its own: it would change with the
        ports that come and go, and nobody would reach the edge until his table of neighbours had forgotten the old one.
        """
        number = {"outside": 1, "inside": 2, "lan": 3, "second": 4}[name]
        command("ip", "-n", self.edge, "link", "add", name, "address", f"02:00:00:00:00:{number:02}", "type", "bridge")
        for address in addresses:
            command("ip", "-n", self.edge, "address", "add", address, "dev", name)
        command("ip", "-n", self.edge, "link", "set", name, "up")

    def link(self, namespace: str | None, near: str, side: str, port: str, addresses: list[str]) -> None:
        """A cable from `namespace` (None: this machine itself) to a side of the edge."""
        place = ["-n", namespace] if namespace else []
        near_end = ["type", "veth", "peer", "name", near, "netns", namespace or str(os.getpid())]
        command("ip", "-n", self.edge, "link", "add", port, *near_end)
        lines = "".join(f"address add {address} dev {near}\n" for address in addresses)
        command("ip", *place, "-batch", "-", input=lines)
        command("ip", *place, "link", "set", near, "up")
        command("ip", "-n", self.edge, "link", "set", port, "master", side)
        command("ip", "-n", self.edge, "link", "set", port, "up")

    def remove(self) -> None:
        """Ends every process in these namespaces and removes them; quiet when there are none."""
        present = [line.split()[0] for line in command("ip", "netns", "list").splitlines() if line.startswith(self.prefix)]
        for namespace in present:
            for pid in command("ip", "netns", "pids", namespace).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        # A cable of this machine goes with its namespace only some time later: it is pulled here and now.
        if (Path("/sys/class/net") / self.host_link).exists():
            command("ip", "link", "delete", self.host_link)
        for namespace in present:
            command("ip", "netns", "delete", namespace)


def host(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Sockets made by this thread inside the `with` belong to that namespace, and stay there afterwards."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        _setns(other)
        yield
    finally:
        _setns(own)
        os.close(other)
        os.close(own)
