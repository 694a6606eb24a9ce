"""Phones register and call whatever has the accounts: the edge and a real Asterisk read the same source.

Each source has one kind of Asterisk, and all kinds with REMPART_ALL. Where the source is a database server, Asterisk
itself reaches it by its own driver: res_odbc with Debian's ODBC drivers, res_config_mysql, res_config_pgsql. Where it is
files, the edge is given Asterisk's own folder.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.account_sources import AccountSource, Servers, SQLiteRealtime, StaticFiles
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22, Kind
from lab.capture import Capture
from lab.database_server import DatabaseServer, MariaDB, PostgreSQL
from lab.phones import Phone, Shelf
from lab.sip import Message
from lab.waiting import eventually

KINDS = [CHAN_SIP_16, PJSIP_16, PJSIP_22]
# By turns in one file and the other, where the source is files: so 1001 and 1002 stand in two.
PHONES = [account for account in ACCOUNTS.values() if account.name <= "1006"]
# Secrets that have to be written in another way somewhere.
ODD = [
    Account("1011", "it's \"a\" #1: x=y\\"),
    Account("1012", "semi;colon^3B;"),
    Account("1013", "Größe"),
    Account("1014", "^"),
]
ALL = [*PHONES, *ODD]


@dataclass(frozen=True)
class Row:
    """A source, the kinds of Asterisk that can read it, and the one that does in a short run."""

    name: str
    make: Callable[[Lab, Servers], AccountSource]
    short: Kind
    kinds: Sequence[Kind] = tuple(KINDS)


def static(*_: object) -> AccountSource:
    return StaticFiles(ALL)


def sqlite(is_found_in_files: bool) -> Callable[[Lab, Servers], AccountSource]:
    return lambda lab, _: SQLiteRealtime(lab.new_folder("db") / "realtime.sqlite3", ALL, is_found_in_files)


def server(kind: type[DatabaseServer], driver: str, is_found_in_files: bool) -> Callable[[Lab, Servers], AccountSource]:
    return lambda _, servers: servers.source(kind, driver, is_found_in_files)


ROWS = [
    Row("sqlite", sqlite(False), PJSIP_16),
    Row("odbc-mariadb", server(MariaDB, "odbc", False), CHAN_SIP_16),
    Row("odbc-postgresql", server(PostgreSQL, "odbc", False), PJSIP_22),
    Row("files-pjsip", static, PJSIP_22, (PJSIP_16, PJSIP_22)),
    Row("files-chan_sip", static, CHAN_SIP_16, (CHAN_SIP_16,)),
    Row("files-to-sqlite", sqlite(True), PJSIP_22),
    Row("files-to-odbc-mariadb", server(MariaDB, "odbc", True), PJSIP_16),
    Row("files-to-odbc-postgresql", server(PostgreSQL, "odbc", True), CHAN_SIP_16),
    Row("files-to-mysql", server(MariaDB, "mysql", True), CHAN_SIP_16),
    Row("files-to-pgsql", server(PostgreSQL, "pgsql", True), PJSIP_22),
]
CASES = [
    pytest.param((row, kind), id=f"{row.name}-{kind}")
    for row in ROWS
    for kind in row.kinds
    if os.environ.get("REMPART_ALL") or kind == row.short
]


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[Servers]:
    servers = Servers(lab.new_folder, lab.network.edge, ALL)
    yield servers
    servers.stop()


@pytest.fixture(scope="module", params=CASES)
def source_site(request: pytest.FixtureRequest, lab: Lab, servers: Servers) -> Iterator[Site]:
    row, kind = request.param
    site = Site(lab, [kind], source=row.make(lab, servers))
    try:
        site.start()
        yield site
    finally:
        site.stop()


def answers_of_asterisk(wire: Capture, method: str, account: str) -> list[int]:
    """The statuses of what an Asterisk has answered to requests of a method that concern an account."""
    heard = [Message.parse(packet.payload) for packet in list(wire.packets) if packet.payload.startswith(b"SIP/2.0 ")]
    return [answer.status for answer in heard if answer.method == method and f"sip:{account}@" in answer.header("from")]


def of_asterisk(site: Site, lab: Lab) -> Capture:
    """What passes at the site's Asterisk."""
    return Capture(lab.network, "eth0", site.asterisk.namespace)


def test_a_phone_registers_and_the_edge_answers_asterisks_own_challenge(source_site: Site, lab: Lab) -> None:
    account = lab.accounts["1003"]
    with of_asterisk(source_site, lab) as wire, lab.client("198.18.1.31") as client:
        assert client.register(account) == 200
        assert [phone["account"] for phone in source_site.edge.phones(account.name)] == [account.name]
        eventually(lambda: source_site.asterisk.registered(account.name), "Asterisk holds a contact")
    # The edge has no password but that of the source, and Asterisk compares it with what it reads there itself.
    answers = answers_of_asterisk(wire, "REGISTER", account.name)
    assert answers[0] == 401 and answers[-1] == 200, answers


def call(caller: Phone, called: Phone, domain: str) -> None:
    """A call with sound in both directions, from its beginning to its end."""
    called.forget_calls()
    caller.forget_calls().dial(f"sip:{called.account.name}@{domain}")
    called.answer().wait_established()
    caller.wait_established()
    caller.wait_hearing(called.tone)
    called.wait_hearing(caller.tone)
    caller.hang_up().wait_closed()
    called.wait_closed()


def test_two_phones_call_each_other_and_asterisk_challenges_both_calls(source_site: Site, shelf: Shelf, lab: Lab) -> None:
    one, other = (shelf.phone().register(lab.accounts[name], way, lab.domain) for name, way in [("1001", "udp"), ("1002", "tls")])
    for phone in (one, other):
        eventually(lambda seen=phone: source_site.asterisk.registered(seen.account.name), f"Asterisk knows {phone.account.name}")
    with of_asterisk(source_site, lab) as wire:
        for caller, called in [(one, other), (other, one)]:
            call(caller, called, lab.domain)
            source_site.wait_idle()
    for account in ("1001", "1002"):
        answers = answers_of_asterisk(wire, "INVITE", account)
        assert 401 in answers and answers[-1] == 200, answers


def test_a_wrong_password_and_a_name_that_is_none_are_refused(source_site: Site, lab: Lab) -> None:
    account = lab.accounts["1004"]
    with lab.client("198.18.2.31") as client:
        assert client.register(Account(account.name, "wrong")) == 401
        assert client.register(Account("1999", account.secret)) == 401
        assert client.register(account) == 200
    assert not source_site.asterisk.registered("1999")


@pytest.mark.parametrize("account", ODD, ids=["quotes", "semicolons", "letters", "circumflex"])
def test_a_secret_is_the_same_to_the_edge_and_to_asterisk(source_site: Site, lab: Lab, account: Account) -> None:
    with lab.client("198.18.1.33") as client:
        assert client.register(account) == 200
        eventually(lambda: source_site.asterisk.registered(account.name), "Asterisk holds a contact")


def test_the_accounts_of_the_source_are_listed(source_site: Site) -> None:
    done = source_site.edge.ask("accounts", "--json")
    assert done.returncode == 0, done.stderr
    assert {account.name for account in ALL} == {row["account"] for row in json.loads(done.stdout)}
