"""The attackers' own tools learn nothing, and twenty phones notice nothing of them.

Every case asserts what a user would notice; its figures are printed in a row of the table at the end of the run, and
nothing is asserted about them. REMPART_ATTACK_TABLE names a file that the table is written to as well.
"""

import re
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from conftest import CHAN_SIP_16, Lab, Site
from lab import attack_tools
from lab.attack_ground import Ground, ground_on
from lab.attack_herd import Herd
from lab.attack_table import Table, row_of
from lab.attack_tools import Attack
from lab.attack_watch import Story, Watch
from lab.namespaces import EDGE_OUTSIDE
from lab.phones import Shelf
from lab.rempart import CHECKOUT
from lab.waiting import eventually

FOUND = re.compile(r"^\|\s*(?!SIP Device|Extension\b)\S.*\|.*\|?\s*$", re.MULTILINE)
SIPP = Path(__file__).parent / "sipp"
HERD_NUMBERS = range(1011, 1031)


class Battle:
    """The site, the phones, the attackers and the table that all cases share."""

    def __init__(self, lab: Lab, site: Site, ground: Ground, herd: Herd, table: Table) -> None:
        self.lab, self.site, self.ground, self.herd, self.table = lab, site, ground, herd, table

    def fight(self, name: str, attack: Attack, sources: str = "", is_dropped: bool = False) -> tuple[Story, str]:
        """One attack from beginning to end; what the phones did meanwhile must all have gone well.

        `is_dropped`: it is over when the kernel has the attacker's address, which may be a moment after his last word.
        """
        source = self.ground.new_source()
        began = time.time()
        with Watch(self.lab.network.edge, "outside", sources or f"{source}/32") as watch:
            learned = attack(self.ground, source)
            # A call or registration of each phone that began under attack shall be over.
            self.await_deeds(began)
            if is_dropped:
                eventually(lambda: watch.dropped(source), lambda: f"{source} is dropped; bans: {self.site.edge.bans()}", 9)
            story = watch.story()
        deeds = self.herd.between(began, time.time())
        self.table.add(row_of(name, story, learned, deeds))
        failures = [f"{deed.kind}: {deed.failure}" for deed in deeds if deed.failure]
        assert not failures, f"of {len(deeds)} deeds of the phones {len(failures)} failed: {failures[:5]}"
        assert story.sent, "the tool said nothing at all"
        assert not learned, f"the attacker learned: {learned}"
        self.assert_nobody_else_is_banned(story)
        return story, source

    def await_deeds(self, since: float) -> None:
        eventually(lambda: len([1 for deed in self.herd.between(since, time.time()) if deed.began >= since]) >= 20,
                   "twenty deeds of the phones", 30, every=0.2)  # fmt: skip

    def assert_nobody_else_is_banned(self, story: Story) -> None:
        attackers = {ip_address(seen.source) for seen in story.sent}
        banned = [ip_network(ban["address"]) for ban in self.site.edge.bans()]
        # A /24 is banned when eight of its addresses are; no phone of ours is in one with attackers.
        others = [str(network) for network in banned if not any(attacker in network for attacker in attackers)]
        assert not others, f"banned, but no attackers: {others}"


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.pluginmanager.getplugin(Table.NAME)


@pytest.fixture(scope="module")
def ground(lab: Lab) -> Iterator[Ground]:
    with ground_on(lab.network) as ground:
        yield ground


@pytest.fixture(scope="module")
def battle(lab: Lab, stage, ground: Ground, table: Table) -> Iterator[Battle]:
    site = stage.site([CHAN_SIP_16])
    shelf = Shelf(lab.network, lab.new_folder("herd"), lab.certificate)
    accounts = [lab.accounts[str(number)] for number in HERD_NUMBERS]
    try:
        herd = Herd(str(CHECKOUT), lab.domain, accounts, lab.new_folder("deeds") / "log", shelf)
        try:
            # The first look-up of an account may come late on a busy machine, which is a 503; after it the edge knows it.
            eventually(lambda: not herd.unregistered(), lambda: f"all register; {herd.unregistered()} have not", 40)
            yield Battle(lab, site, ground, herd, table)
        finally:
            herd.stop()
    finally:
        shelf.clear()


@pytest.fixture(autouse=True)
def nobody_banned(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "battle" in request.fixturenames:
        request.getfixturevalue("battle").site.edge.ask("unban", "all")


def found(output: str) -> str:
    """What a program of SIPVicious puts into its table; a program that said nothing to the edge is noticed by the watch."""
    return ", ".join(line.strip() for line in FOUND.findall(output))


def vicious(program: str, *words: str) -> Attack:
    return lambda ground, source: found(ground.vicious(program, "-b", source, "-x", source, *words, EDGE_OUTSIDE, seconds=8))


def svcrash(ground: Ground, source: str) -> str:
    output = ground.vicious("svcrash", "-d", EDGE_OUTSIDE, "-b")
    return "" if "Attacking back" in output else output[-300:]


def sipsak(*words: str) -> Attack:
    """Whatever sipsak shows of an answer is what it has learned."""

    def attack(ground: Ground, source: str) -> str:
        output = ground.run(f"{ground.environment['HOME']}/usr/bin/sipsak", *words, "-s", f"sip:1001@{EDGE_OUTSIDE}", seconds=6)
        return ", ".join(sorted(set(re.findall(r"SIP/2\.0 \d+[^\r\n]*", output))))

    return attack


def with_face(attack: Callable[..., str], **more) -> Attack:
    return lambda ground, source: attack(ground, source, **more)


SILENT: dict[str, Attack] = {
    "svmap OPTIONS": vicious("svmap", "-m", "OPTIONS"),
    "svmap INVITE": vicious("svmap", "-m", "INVITE"),
    "svwar REGISTER": vicious("svwar", "-m", "REGISTER", "-e", "1001-1400", "--force"),
    "svwar INVITE": vicious("svwar", "-m", "INVITE", "-e", "1001-1400", "--force"),
    "svwar OPTIONS": vicious("svwar", "-m", "OPTIONS", "-e", "1001-1400", "--force"),
    "svcrack": vicious("svcrack", "-u", "1001", "-r", "1000-9999"),
    "svcrack, one nonce": vicious("svcrack", "-u", "1001", "-r", "1000-9999", "-n"),
    "svcrash": svcrash,
    "sipsak": sipsak("-v", "-v"),
    "as sippts scan": attack_tools.scan,
    "as sippts exten": attack_tools.extensions,
    "as sippts rcrack": attack_tools.guess,
    "as sippts invite": attack_tools.invite,
    "as sippts leak": attack_tools.leak,
    "as sippts flood INVITE": attack_tools.flood,
    "as sippts flood REGISTER": with_face(attack_tools.flood, method="REGISTER"),
}
BANNED: dict[str, Attack] = {
    "as sippts exten, TCP": with_face(attack_tools.extensions, transport="tcp"),
    "as sippts rcrack, TCP": with_face(attack_tools.guess, transport="tcp"),
    "guessing with a phone's face": with_face(attack_tools.guess, face="phone"),
    "guessing with a phone's face, TCP": with_face(attack_tools.guess, face="phone", transport="tcp"),
    "calling with a phone's face, TCP": with_face(attack_tools.invite, face="phone", transport="tcp"),
    "slow TCP": with_face(attack_tools.slowly, secured=False),
    "slow TLS": with_face(attack_tools.slowly, secured=True),
}


def test_twenty_phones_register_and_call_in_quiet(battle: Battle) -> None:
    began = time.time()
    eventually(lambda: len(battle.herd.between(began, time.time())) >= 100, "a hundred deeds", 40, every=0.2)
    deeds = battle.herd.between(began, time.time())
    battle.table.add(row_of("(quiet)", None, "", deeds))
    assert not [deed for deed in deeds if deed.failure]


@pytest.mark.parametrize("name", SILENT)
def test_a_tool_learns_nothing_and_the_phones_notice_nothing(battle: Battle, name: str) -> None:
    battle.fight(name, SILENT[name])


@pytest.mark.parametrize("name", BANNED)
def test_who_has_proven_his_address_and_guesses_is_dropped_by_the_kernel(battle: Battle, name: str) -> None:
    story, source = battle.fight(name, BANNED[name], is_dropped=True)
    assert source in story.dropped


def test_a_flood_of_guesses_from_two_hundred_addresses_finds_nothing(battle: Battle) -> None:
    """SIPp, each of 200 addresses guessing 1001's password as a phone would."""
    sources = [f"45.78.0.{number}" for number in range(1, 201)]

    def attack(ground: Ground, _: str) -> str:
        folder = battle.lab.new_folder("sipp")
        # SIPp takes the credentials' parameters from a file or from what it plays as it stands, and from nothing else.
        rows = [
            f"{source};1001;{EDGE_OUTSIDE};[authentication username=1001 password=wrong-{number}-{source}]\n"
            for number in range(7)
            for source in sources
        ]
        (folder / "sources.csv").write_text("SEQUENTIAL\n" + "".join(rows))
        words = ["sipp", f"{EDGE_OUTSIDE}:5060", "-sf", str(SIPP / "attack_guess.xml"), "-inf", "sources.csv"]
        words += ["-t", "ui", "-ip_field", "0", "-m", "1400", "-r", "200", "-l", "2000", "-nostdin", "-max_socket", "1000"]
        words += ["-default_behaviors", "none"]
        output = ground.run(*words, seconds=20, cwd=folder)
        taken = re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", output)
        return "" if taken else output[-500:]

    story, _ = battle.fight("SIPp, guesses from 200 addresses", attack, sources="45.78.0.0/24")
    assert set(story.dropped) == set(sources), "an address that has guessed five times in 30 s is not dropped"
    final = [seen for seen in story.answers if not seen.is_provisional]
    assert all(seen.payload.startswith(b"SIP/2.0 401 ") for seen in final)
    looked = [line for line in battle.site.edge.log().splitlines() if " 45.78.0." in line and ": wrong-password" in line]
    battle.table.note(f"SIPp: of {story.tries_answered} guesses that got an answer the password of {len(looked)} was looked at (journal, at most 50 records a second)")
    # Four guesses of each are answered, and the fifth is the last.
    assert story.tries_answered <= 4 * len(sources)
