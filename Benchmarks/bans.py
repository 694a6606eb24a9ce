"""What bans.sh runs inside a network namespace: the real banner, with this script as its supervisor and sip-router."""

import array
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROLE_ROUTER, ROLE_BANNER = 2, 4
MESSAGES_VERSION = int(sys.argv[2])
TARGET = ("198.18.0.1", 5060)
NOW = int(time.time() * 1000)


def mapped(address: str) -> bytes:
    return struct.pack(">QI", 0, 0xFFFF) + socket.inet_aton(address)


def text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def order(address: str) -> bytes:
    return (
        b"\x02" + mapped(address) + text("wrong-password") + text("5 wrong passwords for 1001")
        + struct.pack(">IQQ", 5, NOW, NOW) + text("phones") + struct.pack(">Q", 3_600_000)
    )


def parcels(messages: list[bytes]) -> list[bytes]:
    """As sip-router gathers what it has for banner in a turn of its loop (Messages/Parcel.swift)."""
    frames = [b"\xff"]
    for message in messages:
        if len(frames[-1]) + 2 + len(message) > 16_384:
            frames.append(b"\xff")
        frames[-1] += struct.pack(">H", len(message)) + message
    return frames


def address_of(number: int) -> str:
    """Addresses of which no two are neighbours, up to 16,384 of them: eight would be banned together."""
    return f"100.{64 + number // 256 % 64}.{number % 256}.{2 + number // 16_384}"


class Banner:
    """A banner process with the ends of its links."""

    def __init__(self, binary: str, state: int, block_list: str = "") -> None:
        self.supervisor, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.router, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # As the supervisor makes them: a child's loop never waits in a receive.
        its.setblocking(False)
        peer.setblocking(False)
        spare = os.dup(its.fileno())

        def link() -> None:
            os.dup2(spare, 3)
            os.set_inheritable(3, True)

        began = time.monotonic()
        with open(f"{os.environ['BENCH_FOLDER']}/log", "ab") as log:
            self.process = subprocess.Popen([binary], preexec_fn=link, close_fds=False, stderr=log)
        os.close(spare)
        its.close()
        self.say(bytes([1, MESSAGES_VERSION, ROLE_BANNER]))
        if block_list:
            setting = b"\x17" + text(block_list)
            self.say(b"\x03" + struct.pack(">H", len(setting)) + setting)
        self.say(bytes([6, 3]), state)
        self.say(bytes([5, ROLE_ROUTER]), peer.fileno())
        self.say(b"\x08")
        while self.supervisor.recv(65536)[0] != 2:
            pass
        self.ready_seconds = time.monotonic() - began
        threading.Thread(target=self.drain, args=[self.supervisor], daemon=True).start()
        self.router.send(bytes([1, MESSAGES_VERSION]))
        threading.Thread(target=self.drain, args=[self.router], daemon=True).start()

    def say(self, frame: bytes, descriptor: int | None = None) -> None:
        passed = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        self.supervisor.sendmsg([frame], passed)

    @staticmethod
    def drain(link: socket.socket) -> None:
        while link.recv(65536):
            pass

    def stop(self) -> None:
        self.say(b"\x0b")
        self.process.wait(10)


def sender(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


def until_dropped(source: socket.socket, target: socket.socket, began: float) -> float:
    """Sends until nothing arrives: on the loopback a packet has arrived when sendto is back."""
    while True:
        source.sendto(b"x", TARGET)
        try:
            target.recv(16)
        except BlockingIOError:
            return time.monotonic() - began


def decision_to_drop(banner: Banner, target: socket.socket, count: int, first: int = 0) -> list[float]:
    spans = []
    for number in range(first, first + count):
        with sender(address_of(number)) as source:
            frame = order(source.getsockname()[0])
            began = time.monotonic()
            banner.router.send(frame)
            spans.append(until_dropped(source, target, began))
        time.sleep(0.01)
    return sorted(spans)


def flood(banner: Banner, target: socket.socket, first: int, count: int) -> float:
    """Seconds from the first of so many orders to the drop of the last source."""
    frames = parcels([order(address_of(number)) for number in range(first, first + count)])
    with sender(address_of(first + count - 1)) as last:
        began = time.monotonic()
        for frame in frames:
            banner.router.send(frame)
        return until_dropped(last, target, began)


def write_bans(state: str, count: int) -> None:
    with open(f"{state}/bans", "w") as file:
        file.write("rempart bans 2\n")
        for number in range(count):
            source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            file.write(f"+\t{source}/32\t{NOW}\t{NOW + 3_600_000}\t{NOW}\t{NOW}\t5\t1\tphones\twrong-password\t5 wrong passwords for 1001\n")


def command_seconds(banner: Banner, binary: str, runtime: str, *words: str) -> float:
    """The median of five of a command, which is answered through this script as it is by the supervisor."""
    spans = []
    for _ in range(5):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = f"{runtime}/control"
        if os.path.exists(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen()
        began = time.monotonic()
        with open(os.devnull, "w") as nothing:
            process = subprocess.Popen([binary, *words, "--runtime", runtime], stdout=nothing, stderr=nothing)
            caller, _ = listener.accept()
            request = caller.recv(4096)
            banner.say(b"\x0a" + struct.pack(">H", len(request)) + request, caller.fileno())
            caller.close()
            # Without a timeout, which Python waits for in steps of up to 50 ms; a command gives up by itself after 10 s.
            # What is done already is refused, as fast as it is done.
            assert process.wait() in (0, 1)
        spans.append(time.monotonic() - began)
    return sorted(spans)[2]


def started(binaries: str, kept: int, block_list: str = "") -> tuple[Banner, str]:
    folder = tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"])
    if kept:
        write_bans(folder, kept)
    return Banner(f"{binaries}/banner", os.open(folder, os.O_RDONLY | os.O_DIRECTORY), block_list), folder


def write_networks(path: str, fresh: int) -> None:
    """100,000 networks of which no two touch; as many as are fresh are others than without them."""
    with open(f"{path}.new", "w") as file:
        file.write("# shared\n")
        for number in range(fresh, fresh + 100_000):
            file.write(f"{11 + number // 65536}.{number // 256 % 256}.{number % 256}.64/28 ; reported\n")
    os.rename(f"{path}.new", path)


def block_lists(binaries: str, target: socket.socket) -> None:
    path = f"{os.environ['BENCH_FOLDER']}/blocked"
    write_networks(path, 0)
    banner, _ = started(binaries, 0, path)
    print(f"start to READY with a block list of 100,000 networks: {banner.ready_seconds * 1000:.0f} ms")
    for fresh in [1000, 101_000]:
        write_networks(path, fresh)
        spans = decision_to_drop(banner, target, 150, first=fresh // 100)
        share = "by one with 1,000 others" if fresh == 1000 else "by quite another"
        print(f"longest order to drop while the list is replaced {share}: {spans[-1] * 1000:.0f} ms")
    banner.stop()


def main() -> None:
    binaries = sys.argv[1]
    target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target.bind(TARGET)
    target.setblocking(False)

    for kept in [0, 90_000]:
        banner, _ = started(binaries, kept)
        print(f"start to READY with {kept:,} kept bans, one transaction: {banner.ready_seconds * 1000:.0f} ms")
        spans = decision_to_drop(banner, target, 500)
        print(
            f"sip-router's order to the kernel's drop, beside {kept:,} bans, 500 orders:"
            f" p50 {spans[250] * 1000:.2f} ms, p99 {spans[494] * 1000:.2f} ms, longest {spans[-1] * 1000:.2f} ms"
        )
        if not kept:
            for first, count in [(500, 3000), (3500, 10_000)]:
                seconds = flood(banner, target, first, count)
                print(f"{count:,} orders at once to the drop of the last: {seconds * 1000:.0f} ms")
        banner.stop()

    banner, _ = started(binaries, 10_000)
    print(f"start to READY with 10,000 kept bans, one transaction: {banner.ready_seconds * 1000:.0f} ms")
    banner.stop()

    block_lists(binaries, target)
    banner, folder = started(binaries, 100_000)
    for words in [
        ["why", "10.0.1.1"], ["ban", "10.0.1.1"], ["unban", "10.0.1.2"], ["allow", "10.0.1.3"], ["bans", "--json"], ["bans"],
    ]:  # fmt: skip
        median = command_seconds(banner, f"{binaries}/rempart", folder, *words)
        print(f"rempart {' '.join(words)} with 100,000 bans: {median * 1000:.0f} ms")
    banner.stop()


main()
