"""Where attackers stand: a namespace of their own on the edge's outside, with the whole of 45.0.0.0/8 as theirs.

Every program gets an address that nobody has used before: the route to the edge names it as the source, so that
programs which cannot be told one use it as well. The edge's way back leads through this namespace, so that a spoofed
sender costs the edge no entry in its table of neighbours. Nothing leads out of it.

The programs come from Debian's packages, unpacked into the cache; they are never installed, and nothing of them
runs unless a test runs it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .asterisk import roots_folder
from .namespaces import EDGE_OUTSIDE, Network, command

GATEWAY = "198.18.4.1"
WORLD = "45.0.0.0/8"
# A version is named where Debian's release will not change it; a library may get a security update.
PACKAGES = {
    "sipvicious": "0.3.3-2",
    "python3-scapy": "2.5.0+dfsg-2",
    "sipsak": "0.9.8.1-1",
    "libc-ares2": "",
    "fail2ban": "1.0.2-2",
    "python3-pyinotify": "0.9.6-2",
}


def tools_folder() -> Path:
    """The unpacked packages; fetched once, and renamed when whole."""
    version = hashlib.sha256(repr(PACKAGES).encode()).hexdigest()[:8]
    folder = roots_folder() / f"attackers-{version}"
    if folder.exists():
        return folder
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    (building / "packages").mkdir(parents=True)
    wanted = [f"{name}={version}" if version else name for name, version in PACKAGES.items()]
    for update in (False, True):
        if update:
            command("apt-get", "-qq", "update")
        done = subprocess.run(
            ["apt-get", "-qq", "download", *wanted], cwd=building / "packages", capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
    else:
        raise RuntimeError(f"Debian's packages {wanted} cannot be had: {done.stderr.strip()}")
    for package in sorted((building / "packages").glob("*.deb")):
        command("dpkg-deb", "-x", str(package), str(building))
    building.rename(folder)
    return folder


def tools_environment() -> dict[str, str]:
    """What makes the unpacked programs find each other."""
    root = tools_folder()
    libraries = next(root.glob("usr/lib/*/libcares.so.2")).parent
    python = f"{root}/usr/share/sipvicious:{root}/usr/lib/python3/dist-packages"
    return {**os.environ, "PYTHONPATH": python, "LD_LIBRARY_PATH": str(libraries), "HOME": str(root), "LC_ALL": "C.UTF-8"}


class Ground:
    """The attackers' namespace; made on a network that stands, and gone with it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.namespace = network.prefix + "attack"
        self.environment = tools_environment()
        self._used = 0
        self._make()

    def _make(self) -> None:
        edge = self.network.edge
        command("ip", "netns", "add", self.namespace)
        command("ip", "-n", edge, "link", "add", "attack", "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        command("ip", "-n", edge, "link", "set", "attack", "master", "outside")
        command("ip", "-n", edge, "link", "set", "attack", "up")
        self._ip("link", "set", "lo", "up")
        self._ip("address", "add", f"{GATEWAY}/16", "dev", "eth0")
        self._ip("link", "set", "eth0", "up")
        self._ip("route", "add", "local", WORLD, "dev", "lo")
        command("ip", "-n", edge, "route", "add", WORLD, "via", GATEWAY)
        # A spoofed sender's reset or "port unreachable" would be an answer that the real one never gives.
        rules = "add table ip mute\nadd chain ip mute out { type filter hook output priority 0; }\n"
        rules += "add rule ip mute out icmp type destination-unreachable drop\n"
        command("ip", "netns", "exec", self.namespace, "nft", "-f", "-", input=rules)

    def _ip(self, *words: str) -> None:
        command("ip", "-n", self.namespace, *words)

    def remove(self) -> None:
        command("ip", "-n", self.network.edge, "link", "delete", "attack")
        command("ip", "-n", self.network.edge, "route", "flush", WORLD)
        command("ip", "netns", "delete", self.namespace)

    def new_source(self, target: str = EDGE_OUTSIDE) -> str:
        """An address from which nothing has come yet; what is started next uses it toward the target."""
        self._used += 1
        source = f"45.77.{self._used // 200}.{self._used % 200 + 1}"
        via = [] if target.startswith("198.18.") else ["via", EDGE_OUTSIDE]
        self._ip("route", "replace", f"{target}/32", *via, "dev", "eth0", "src", source)
        return source

    def prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]

    def run(self, *words: str, seconds: float = 20, **options) -> str:
        """Runs a program here, ends it when its time is over, and returns all that it has said."""
        words = ("timeout", "--signal=INT", "--kill-after=2", str(seconds), *words)
        done = subprocess.run(
            [*self.prefix(), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **options,
        )
        return done.stdout.decode(errors="replace")

    def vicious(self, program: str, *words: str, seconds: float = 20) -> str:
        """Runs a program of SIPVicious."""
        return self.run("/usr/bin/python3", "-W", "ignore", "-m", f"sipvicious.{program}", *words, seconds=seconds)


@contextmanager
def ground_on(network: Network) -> Iterator[Ground]:
    ground = Ground(network)
    try:
        yield ground
    finally:
        ground.remove()
