"""Many phones at once, each with an account of its own, and what becomes of their registrations.

They behave as phones do: they send again what gets no answer, and come again when Retry-After says. Several share an
address and a port, as behind a NAT.
"""

import contextlib
import heapq
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .accounts import Account
from .clients import proven
from .namespaces import EDGE_OUTSIDE, Network, command, entered
from .phones import PORTS
from .sip import Message, Request, response

FIRST_WAIT, LONGEST_WAIT, TRANSACTION_SECONDS = 0.5, 4.0, 32.0
RECEIVE_BYTES = 1 << 21
HOMES = [f"198.18.6.{last}" for last in range(1, 201)]


@dataclass
class CrowdPhone:
    """One phone, and the answers to its credentials so far (0 counts those that never came)."""

    account: Account
    socket: socket.socket
    request: Request
    proves: bool = False
    # When this registration began, how long it waits for an answer now, and which of its waits counts.
    began: float = 0
    wait: float = FIRST_WAIT
    turn: int = 0
    answers: Counter = field(default_factory=Counter)
    slowest: float = 0

    @property
    def is_in(self) -> bool:
        return self.answers[200] > 0


class Crowd:
    """Phones behind some addresses; `with crowd_of(...)` makes and ends one."""

    def __init__(self, network: Network, domain: str, accounts: Sequence[Account], addresses: Sequence[str]) -> None:
        self.selector = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []
        with entered(network.clients):
            for address in addresses:
                made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
                made.bind((address, 0))
                made.connect((EDGE_OUTSIDE, PORTS["udp"]))
                made.setblocking(False)
                self.selector.register(made, selectors.EVENT_READ)
                self.sockets.append(made)
        self.phones = [
            CrowdPhone(account, own := self.sockets[number % len(self.sockets)], register(account, own, domain))
            for number, account in enumerate(accounts)
        ]
        self.numbers = {phone.request.call_id: number for number, phone in enumerate(self.phones)}
        self.waits: list[tuple[float, int, int]] = []

    @property
    def answers(self) -> Counter:
        """The answers to all."""
        return sum((phone.answers for phone in self.phones), Counter())

    @property
    def outside(self) -> int:
        """How many have never been let in."""
        return sum(not phone.is_in for phone in self.phones)

    def come_in(self, seconds: float, spread: float = 0) -> float:
        """Has each register until it is in, for some seconds at most, and the last one begin after `spread`; how long all took."""
        return self._run(seconds, None, spread)

    def stay(self, seconds: float, every: float) -> None:
        """Has each register again and again."""
        self._run(seconds, every, every)

    def _run(self, seconds: float, every: float | None, spread: float) -> float:
        begin = time.monotonic()
        left = len(self.phones)
        self.waits = []
        for number, phone in enumerate(self.phones):
            phone.answers.clear()
            phone.began = phone.slowest = 0
            self._wait(number, begin + spread * number / len(self.phones))
        while (now := time.monotonic()) < begin + seconds and left:
            while self.waits and self.waits[0][0] <= now:
                _, turn, number = heapq.heappop(self.waits)
                if turn == self.phones[number].turn:
                    self._act(number, now)
            pause = max(self.waits[0][0] - now, 0) if self.waits else seconds
            for key, _ in self.selector.select(min(pause, begin + seconds - now)):
                for message in self._read(key.fileobj):
                    left -= self._take(message, every)
        return time.monotonic() - begin

    def _wait(self, number: int, until: float) -> None:
        phone = self.phones[number]
        phone.turn += 1
        heapq.heappush(self.waits, (until, phone.turn, number))

    def _act(self, number: int, now: float) -> None:
        """Begins a phone's next registration, says it again, or gives it up."""
        phone = self.phones[number]
        if phone.began and now - phone.began >= TRANSACTION_SECONDS:
            phone.answers[0] += 1
            phone.began = 0
        if not phone.began:
            phone.began, phone.wait, phone.proves = now, FIRST_WAIT, False
            phone.request = phone.request.again("Expires: 600")
        self._send(number, now)

    def _send(self, number: int, now: float) -> None:
        phone = self.phones[number]
        with contextlib.suppress(BlockingIOError):
            phone.socket.send(phone.request.encoded())
        self._wait(number, now + phone.wait)
        phone.wait = min(phone.wait * 2, LONGEST_WAIT)

    def _read(self, own: socket.socket) -> Iterator[Message]:
        """What has come for phones; whether they are there is answered at once."""
        with contextlib.suppress(BlockingIOError):
            while raw := own.recv(65536):
                if not raw.strip():
                    continue
                message = Message.parse(raw)
                if message.status:
                    yield message
                elif message.method == "OPTIONS":
                    own.send(response(message, "200 OK", "crowd"))

    def _take(self, message: Message, every: float | None) -> bool:
        """Takes an answer; whether a phone is in for good."""
        number = self.numbers.get(message.header("call-id"), -1)
        phone = self.phones[number]
        if number < 0 or message.status < 200 or not phone.began or message.header("cseq") != f"{phone.request.cseq} REGISTER":
            return False
        now = time.monotonic()
        is_stale = message.challenge().get("stale", "").lower() == "true"
        if message.status == 401 and (is_stale or not phone.proves):
            phone.request, phone.proves, phone.wait = proven(phone.request, message, phone.account), True, FIRST_WAIT
            self._send(number, now)
            return False
        phone.answers[message.status] += 1
        phone.slowest = max(phone.slowest, now - phone.began)
        ended, phone.began = phone.began, 0
        if message.status == 200 and every is None:
            phone.turn += 1
            return True
        retry = float(message.header("retry-after").split(";")[0] or 1)
        self._wait(number, max(now, ended + every) if every is not None else now + retry)
        return False


def register(account: Account, own: socket.socket, domain: str) -> Request:
    """A phone's first request, without credentials."""
    host, port = own.getsockname()
    address = f"sip:{account.name}@{domain}"
    return Request(
        method="REGISTER", uri=f"sip:{domain}", sender=address, to=address, via=f"SIP/2.0/UDP {host}:{port}",
        contact=f"sip:{account.name}@{host}:{port}", extra=["Expires: 600"],
    )  # fmt: skip


@contextlib.contextmanager
def crowd_of(network: Network, domain: str, accounts: Sequence[Account], addresses: Sequence[str] = HOMES) -> Iterator[Crowd]:
    """Phones behind addresses that are given to the clients' namespace meanwhile."""

    def address(verb: str) -> None:
        lines = "".join(f"address {verb} {each}/16 dev eth0\n" for each in addresses)
        command("ip", "-n", network.clients, "-batch", "-", input=lines)

    address("add")
    crowd = Crowd(network, domain, accounts, addresses)
    try:
        yield crowd
    finally:
        crowd.selector.close()
        for made in crowd.sockets:
            made.close()
        address("del")
