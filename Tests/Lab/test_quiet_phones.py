"""Real phones behind a NAT that forgets after 35 s: silent ones can be called, dead ones are gone everywhere, live ones come back.

All wait side by side: five minutes in `make soak`, 80 s elsewhere. pjsua2 and linphonec take part where they are installed.
"""

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest
from conftest import CHAN_SIP_16, PJSIP_16, PJSIP_22, Lab, Site
from lab.accounts import CHAN_SIP, Account
from lab.asterisk import Asterisk
from lab.clients import Client, proven
from lab.homes import FORGETS_SECONDS, PHONE_ADDRESSES, Home, homes_on
from lab.other_phones import has_linphone, has_pjsua, linphone, pjsua
from lab.phones import Phone, Shelf
from lab.waiting import eventually

SILENCE = float(os.environ.get("REMPART_SILENCE", "80"))
# Within how many seconds a dead phone is gone, and within how many one is known that has come back.
# What the longest takes is printed; each is waited for three times as long.
GONE = 120
BACK = 1
# A phone is asked for the first time 3 s after its REGISTER.
FIRST = 3 * 3
TRANSPORTS = ["udp", "tcp", "tls"]
# Beside these each transport has a phone of baresip.
OTHERS = {"pjsua2": (has_pjsua, pjsua), "linphonec": (has_linphone, linphone)}
MUTE, PUSHED = "1021", "1022"
# Phones that die: how, by which transport, and whether their Asterisk qualifies them.
DEAD = {
    "1011": ("killed", "udp", True),
    "1012": ("killed", "udp", False),
    "1013": ("killed", "tcp", True),
    "1014": ("killed", "tls", False),
    "1015": ("cut", "udp", True),
    "1016": ("cut", "udp", False),
    "1017": ("cut", "tcp", False),
    "1018": ("cut", "tls", True),
}


def qualify(site: Site) -> None:
    """Has Asterisk qualify some of the accounts, as many sites do."""
    names = ", ".join(f"'{name}'" for name, (_, _, isQualified) in DEAD.items() if isQualified)
    change = (
        f"UPDATE sippeers SET qualify = 'yes' WHERE name IN ({names})"
        if site.asterisk.kind.schema == CHAN_SIP
        else f"UPDATE ps_aors SET qualify_frequency = 10 WHERE id IN ({names})"
    )
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute(change)


def with_hints_and_a_queue(channel: str) -> dict[str, str]:
    """What an Asterisk needs whose dead phones are members of a queue, and watched by others."""
    hints = "".join(f"exten => {name},hint,{channel}/{name}\n" for name in DEAD)
    members = "".join(f"member => {channel}/{name}\n" for name in DEAD)
    return {
        "modules.conf": "load=app_queue.so\n",
        "extensions.conf": f"[watched]\n{hints}",
        "queues.conf": f"[general]\n[agents]\nstrategy=ringall\n{members}",
    }


@dataclass
class Run:
    """One long wait in front of some Asterisks, and what was seen in it."""

    site: Site
    home: Home
    cut_home: Home
    shelf: Shelf
    ended: ExitStack
    addresses: list[str] = field(default_factory=lambda: list(PHONE_ADDRESSES))
    # The phones of each label that are silent, and whether each has rung.
    quiet: dict[str, tuple[Account, Callable[[], bool]]] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    dying: dict[str, Phone] = field(default_factory=dict)
    died: dict[str, float] = field(default_factory=dict)
    # After how many seconds each dead phone was gone in each view.
    gone: dict[tuple[str, str], float] = field(default_factory=dict)
    back: float = 0

    @property
    def lab(self) -> Lab:
        return self.site.lab

    def baresip(self, home: Home, name: str, transport: str) -> Phone:
        phone = self.shelf.phone(self.addresses.pop(0), home.phones)
        return phone.register(self.lab.accounts[name], transport, self.lab.domain)

    def place_quiet(self) -> None:
        numbers = iter(range(1001, 1011))
        for transport in TRANSPORTS:
            account = self.lab.accounts[str(next(numbers))]
            phone = self.baresip(self.home, account.name, transport)
            self.quiet[f"baresip by {transport}"] = account, lambda phone=phone: bool(phone.seen("CALL_INCOMING"))
            for program, (is_there, make) in OTHERS.items():
                if not is_there():
                    continue
                account = self.lab.accounts[str(next(numbers))]
                place = self.addresses.pop(0), account, transport, self.lab.domain, self.lab.certificate
                other = make(self.home.phones, self.lab.new_folder(program), *place)
                self.ended.callback(other.stop)
                self.quiet[f"{program} by {transport}"] = account, other.has_rung
        wanted = {account.name for account, _ in self.quiet.values()}
        seen: set[str] = set()

        def all_registered() -> bool:
            seen.update(phone["account"] for phone in self.site.edge.phones())
            return wanted <= seen

        eventually(all_registered, lambda: f"{wanted - seen} registered", 30, every=0.3)

    def place_raw(self, name: str, parameters: str = "") -> Client:
        """A phone that is played: it answers nothing but what a test has it answer."""
        client = self.ended.enter_context(self.lab.client(self.addresses.pop(0), namespace=self.home.phones))
        account = self.lab.accounts[name]
        request = client.request("REGISTER", name, extra=["Expires: 3600"])
        request.contact += parameters
        challenge = client.answer_to(request)
        assert challenge
        answer = client.answer_to(proven(request, challenge, account))
        assert answer and answer.status == 200
        client.answers_keep_alives = False
        return client

    def place_dying(self) -> None:
        for name, (death, transport, _) in DEAD.items():
            self.dying[name] = self.baresip(self.cut_home if death == "cut" else self.home, name, transport)
        registered = time.monotonic()

        def have_answered() -> bool:
            since = time.monotonic() - registered
            heard = [phone["heard"] for phone in self.site.edge.phones() if phone["account"] in DEAD and "heard" in phone]
            return len(heard) == 4 and all(seconds < since - 1 for seconds in heard)

        eventually(have_answered, lambda: f"each has answered its first question: {self.site.edge.phones()}", FIRST, every=0.3)
        for asterisk in self.site.asterisks:
            for name in DEAD:
                eventually(lambda name=name, seen=asterisk: seen.registered(name), f"{name} at {asterisk.kind}")

    def kill(self) -> None:
        self.cut_home.cut()
        for name, phone in self.dying.items():
            self.died[name] = time.monotonic()
            if DEAD[name][0] == "killed":
                phone.stop()

    def views(self) -> dict[str, set[str]]:
        """The dead phones that each view still shows as there."""
        there = {"rempart phones": {phone["account"] for phone in self.site.edge.phones() if phone["reachable"]}}
        for asterisk in self.site.asterisks:
            for view, look in VIEWS[asterisk.kind.schema].items():
                there[f"{view} of {asterisk.kind}"] = look(asterisk)
        return there

    def watch(self, until: float) -> None:
        """Notes when each dead phone is gone in each view, until all are, at `until` at the latest."""
        while True:
            there = self.views()
            now = time.monotonic()
            for view, names in there.items():
                for name in DEAD.keys() - names:
                    self.gone.setdefault((name, view), now - self.died[name])
            if now > until or not any(names & DEAD.keys() for names in there.values()):
                return
            # Each look asks several programs: often enough for a figure of two minutes.
            time.sleep(1)

    def call(self, account: Account, asterisk: Asterisk) -> None:
        asterisk.cli(f"channel originate {asterisk.kind.channel}/{account.name} application Echo")

    def call_quiet(self) -> None:
        for number, (account, _) in enumerate(self.quiet.values()):
            self.call(account, self.site.asterisks[number % len(self.site.asterisks)])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not all(rings() for _, rings in self.quiet.values()):
            time.sleep(0.2)
        self.silent = [label for label, (_, rings) in self.quiet.items() if not rings()]

    def call_raw(self, label: str, name: str, client: Client) -> None:
        self.call(self.lab.accounts[name], self.site.asterisk)
        deadline = time.monotonic() + 10
        while (left := deadline - time.monotonic()) > 0:
            message = client.receive(left)
            if message and message.start.startswith("INVITE "):
                return
        self.silent.append(label)

    def come_back(self, name: str) -> None:
        """A phone that was killed is switched on again."""
        phone = self.baresip(self.home, name, DEAD[name][1])
        phone.wait("REGISTER_OK")
        registered = time.monotonic()
        eventually(lambda: name in self.views()["rempart phones"], f"{name} is there again", 3 * BACK)
        for asterisk in self.site.asterisks:
            eventually(lambda seen=asterisk: name in hinted(seen), f"{name} at {asterisk.kind}", 3 * BACK, every=0.1)
        self.back = time.monotonic() - registered


def hinted(asterisk: Asterisk) -> set[str]:
    lines = asterisk.cli("core show hints").splitlines()
    return {line.split("@")[0].strip() for line in lines if "@watched" in line and "Unavailable" not in line}


def queued(asterisk: Asterisk) -> set[str]:
    lines = asterisk.cli("queue show agents").splitlines()
    return {found[1] for line in lines if (found := re.match(r"\s+(?:PJ)?SIP/(\d+)", line)) and "Unavailable" not in line}


def with_contact(asterisk: Asterisk) -> set[str]:
    return {name for name in DEAD if f" {name}/sip:" in asterisk.cli("pjsip show contacts")}


def peered(asterisk: Asterisk) -> set[str]:
    lines = [line.split() for line in asterisk.cli("sip show peers").splitlines()]
    return {words[0].split("/")[0] for words in lines if words and "(Unspecified)" not in words and "UNREACHABLE" not in words}


VIEWS: dict[str, dict[str, Callable[[Asterisk], set[str]]]] = {
    "chan_sip": {"core show hints": hinted, "queue show": queued, "sip show peers": peered},
    "pjsip": {"core show hints": hinted, "queue show": queued, "pjsip show contacts": with_contact},
}


@pytest.fixture(scope="module", params=[[CHAN_SIP_16], [PJSIP_16, PJSIP_22]], ids=["chan_sip", "pjsip"])
def run(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Run]:
    kinds = request.param
    site = Site(lab, kinds, more=with_hints_and_a_queue(kinds[0].channel))
    qualify(site)
    shelf = Shelf(lab.network, lab.new_folder("phones"), lab.certificate)
    with homes_on(lab.network, 2) as (home, cut_home), ExitStack() as ended:
        ended.callback(site.stop)
        ended.callback(shelf.clear)
        site.start()
        run = Run(site, home, cut_home, shelf, ended)
        run.place_quiet()
        mute, pushed = run.place_raw(MUTE), run.place_raw(PUSHED, ";pn-provider=apns;pn-prid=00fc13adff78512")
        run.place_dying()
        # It answers its first question, and is silent then as one that sleeps.
        pushed.answers_keep_alives = True
        pushed.receive(FIRST)
        pushed.answers_keep_alives = False
        began = time.monotonic()
        run.kill()
        run.watch(began + 3 * GONE)
        # The rest of the silence.
        time.sleep(max(0, began + SILENCE - time.monotonic()))
        run.call_quiet()
        run.call_raw("one that answers no OPTIONS", MUTE, mute)
        run.call_raw("one with push parameters", PUSHED, pushed)
        run.come_back("1011")
        yield run


def test_phones_that_were_silent_for_longer_than_the_nat_remembers_ring(run: Run) -> None:
    print(f"called after {SILENCE:g} s and more of silence: {', '.join(run.quiet)}")
    assert SILENCE > 2 * FORGETS_SECONDS
    assert run.silent == [], run.site.edge.log()


def test_dead_phones_are_gone_everywhere(run: Run) -> None:
    wanted = {(name, view) for name in DEAD for view in run.views()}
    worst: dict[str, float] = {}
    for (name, _), seconds in run.gone.items():
        label = " by ".join(DEAD[name][:2])
        worst[label] = max(worst.get(label, 0), seconds)
    print("gone after at most", ", ".join(f"{seconds:.0f} s ({label})" for label, seconds in worst.items()))
    assert wanted - run.gone.keys() == set()


def test_a_phone_that_comes_back_is_known_at_once(run: Run) -> None:
    print(f"known after {run.back:.1f} s")
