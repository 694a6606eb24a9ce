"""SIP as text: messages read from bytes, requests written, digests computed; enough to be a rude client as well."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}


@dataclass
class Message:
    """One message, its headers in order and with lower-case names."""

    raw: bytes
    start: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Message":
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode(errors="replace")).split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers.append((COMPACT.get(name, name), value.strip()))
        return cls(raw, lines[0], headers, body)

    @property
    def status(self) -> int:
        """The status code, or 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.header("cseq").split()[1] if self.status else self.start.split()[0]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def challenge(self, algorithm: str = "MD5") -> dict[str, str]:
        """The parameters of the challenge for an algorithm, or nothing."""
        for value in self.all("www-authenticate") + self.all("proxy-authenticate"):
            parameters = parameters_of(value.removeprefix("Digest "))
            if parameters.get("algorithm", "MD5") == algorithm:
                return parameters
        return {}


def uri_of(value: str) -> str:
    """The URI between the brackets of a From, To, Contact or Route."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.split(";")[0]


def tag_of(value: str) -> str:
    found = re.search(r";tag=([^;]+)", value)
    return found[1] if found else ""


def response(request: Message, status: str, tag: str, *extra: str, body: str = "") -> bytes:
    """The answer to a request; `tag` stands in To where there is none yet, `extra` are lines beside those of every answer."""
    to = request.header("to")
    lines = [f"SIP/2.0 {status}", *(f"Via: {value}" for value in request.all("via"))]
    lines += [f"From: {request.header('from')}", f"To: {to}" + ("" if tag_of(to) else f";tag={tag}")]
    lines += [f"Call-ID: {request.header('call-id')}", f"CSeq: {request.header('cseq')}", *extra]
    lines += [*(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def parameters_of(text: str) -> dict[str, str]:
    """`name=value, name="value"` as a dictionary."""
    return {name: quoted or plain for name, quoted, plain in re.findall(r'([\w-]+)=(?:"([^"]*)"|([^,\s]*))', text)}


def credentials(challenge: dict[str, str], name: str, secret: str, method: str, uri: str, count: int = 1) -> str:
    """The value of an Authorization header that answers a challenge (qop=auth when offered)."""
    algorithm = challenge.get("algorithm", "MD5")

    def digest(text: str) -> str:
        return ALGORITHMS[algorithm](text.encode()).hexdigest()

    user = digest(f"{name}:{challenge['realm']}:{secret}")
    request = digest(f"{method}:{uri}")
    parts = [
        f'username="{name}"',
        f'realm="{challenge["realm"]}"',
        f'nonce="{challenge["nonce"]}"',
        f'uri="{uri}"',
        f"algorithm={algorithm}",
    ]
    if "qop" in challenge:
        cnonce = secrets.token_hex(8)
        answer = digest(f"{user}:{challenge['nonce']}:{count:08x}:{cnonce}:auth:{request}")
        parts += [f'response="{answer}"', "qop=auth", f"nc={count:08x}", f'cnonce="{cnonce}"']
    else:
        answer = digest(f"{user}:{challenge['nonce']}:{request}")
        parts.append(f'response="{answer}"')
    if "opaque" in challenge:
        parts.append(f'opaque="{challenge["opaque"]}"')
    return "Digest " + ", ".join(parts)


@dataclass
class Request:
    """A request to be written; every value can be made wrong on purpose."""

    method: str
    uri: str
    sender: str
    to: str
    via: str
    contact: str = ""
    cseq: int = 1
    call_id: str = field(default_factory=lambda: secrets.token_hex(10))
    from_tag: str = field(default_factory=lambda: secrets.token_hex(5))
    to_tag: str = ""
    branch: str = field(default_factory=lambda: "z9hG4bK" + secrets.token_hex(8))
    extra: list[str] = field(default_factory=list)
    body: str = ""

    def again(self, *extra: str) -> "Request":
        """The same request as the next transaction of its dialog, with other extra headers."""
        return Request(
            **{**vars(self), "cseq": self.cseq + 1, "branch": "z9hG4bK" + secrets.token_hex(8), "extra": list(extra)}
        )

    def cancel(self) -> "Request":
        """The CANCEL of an INVITE, in its transaction."""
        return Request(**{**vars(self), "method": "CANCEL", "contact": "", "extra": [], "body": ""})

    def encoded(self) -> bytes:
        body = self.body.encode()
        lines = [
            f"{self.method} {self.uri} SIP/2.0",
            f"Via: {self.via};branch={self.branch};rport",
            "Max-Forwards: 70",
            f"From: <{self.sender}>;tag={self.from_tag}",
            f"To: <{self.to}>" + (f";tag={self.to_tag}" if self.to_tag else ""),
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {self.method}",
        ]
        lines += [f"Contact: <{self.contact}>"] if self.contact else []
        # As long as phones write: while an address is flooded, no answer to it is longer than what it sent.
        if not any(line.startswith("User-Agent:") for line in self.extra):
            lines.append("User-Agent: Lab phone 1.0")
        lines += [
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER, UPDATE, MESSAGE",
        ]
        lines += self.extra
        lines += [f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
