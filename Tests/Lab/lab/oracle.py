"""What an attacker could learn from answers: their bytes, and their times over thousands of tries.

Requests of all classes go out by one socket in rounds, one of each class in random order, so that whatever drifts or
disturbs hits all alike. Times of arrival are the kernel's (SO_TIMESTAMPNS).

Two samples of times count as one when Kolmogorov and Smirnov's test cannot tell them apart at a level of one in ten
million, or when what it sees is smaller than anything that is seen through a network: every decile is within 50 us.
Beside that stands how much later one class is answered than another in the same round: the median, and an interval
that holds it but for one time in three million (order statistics: nothing is assumed of the distribution).
"""

import hashlib
import math
import random
import re
import select
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .namespaces import EDGE_OUTSIDE, Network, entered
from .sip import Message

SO_TIMESTAMPNS = 35
SIGHT_US = 50.0
# The quantile of the normal distribution that is exceeded, either way, once in three million times.
RARE = 5.1
KS_LEVEL = 1e-7
# How long the last answers are waited for.
LONGEST_SECONDS = 1.0
NUMBER = re.compile(rb"(?im)^(?:call-id|i):\s*(\d{8})")
VARIABLE = [
    re.compile(rb'nonce="[^"]*"'),
    re.compile(rb"(?<=tag=)[\w.+-]+"),
    re.compile(rb"(?<=branch=)[\w.+-]+"),
    re.compile(rb"(?im)(?<=^call-id: )\d{8}|(?<=^i:)\d{8}"),
]


@dataclass(frozen=True)
class Standing:
    """How an account stands; all names are of the same length."""

    kind: str
    name: str
    # The password that is tried: the right one where it must not help.
    password: str
    # The username of the credentials, where that is another name.
    user: str = ""

    @property
    def username(self) -> str:
        return self.user or self.name


@dataclass
class Sample:
    """The answers to one class: their times in microseconds by round, and the forms they had."""

    times: dict[int, float] = field(default_factory=dict)
    forms: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))


def masked(raw: bytes, name: str) -> bytes:
    """An answer without what differs anyway, each replaced by as many bytes."""
    for pattern in VARIABLE:
        raw = pattern.sub(lambda found: b"#" * len(found[0]), raw)
    return raw.replace(name.encode(), b"#" * len(name))


class Asker:
    """One UDP socket of an attacker, and the requests he tries."""

    def __init__(self, network: Network, address: str, domain: str) -> None:
        with entered(network.clients):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((address, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.connect((EDGE_OUTSIDE, 5060))
        self.address, self.port = self.socket.getsockname()
        self.domain = domain
        self.number = 10_000_000
        self.challenge: dict[str, str] = {}
        self.challenged = -math.inf
        self.count = 0

    def close(self) -> None:
        self.socket.close()

    def target(self, method: str) -> str:
        return f"sip:{self.domain}" if method == "REGISTER" else f"sip:600@{self.domain}"

    def request(self, method: str, name: str, line: str = "") -> bytes:
        self.number += 1
        own = f"sip:{name}@{self.domain}"
        target = self.target(method)
        to = own if method == "REGISTER" else target
        return (
            f"{method} {target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address}:{self.port};branch=z9hG4bK{self.number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <{own}>;tag=1\r\nTo: <{to}>\r\nCall-ID: {self.number}\r\nCSeq: 1 {method}\r\n"
            f"{line}User-Agent: {'Lab phone ' * 20}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    def proof(self, method: str, who: Standing) -> str:
        """Credentials by the next count of a challenge that all classes share."""
        if time.monotonic() - self.challenged > 60:
            self.socket.send(self.request("REGISTER", who.name))
            self.challenged = time.monotonic()
            self.challenge = Message.parse(self.socket.recv(65536)).challenge()
            self.count = 0
        self.count += 1
        count, nonce, realm = f"{self.count:08x}", self.challenge["nonce"], self.challenge["realm"]
        uri = self.target(method)
        halves = [hashlib.md5(text.encode()).hexdigest() for text in (f"{who.username}:{realm}:{who.password}", f"{method}:{uri}")]
        response = hashlib.md5(f"{halves[0]}:{nonce}:{count}:c:auth:{halves[1]}".encode()).hexdigest()
        header = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
        return (
            f'{header}: Digest username="{who.username}",realm="{realm}",nonce="{nonce}",uri="{uri}",response="{response}",'
            f'algorithm=MD5,qop=auth,nc={count},cnonce="c"\r\n'
        )

    def hear(self, seconds: float) -> list[tuple[int, int, bytes]]:
        """The answers that are there within the time: number, the kernel's time of arrival in ns, bytes."""
        answers = []
        while select.select([self.socket], [], [], seconds)[0]:
            raw, extra, _, _ = self.socket.recvmsg(65536, 256)
            whole, nanoseconds = struct.unpack("@ll", extra[0][2][:16])
            found = NUMBER.search(raw)
            if found:
                answers.append((int(found[1]), whole * 1_000_000_000 + nanoseconds, raw))
            seconds = 0
        return answers


@dataclass
class Trial:
    """Rounds of requests, and what came of them."""

    asker: Asker
    classes: list[Standing]
    samples: dict[str, Sample] = field(default_factory=lambda: defaultdict(Sample))
    _sent: dict[int, tuple[int, Standing, str, int]] = field(default_factory=dict)

    def run(self, methods: list[str], rounds: int, wrong: bool, spacing: float) -> None:
        """Asks in rounds; `wrong` with credentials, whose answers wait, so that rounds overlap, `spacing` seconds apart."""
        order = self.classes[:]
        due = time.monotonic()
        for round_number in range(rounds):
            method = methods[round_number % len(methods)]
            # Every second round goes the other way round: each class stands before each other as often as behind it.
            if round_number % 2:
                order.reverse()
            else:
                random.shuffle(order)
            for who in order:
                self._ask(round_number, who, method, wrong)
                if not wrong:
                    self._take(self.asker.hear(1))
            due += spacing
            if wrong:
                self._take(self.asker.hear(max(due - time.monotonic(), 0)))
                while (left := due - time.monotonic()) > 0:
                    self._take(self.asker.hear(left))
        self._await_all()

    def run_round(self, method: str, round_number: int, alone: bool) -> None:
        """One round of wrong credentials in the order of the classes; `alone`: each after the answer to the one before."""
        for who in self.classes:
            self._ask(round_number, who, method, True)
            if alone:
                self._await_all()
        self._await_all()

    def _await_all(self) -> None:
        end = time.monotonic() + LONGEST_SECONDS
        while self._sent and time.monotonic() < end:
            self._take(self.asker.hear(0.2))

    def _ask(self, round_number: int, who: Standing, method: str, wrong: bool) -> None:
        raw = self.asker.request(method, who.name, self.asker.proof(method, who) if wrong else "")
        self._sent[self.asker.number] = (round_number, who, method, time.time_ns())
        self.asker.socket.send(raw)

    def _take(self, answers: Iterable[tuple[int, int, bytes]]) -> None:
        for number, at, raw in answers:
            known = self._sent.pop(number, None)
            if known:
                round_number, who, method, sent = known
                sample = self.samples[who.kind]
                sample.times[round_number] = (at - sent) / 1000
                sample.forms[method].add(masked(raw, who.name))

    @property
    def unanswered(self) -> int:
        return len(self._sent)


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def kolmogorov_smirnov(one: list[float], other: list[float]) -> float:
    """The probability of a distance as large as this, were both of one distribution (two samples, asymptotic)."""
    first, second = sorted(one), sorted(other)
    distance, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        value = min(first[i], second[j])
        while i < len(first) and first[i] == value:
            i += 1
        while j < len(second) and second[j] == value:
            j += 1
        distance = max(distance, abs(i / len(first) - j / len(second)))
    root = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    x = (root + 0.12 + 0.11 / root) * distance
    return min(max(2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101)), 0.0), 1.0) if x > 0.2 else 1.0


@dataclass
class Comparison:
    """One class beside another one."""

    kind: str
    count: int
    # The median of its times, in microseconds.
    median: float
    # By how much it is answered later within a round: median, and the interval of it, in microseconds.
    shift: float
    low: float
    high: float
    probability: float
    # The largest difference of a decile, in microseconds.
    decile: float

    @property
    def is_same(self) -> bool:
        within = -SIGHT_US <= self.low and self.high <= SIGHT_US
        return within and (self.probability > KS_LEVEL or self.decile <= SIGHT_US)

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.count} tries, {self.median:.0f} us, {self.shift:+.2f} us [{self.low:+.2f}, {self.high:+.2f}],"
            f" KS p={self.probability:.2g}, largest decile {self.decile:.1f} us"
        )


def compare(kind: str, sample: Sample, reference: Sample) -> Comparison:
    both = sorted(sample.times.keys() & reference.times.keys())
    shifts = sorted(sample.times[each] - reference.times[each] for each in both)
    middle, reach = len(shifts) / 2, RARE * math.sqrt(len(shifts)) / 2
    one, other = sorted(sample.times.values()), sorted(reference.times.values())
    return Comparison(
        kind,
        len(both),
        quantile(one, 0.5),
        shifts[int(middle)],
        shifts[max(int(middle - reach), 0)],
        shifts[min(math.ceil(middle + reach), len(shifts) - 1)],
        kolmogorov_smirnov(one, other),
        max(abs(quantile(one, share / 10) - quantile(other, share / 10)) for share in range(1, 10)),
    )
