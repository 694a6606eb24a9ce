"""An Asterisk of a version that no Debian of today has, as far as the edge meets it: chan_sip 1.4 to 13 (lab/old_versions.py).

It is a stand-in. It has no dialplan but the lab's, and of chan_sip what was read in its source and seen of real ones before
the edge: registrations, challenges, calls with their sound, qualify, and the unasked message lamp. Its rows stay in memory once
they were used, as with rtcachefriends=yes.
"""

import re
import secrets
import select
import socket
import sqlite3
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from .accounts import Account
from .asterisk import ECHO
from .namespaces import EDGE_INSIDE, PBX_MEDIA, Network, entered
from .old_calls import Channel, OldCalls
from .old_versions import OldVersion
from .peers import user_of
from .sip import Message, Request, credentials, parameters_of, response, uri_of

SYSTEM_NAME = "pbx1"
# The spans of a registration in seconds: the shortest, the one when none is asked for, the longest.
SHORTEST, USUAL, LONGEST = 60, 120, 3600
# How often one that answers is asked, one that does not, and how long it has: 60, 10 and 2 s as installed.
ASKED, ASKED_AGAIN, PATIENCE = 3.0, 0.5, 2.0
TURN_SECONDS = 0.05


@dataclass
class Friend:
    """A row in memory, and where it is registered."""

    account: Account
    row: Mapping[str, str]
    contact: str = ""
    source: tuple[str, int] | None = None
    until: float = 0
    # Whether the row had a contact when it was read: only then its end is written.
    came_registered: bool = False
    lastms: int = 0
    asked: float = 0
    next_question: float = 0

    @property
    def is_qualified(self) -> bool:
        return self.row.get("qualify") not in (None, "", "no")

    @property
    def is_there(self) -> bool:
        return self.source is not None and self.until > time.time()


@dataclass
class Dialog:
    """What is remembered of a Call-ID, by which alone chan_sip finds a dialog."""

    cseq: int = 0
    nonce: str = ""
    last: bytes = b""
    tag: str = field(default_factory=lambda: "as" + secrets.token_hex(4))


class OldAsterisk(OldCalls):
    """One stand-in, at a PBX's address and with the account database that the edge reads."""

    def __init__(
        self,
        network: Network,
        kind: OldVersion,
        address: str,
        shared: Path,
        database: Path,
        additions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        assert not any(additions.values()), "a stand-in has no trunks"
        super().__init__(address, PBX_MEDIA[address])
        self.kind = kind
        self.namespace = network.namespace_of(address)
        self.database = database
        # `domain=` of its sip.conf: with any, a REGISTER has to name one of them.
        self.domains: set[str] = set()
        self.friends: dict[str, Friend] = {}
        self.dialogs: dict[str, Dialog] = {}
        self.questions: dict[str, Friend] = {}
        self.lines: list[str] = []
        self.thread: threading.Thread | None = None
        self.ended = threading.Event()

    @property
    def realm(self) -> str:
        return SYSTEM_NAME if self.kind.names_realm else "asterisk"

    # What tests ask

    def start(self) -> "OldAsterisk":
        """Takes its address; it remembers nothing but what the database has."""
        with entered(self.namespace):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 5060))
        self.ended.clear()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        """Is gone without a word."""
        if self.thread:
            self.ended.set()
            self.thread.join()
            self.thread = None
            self.socket.close()
            self.forget_calls()
            self.friends.clear()
            self.dialogs.clear()

    def _check(self) -> None:
        """Fails where it has ended by a fault of its own."""
        assert self.thread and self.thread.is_alive(), f"the stand-in has ended:\n{self.log()}"

    def registered(self, account: str) -> bool:
        """Whether it holds the edge's contact for the account in its memory."""
        self._check()
        friend = self.friends.get(account)
        return bool(friend and friend.is_there and friend.source and friend.source[0] == EDGE_INSIDE)

    def channels(self) -> int:
        """The number of channels, of which a call between two phones has two."""
        self._check()
        return len(self.calls)

    def prune(self, account: str) -> None:
        """`sip prune realtime peer NAME`: the row is read again when it is needed next."""
        self.friends.pop(account, None)

    def row(self, account: str) -> dict:
        """The account's row as the database has it now."""
        with closing(sqlite3.connect(self.database)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute(f"SELECT * FROM {self.kind.table} WHERE name = ?", (account,)).fetchone()
        return dict(found) if found else {}

    def change(self, account: str, **columns: object) -> None:
        """What an administrator, or it itself, writes into a row; a strict database refuses all of it or nothing."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with closing(sqlite3.connect(self.database, timeout=2)) as database, database:
            database.execute(f"UPDATE {self.kind.table} SET {names} WHERE name = ?", (*columns.values(), account))

    def log(self) -> str:
        return "\n".join(self.lines)

    # Its loop

    def _serve(self) -> None:
        try:
            while not self.ended.is_set():
                for ready in select.select([self.socket, *self.media()], [], [], TURN_SECONDS)[0]:
                    if ready.fileno() < 0:
                        # Its call has ended in this very turn.
                        continue
                    raw, source = ready.recvfrom(65536)
                    if ready is self.socket:
                        self._take(Message.parse(raw), source)
                    else:
                        self.relay(ready, raw, source)
                self._ask_friends()
        except Exception:
            # Whoever asks it next tells.
            self.lines.append(traceback.format_exc())

    def send(self, raw: bytes, target: tuple[str, int]) -> None:
        self.socket.sendto(raw, target)

    def tell(self, line: str) -> None:
        self.lines.append(line)

    def request(self, method: str, uri: str, user: str = "asterisk", **more) -> Request:
        """A request of its own that begins a dialog; the Request-URI is the contact as it was registered."""
        own = f"sip:{user}@{self.address}"
        extra = [f"User-Agent: Asterisk PBX {self.kind.version}", *more.pop("extra", [])]
        via = f"SIP/2.0/UDP {self.address}:5060"
        return Request(method, uri, own, uri, via, contact=own, cseq=102, extra=extra, **more)

    def _take(self, message: Message, source: tuple[str, int]) -> None:
        call_id = message.header("call-id")
        if message.status:
            self._answered(message, call_id)
            return
        dialog = self.dialogs.setdefault(call_id, Dialog())
        number = int(message.header("cseq").split()[0])
        if message.method == "ACK":
            return
        if message.method == "CANCEL":
            self.send(response(message, "200 OK", dialog.tag), source)
            self.cancelled(call_id)
            return
        if number == dialog.cseq:
            # Sent again, it takes it to be, whatever else is in it.
            self.send(dialog.last, source)
            return
        if number < dialog.cseq:
            self.send(response(message, "503 Server error", dialog.tag), source)
            return
        dialog.cseq = number
        step = {"REGISTER": self._register, "INVITE": self._invite, "BYE": self._bye}.get(message.method)
        if step:
            step(message, dialog, source)
        else:
            # OPTIONS for no extension; and nothing of the rest is the lab's.
            self.answer(message, source, "404 Not Found" if message.method == "OPTIONS" else "501 Method Not Implemented")

    def answer(self, message: Message, source: tuple[str, int], status: str, *extra: str, body: str = "") -> None:
        """Answers a request, and remembers the answer for the same request again."""
        dialog = self.dialogs[message.header("call-id")]
        name = "User-Agent" if self.kind.version == "1.4" else "Server"
        lines = [f"{name}: Asterisk PBX {self.kind.version}", "Supported: replaces", *extra]
        dialog.last = response(message, status, dialog.tag, *lines, body=body)
        self.send(dialog.last, source)

    # Rows

    def _friend(self, name: str) -> Friend | None:
        """The row in memory, or read now; one whose registration is over is wiped by that."""
        if name not in self.friends:
            row = self.row(name)
            if not row:
                return None
            friend = Friend(Account(name, row["secret"] or ""), row, came_registered=bool(row["fullcontact"]))
            if (row["regseconds"] or 0) > time.time():
                friend.contact = row["fullcontact"] or f"sip:{row[self.kind.user]}@{row['ipaddr']}:{row['port']}"
                friend.source, friend.until = (row["ipaddr"], row["port"]), row["regseconds"]
            elif friend.came_registered:
                self._write_end(friend)
            self.friends[name] = friend
        return self.friends[name]

    def _write(self, friend: Friend, **columns: object) -> None:
        try:
            self.change(friend.account.name, **columns)
        except sqlite3.Error as error:
            self.tell(f"WARNING: update of {friend.account.name} failed: {error}")

    def _write_registration(self, friend: Friend, user_agent: str) -> None:
        assert friend.source
        written = {"fullcontact": friend.contact, "useragent": user_agent, "lastms": friend.lastms}
        more = {name: written[name] for name in self.kind.written}
        columns = {"ipaddr": friend.source[0], "port": friend.source[1], "regseconds": int(friend.until)}
        self._write(friend, **columns, **{self.kind.user: user_of(friend.contact)}, **more)

    def _write_end(self, friend: Friend) -> None:
        self._write(friend, fullcontact="", ipaddr="", port=self.kind.nothing, regseconds="0", regserver="")

    # Registrations

    def _register(self, message: Message, dialog: Dialog, source: tuple[str, int]) -> None:
        name, _, host = uri_of(message.header("to")).removeprefix("sip:").partition("@")
        if self.domains and host.split(":")[0] not in self.domains:
            self.tell(f"NOTICE: Registration of {name} failed: Not a local domain")
            self._refuse_name(message, source, "404 Not found (unknown domain)")
            return
        friend = self._friend(name)
        if friend is None or friend.row["host"] != "dynamic":
            self.tell(f"NOTICE: Registration of {name} failed: No matching peer found")
            self._refuse_name(message, source, "404 Not found")
            return
        if not self._proves(message, source, friend, 401):
            return
        contact = message.header("contact")
        seconds = parameters_of(contact.partition(">")[2]).get("expires") or message.header("expires") or str(USUAL)
        if contact:
            self._bind(friend, uri_of(contact), min(int(seconds), LONGEST), source, message.header("user-agent"))
        left = max(0, round(friend.until - time.time()))
        lines = [f"Expires: {left}", f"Contact: <{friend.contact}>;expires={left}"] if friend.is_there else ["Expires: 0"]
        self.answer(message, source, "200 OK", *lines)
        if contact and friend.is_there and friend.row["mailbox"] and self.kind.tells_messages:
            self._tell_messages(friend)

    def _bind(self, friend: Friend, contact: str, seconds: int, source: tuple[str, int], user_agent: str) -> None:
        if seconds == 0:
            friend.source = None
            if friend.came_registered:
                self._write_end(friend)
            return
        friend.contact, friend.source = contact, source
        friend.until = time.time() + max(seconds, SHORTEST)
        friend.next_question = 0
        self._write_registration(friend, user_agent)

    def _refuse_name(self, message: Message, source: tuple[str, int], status: str) -> None:
        """Refuses a name or a domain, as a wrong password where names are hidden."""
        if not self.kind.hides_names:
            self.answer(message, source, status)
        elif message.header("authorization"):
            self.answer(message, source, "403 Forbidden")
        else:
            self._challenge(message, source, 401)

    def _tell_messages(self, friend: Friend) -> None:
        body = f"Messages-Waiting: no\r\nMessage-Account: sip:asterisk@{self.address}\r\nVoice-Message: 0/0 (0/0)\r\n"
        extra = ["Event: message-summary", "Content-Type: application/simple-message-summary"]
        assert friend.source
        self.send(self.request("NOTIFY", friend.contact, extra=extra, body=body).encoded(), friend.source)

    # Passwords

    def _challenge(self, message: Message, source: tuple[str, int], status: int, stale: str = "") -> None:
        nonce = self.dialogs[message.header("call-id")].nonce = secrets.token_hex(4)
        phrase, name = {
            401: ("Unauthorized", "WWW-Authenticate"),
            407: ("Proxy Authentication Required", "Proxy-Authenticate"),
        }[status]
        value = f'Digest algorithm=MD5, realm="{self.realm}", nonce="{nonce}"{stale}'
        self.answer(message, source, f"{status} {phrase}", f"{name}: {value}")

    def _proves(self, message: Message, source: tuple[str, int], friend: Friend, status: int) -> bool:
        """Whether a request has the row's password; what has not is answered. A nonce is good for one answer."""
        dialog = self.dialogs[message.header("call-id")]
        given = message.header("authorization" if status == 401 else "proxy-authorization")
        if not friend.account.secret:
            return True
        if not given:
            self._challenge(message, source, status)
            return False
        found = parameters_of(given.removeprefix("Digest "))
        nonce, dialog.nonce = dialog.nonce, ""
        if found["nonce"] != nonce:
            self._challenge(message, source, status, ", stale=true")
            return False
        account = friend.account
        right = credentials({"realm": self.realm, "nonce": nonce}, account.name, account.secret, message.method, found["uri"])
        if found["username"] != account.name:
            self.tell(f"WARNING: username mismatch, have <{account.name}>, digest has <{found['username']}>")
        elif found["response"] == parameters_of(right)["response"]:
            return True
        self.answer(message, source, "403 Forbidden (Bad auth)" if message.method == "REGISTER" else "403 Forbidden")
        return False

    # Calls

    def _caller(self, name: str, source: tuple[str, int]) -> Friend | None:
        """The row that a call is of: that of From, unless it is a peer; else the first one registered where it comes from."""
        friend = self._friend(name)
        if friend and friend.row["type"] != "peer":
            return friend
        return next((one for one in list(self.friends.values()) if one.source == source), None)

    def _invite(self, message: Message, dialog: Dialog, source: tuple[str, int]) -> None:
        if message.header("call-id") in self.calls:
            self.offered_again(message, source)
            return
        caller = self._caller(user_of(message.header("from")), source)
        if caller is None:
            self.answer(message, source, "403 Forbidden")
            return
        if not self._proves(message, source, caller, self.kind.invite_status):
            return
        number = message.start.split()[1].removeprefix("sip:").partition("@")[0]
        if number != ECHO and not re.fullmatch(r"1\d{3}|[a-z-]+", number):
            self.answer(message, source, "404 Not Found")
            return
        with entered(self.namespace):
            channel = Channel(message, source, dialog.tag, self.address)
            self.calls[message.header("call-id")] = channel
            self.answer(message, source, "100 Trying")
            if number == ECHO:
                channel.echoes = True
                self.accept(channel)
            else:
                self._dial(channel, number, caller.account.name)

    def _dial(self, channel: Channel, number: str, caller: str) -> None:
        called = self._friend(number)
        if called is None or not called.is_there or called.is_qualified and called.lastms < 0:
            self.tell(f"WARNING: Unable to create channel for {number} (cause 20 - Subscriber absent)")
            self.refuse(channel, "480 Temporarily Unavailable")
            return
        assert called.source
        self.ring(channel, self.request("INVITE", called.contact, caller), called.source)

    def _bye(self, message: Message, dialog: Dialog, source: tuple[str, int]) -> None:
        is_known = message.header("call-id") in self.calls
        self.answer(message, source, "200 OK" if is_known else "481 Call leg/transaction does not exist")
        self.hung_up(message.header("call-id"))

    def _answered(self, message: Message, call_id: str) -> None:
        if message.method == "INVITE" and call_id in self.calls:
            self.invite_answered(self.calls[call_id], message)
        elif call_id in self.questions:
            # Any answer, whatever it says: it is there.
            friend = self.questions.pop(call_id)
            friend.lastms = max(1, round((time.monotonic() - friend.asked) * 1000))
            friend.asked, friend.next_question = 0, time.monotonic() + ASKED
            self._write(friend, lastms=friend.lastms)

    # Is a phone there?

    def _ask_friends(self) -> None:
        now = time.monotonic()
        for friend in list(self.friends.values()):
            if not friend.is_qualified or not friend.is_there or friend.source is None:
                continue
            if friend.asked and now - friend.asked > PATIENCE:
                friend.lastms, friend.asked, friend.next_question = -1, 0, now + ASKED_AGAIN
                self._write(friend, lastms=-1)
            if not friend.asked and now >= friend.next_question:
                question = self.request("OPTIONS", friend.contact)
                friend.asked = now
                self.questions[question.call_id] = friend
                self.send(question.encoded(), friend.source)
