"""Phones that go on registering and calling while the edge is attacked, and whose every failure is written down.

Eighteen of them are sockets of a process of its own, so that no test's work makes them look slow: twelve over UDP, of
which six share one office's address, three over TCP, three over TLS. Two are baresips that call each other.
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .accounts import Account
from .clients import Client, proven
from .dialogs import SDP_TYPE, offer, refusal_acknowledged, within
from .namespaces import Network
from .phones import Shelf

OFFICE = "198.18.1.30"
PACE_SECONDS = 0.8
# Asterisk keeps a call's two ports for 32 s after its end, and has 500 pairs of them.
REGISTRATIONS_PER_CALL = 3
# What every phone says of itself; a REGISTER without it is shorter than its challenge.
PHONE_LINES = ["Expires: 600", "User-Agent: Yealink SIP-T46S 66.85.0.5", "Supported: replaces, path, outbound"]
PHONE_LINES += ["Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY, SUBSCRIBE, INFO, MESSAGE, UPDATE, PRACK"]


@dataclass(frozen=True)
class Deed:
    """One registration or call of an account, "" of a baresip; for a call, the time is that from INVITE to 200."""

    account: str
    kind: str
    began: float
    ended: float
    failure: str

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.began) * 1000


def call(client: Client, account: Account, seconds: float = 10) -> tuple[float, str]:
    """Calls the echo and hangs up; returns when the 200 came and what went wrong."""
    request = client.request("INVITE", account.name, to="600", extra=[SDP_TYPE], body=offer(client.address))
    first = client.answer_to(request, seconds)
    if first is None or first.status != 407:
        return time.time(), f"INVITE: {first.start if first else 'no answer'}"
    client.send(refusal_acknowledged(request, first).encoded())
    again = proven(request, first, account)
    answer, answered = client.answer_to(again, seconds), time.time()
    if answer is None or answer.status != 200:
        return answered, f"INVITE with a password: {answer.start if answer else 'no answer'}"
    client.send(within(again, "ACK", answer, again.cseq).encoded())
    end = client.answer_to(within(again, "BYE", answer, again.cseq + 1), seconds)
    return answered, "" if end and end.status == 200 else f"BYE: {end.start if end else 'no answer'}"


def _live(network: Network, domain: str, plan: list[str], ending: threading.Event, tell) -> None:
    """One phone's life."""
    name, secret, address, transport = plan
    account, client, turn = Account(name, secret), None, hash(address) % REGISTRATIONS_PER_CALL
    while not ending.is_set():
        began = time.time()
        try:
            client = client or Client(network, address, transport, domain)
            _, answer = client.authenticated(client.request("REGISTER", name, extra=PHONE_LINES), account)
            failure = "" if answer and answer.status == 200 else f"{address} {transport}: {answer.start if answer else 'no answer'}"
            tell(Deed(name, "register", began, time.time(), failure))
            turn += 1
            if turn % REGISTRATIONS_PER_CALL == 0:
                began = time.time()
                answered, failure = call(client, account)
                tell(Deed(name, "call", began, answered, failure and f"{address} {transport}: {failure}"))
        except OSError as error:
            tell(Deed(name, "connect", began, time.time(), f"{address} {transport}: {error}"))
            client = None
        ending.wait(PACE_SECONDS)
    if client:
        client.socket.close()


def main() -> None:
    """The process: its plan comes as the first line of standard input; it ends with its standard input."""
    order = json.loads(sys.stdin.readline())
    network, lock, ending = Network(order["network"]), threading.Lock(), threading.Event()

    def tell(deed: Deed) -> None:
        with lock:
            print(json.dumps(vars(deed)), flush=True)

    threads = [
        threading.Thread(target=_live, args=(network, order["domain"], plan, ending, tell)) for plan in order["phones"]
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ending.set()
    for thread in threads:
        thread.join()


class Herd:
    """All twenty; what they did is read by the time in which they did it."""

    def __init__(self, name: str, domain: str, accounts: list[Account], log: Path, shelf: Shelf) -> None:
        self.log = log
        self.deeds: list[Deed] = []
        # Those of the process alone: a baresip that is ready has registered.
        self.accounts = {account.name for account in accounts[2:]}
        # First what may fail: nothing is left running then.
        self.pair = [shelf.phone().register(account, "udp", domain) for account in accounts[:2]]
        kinds = ["udp"] * 12 + ["tcp"] * 3 + ["tls"] * 3
        addresses = [OFFICE] * 6 + [f"198.18.1.{number}" for number in range(11, 23)]
        plans = [
            [account.name, account.secret, address, kind]
            for account, address, kind in zip(accounts[2:], addresses, kinds, strict=True)
        ]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lab.attack_herd"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=output,
                start_new_session=True,
            )
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"network": name, "domain": domain, "phones": plans}).encode() + b"\n")
        self.process.stdin.flush()
        self.target = f"sip:{accounts[1].name}@{domain}"
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._call_each_other, daemon=True)
        self.thread.start()

    def _call_each_other(self) -> None:
        caller, called = self.pair
        count = 0
        while not self.ending.is_set():
            began, failure = time.time(), ""
            count += 1
            try:
                caller.dial(self.target)
                called.wait("CALL_INCOMING", count=count)
                called.order("accept")
                caller.wait("CALL_ESTABLISHED", count=count)
                answered = time.time()
                caller.hang_up()
                called.wait("CALL_CLOSED", count=count)
            except AssertionError as error:
                answered, failure = time.time(), f"baresip: {str(error)[:200]}"
            self.deeds.append(Deed("", "baresip call", began, answered, failure))
            if failure:
                return
            self.ending.wait(PACE_SECONDS)

    def unregistered(self) -> set[str]:
        """The accounts that have not registered yet."""
        deeds = self.between(0, time.time())
        return self.accounts - {deed.account for deed in deeds if deed.kind == "register" and not deed.failure}

    def between(self, began: float, ended: float) -> list[Deed]:
        """What the phones did in that time, as far as it is over."""
        lines = self.log.read_text().splitlines(keepends=True)
        told = [Deed(**json.loads(line)) for line in lines if line.endswith("\n")]
        return [deed for deed in told + self.deeds if deed.ended >= began and deed.began <= ended]

    def stop(self) -> None:
        self.ending.set()
        self.thread.join()
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    main()
