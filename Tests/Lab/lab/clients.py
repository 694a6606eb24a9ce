"""Raw SIP clients over UDP, TCP and TLS, for what a real phone would never say."""

import re
import select
import socket
import ssl
import time
from collections.abc import Callable

from .accounts import Account
from .leaks import Lines, read_by_tls
from .namespaces import EDGE_OUTSIDE, Network, entered
from .phones import PORTS
from .sip import Message, Request, credentials

ANSWER_SECONDS = 5.0


def proven(request: Request, challenge: Message, account: Account, algorithm: str = "MD5") -> Request:
    """The same request again, with the answer to its challenge."""
    name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
    value = credentials(challenge.challenge(algorithm), account.name, account.secret, request.method, request.uri)
    return request.again(*request.extra, f"{name}: {value}")


class Client:
    """One socket with an address of its own, and the requests a phone would send from it."""

    def __init__(
        self,
        network: Network,
        address: str,
        transport: str,
        domain: str,
        port: int = 0,
        edge: str = EDGE_OUTSIDE,
        namespace: str = "",
    ) -> None:
        self.transport = transport
        self.domain = domain
        self.target = (edge, port or PORTS[transport])
        self.buffer = b""
        with entered(namespace or network.clients):
            kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
            self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
            self.socket.bind((address, 0))
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect(self.target)
        if transport == "tls":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname=domain)
        self.address, self.port = self.socket.getsockname()[:2]
        self.lines = Lines()
        self.answers_keep_alives = True

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def receive(self, seconds: float = ANSWER_SECONDS) -> Message | None:
        """The next message, or None when none comes in time or the connection has ended."""
        deadline = time.monotonic() + seconds
        while True:
            message = self._take()
            if message:
                return message
            if not self._read(deadline - time.monotonic()):
                return None

    def receive_final(self, seconds: float = ANSWER_SECONDS) -> Message | None:
        """The next message that is not a provisional response."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(deadline - time.monotonic())
            if message is None or not 100 <= message.status < 200:
                return message

    def _read(self, seconds: float) -> bool:
        if seconds <= 0:
            return False
        ready = getattr(self.socket, "pending", lambda: 0)() or select.select([self.socket], [], [], seconds)[0]
        if not ready:
            return False
        try:
            read = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return False
        if self.transport == "tls":
            read_by_tls.extend(((self.address, self.port), line) for line in self.lines.leaks(read, False))
        self.buffer = read if self.transport == "udp" else self.buffer + read
        return bool(read)

    def _is_keep_alive(self, raw: bytes) -> bool:
        """Answers the edge's question whether the phone is there, as every phone does; whether it was one."""
        head = raw.split(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
        if not head[0].startswith("OPTIONS ") or not any(";branch=z9hG4bKk" in line for line in head):
            return False
        if self.answers_keep_alives:
            kept = [line for line in head if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
            self.send("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode())
        return True

    def _take(self) -> Message | None:
        """Cuts one message out of what has come."""
        if self.transport == "udp":
            raw, self.buffer = self.buffer, b""
            return None if not raw.strip() or self._is_keep_alive(raw) else Message.parse(raw)
        self.buffer = self.buffer.lstrip(b"\r\n")
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return None
        raw, self.buffer = head + end + rest[:size], rest[size:]
        return Message.parse(raw)

    def closed(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Whether the other side ends the connection in time; what it says before is dropped."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                try:
                    if not self.socket.recv(65536):
                        return True
                except (ConnectionError, ssl.SSLError):
                    return True
        return False

    def answer_to(self, request: Request, seconds: float = ANSWER_SECONDS) -> Message | None:
        """Sends a request and returns its final response; over UDP it is said again, as SIP does, until then."""
        deadline = time.monotonic() + seconds
        wait = 0.5 if self.transport == "udp" else seconds
        self.send(request.encoded())
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(min(wait, left))
            if message is None:
                if self.transport != "udp":
                    return None
                self.send(request.encoded())
                wait *= 2
            elif message.status >= 200 and message.header("cseq") == f"{request.cseq} {request.method}":
                return message
        return None

    def request(self, method: str, account: str, to: str = "", uri: str = "", **more) -> Request:
        """A request of an account to another (itself, when `to` is left out)."""
        own = f"sip:{account}@{self.domain}"
        host = f"[{self.address}]" if ":" in self.address else self.address
        target = f"sip:{to}@{self.domain}" if to else own
        default = f"sip:{self.domain}" if method == "REGISTER" else target
        return Request(
            method=method,
            uri=uri or default,
            sender=own,
            to=target,
            via=f"SIP/2.0/{self.transport.upper()} {host}:{self.port}",
            contact=f"sip:{account}@{host}:{self.port};transport={self.transport}",
            **more,
        )

    def authenticated(self, request: Request, account: Account, algorithm: str = "MD5") -> tuple[Message | None, Message | None]:
        """Sends a request twice, the second time with an answer to the challenge; returns both responses."""
        first = self.answer_to(request)
        if first is None or first.status not in (401, 407):
            return first, None
        return first, self.answer_to(proven(request, first, account, algorithm))

    def register(self, account: Account, expires: int = 600, algorithm: str = "MD5") -> int:
        """Registers; returns the status of the answer to the credentials, or 0 when none came."""
        request = self.request("REGISTER", account.name, extra=[f"Expires: {expires}"])
        _, answer = self.authenticated(request, account, algorithm)
        return answer.status if answer else 0


def clients_of(network: Network, domain: str) -> Callable[..., Client]:
    """A maker of clients of one network: (address, transport="udp", port=0, edge=EDGE_OUTSIDE, namespace="")."""
    return lambda address, transport="udp", *place, **named: Client(network, address, transport, domain, *place, **named)
