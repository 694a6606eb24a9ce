"""Asterisks of 1.4 to 13, as stand-ins of their own words: what differs from the newer ones, and what the edge tells of it.

test_register.py and test_calls.py run before them too.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab, Site, Stage
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, ECHO
from lab.clients import Client, proven
from lab.dialogs import SDP_TYPE, Talk, invitation, offer, refusal_acknowledged
from lab.namespaces import EDGE_INSIDE
from lab.old_versions import OLD_VERSIONS, OldVersion
from lab.sip import Message, Request, response
from lab.waiting import eventually

CALLER, CALLED = "1011", "1012"
# Longer than a contact of 40 characters has room for.
LONG = Account("reception-desk-second-floor", "long")
# The second try of a registration that was refused comes after 10 s, the third 20 s later.
TRIED_AGAIN_SECONDS = 45


@pytest.fixture(scope="module", params=OLD_VERSIONS, ids=str)
def version(request: pytest.FixtureRequest) -> OldVersion:
    return request.param


@pytest.fixture
def old(stage: Stage, version: OldVersion) -> Iterator[Site]:
    site = stage.site([version])
    yield site
    site.asterisk.domains.clear()
    site.edge.ask("unban", "all")


def registered(site: Site, client: Client, account: Account, seconds: float = 10) -> None:
    """Registers a phone, and waits until Asterisk knows its account."""
    assert client.register(account) == 200
    eventually(lambda: site.asterisk.registered(account.name), lambda: site.asterisk.log(), seconds)


def rings(caller: Client, account: Account, called: Client, number: str) -> tuple[Request, Message]:
    """Calls a number until its phone rings; the INVITE that was sent, and the one that came."""
    invite = invitation(caller, account, number)
    caller.send(invite.encoded())
    came = called.receive()
    assert came and came.method == "INVITE" and not came.status, came and came.start
    return invite, came


def refused(caller: Client, called: Client, invite: Request, came: Message) -> None:
    """The phone that rings is busy, and its caller hears so."""
    called.send(response(came, "486 Busy Here", "busy"))
    answer = caller.receive_final()
    assert answer and answer.status == 486
    caller.send(refusal_acknowledged(invite, answer).encoded())


def test_a_registration_stands_in_the_row_as_the_version_writes_it(old: Site, lab: Lab, version: OldVersion) -> None:
    account = lab.accounts["1013"]
    with lab.client("198.18.1.20") as phone:
        registered(old, phone, account)
        row = old.asterisk.row(account.name)
        contact = f"sip:{account.name}@{EDGE_INSIDE}:5060"
        assert (row["ipaddr"], row["port"], row["fullcontact"], row[version.user]) == (EDGE_INSIDE, 5060, contact, account.name)
        assert row["regseconds"] > 0
        assert phone.register(account, expires=0) == 200
        eventually(lambda: not old.asterisk.registered(account.name), "Asterisk holds no contact any more")


def test_an_account_that_never_registered_calls_in_the_realm_of_asterisks_own(old: Site, lab: Lab) -> None:
    account = lab.accounts["1014"]
    with lab.client("198.18.1.21") as phone:
        talk = Talk.begun(phone, account, ECHO)
        assert old.asterisk.channels() == 1
        assert talk.hang_up() == 200
    old.wait_idle()


def test_a_call_that_is_taken_or_refused_or_given_up_ends_so_on_either_side(old: Site, lab: Lab) -> None:
    caller, called = lab.accounts[CALLER], lab.accounts[CALLED]
    with lab.client("198.18.1.22") as first, lab.client("198.18.1.23") as second:
        registered(old, second, called)
        refused(first, second, *rings(first, caller, second, CALLED))
        assert eventually(second.receive, "the ACK").method == "ACK"

        invite, came = rings(first, caller, second, CALLED)
        second.send(response(came, "180 Ringing", "rings"))
        eventually(lambda: getattr(first.receive(0.1), "status", 0) == 180, "the caller hears that it rings")
        first.send(invite.cancel().encoded())
        assert eventually(second.receive, "the CANCEL").method == "CANCEL"
        second.send(response(came, "487 Request Terminated", "rings"))
    old.wait_idle()


def test_a_qualified_account_is_there_for_asterisk_and_can_be_called(old: Site, lab: Lab) -> None:
    caller, called = lab.accounts[CALLER], lab.accounts["1015"]
    old.asterisk.change(called.name, qualify="yes")
    old.asterisk.prune(called.name)
    with lab.client("198.18.1.24") as first, lab.client("198.18.1.25") as second:
        registered(old, second, called)
        eventually(lambda: (old.asterisk.row(called.name)["lastms"] or 0) > 0, "Asterisk has had its answer")
        refused(first, second, *rings(first, caller, second, called.name))
    old.wait_idle()


def test_who_registers_is_told_of_messages_without_the_inside(old: Site, lab: Lab, version: OldVersion) -> None:
    account = lab.accounts["1016"]
    old.asterisk.change(account.name, mailbox="1016@default")
    old.asterisk.prune(account.name)
    with lab.client("198.18.1.26") as phone:
        registered(old, phone, account)
        told = phone.receive(5 if version.tells_messages else 0.3)
        assert bool(told) == version.tells_messages
        if told:
            assert told.method == "NOTIFY" and told.header("event") == "message-summary"
            assert f"Message-Account: sip:asterisk@{lab.domain}".encode() in told.body


def test_an_asterisk_that_was_away_for_a_moment_calls_its_phones_by_their_rows(old: Site, lab: Lab) -> None:
    caller, called = lab.accounts[CALLER], lab.accounts["1017"]
    with lab.client("198.18.1.27") as first, lab.client("198.18.1.28") as second:
        registered(old, second, called)
        old.asterisk.stop()
        old.asterisk.start()
        refused(first, second, *rings(first, caller, second, called.name))
    old.wait_idle()


def test_a_name_too_long_for_its_contact_is_called_from_memory_while_its_row_stays_empty(
    old: Site, lab: Lab, version: OldVersion
) -> None:
    room = int(version.columns.partition("fullcontact VARCHAR(")[2].partition(")")[0])
    if room > 40:
        pytest.skip("its contacts have 80 characters")
    with closing(sqlite3.connect(old.database)) as database, database:
        database.execute(
            f"INSERT OR IGNORE INTO {version.table} (name, type, host, context, secret)"
            " VALUES (?, 'friend', 'dynamic', 'phones', ?)",
            (LONG.name, LONG.secret),
        )
    with lab.client("198.18.1.29") as first, lab.client("198.18.1.30") as second:
        eventually(lambda: second.register(LONG) == 200, "the edge knows the account")
        eventually(lambda: old.asterisk.registered(LONG.name), "Asterisk knows it")
        assert old.asterisk.row(LONG.name)["regseconds"] == 0
        assert f"update of {LONG.name} failed" in old.asterisk.log()
        refused(first, second, *rings(first, lab.accounts[CALLER], second, LONG.name))
    old.wait_idle()


def test_an_asterisk_with_domains_gets_the_served_one_and_the_journal_says_what_to_write(old: Site, lab: Lab) -> None:
    account = lab.accounts["1018"]
    old.asterisk.domains.add(lab.domain)
    with lab.client("198.18.1.31") as phone:
        registered(old, phone, account)
    advice = "write autodomain=yes or domain=198.19.0.10 into [general] of its sip.conf"
    eventually(lambda: advice in old.edge.log(), lambda: old.edge.log())


def refused_for_its_row(site: Site, lab: Lab, phone: Client, account: Account) -> None:
    """A row of type=peer: its phone registers, its calls are refused, and the journal says why."""
    registered(site, phone, account)
    invite = phone.request("INVITE", account.name, to=ECHO, extra=[SDP_TYPE], body=offer(phone.address))
    first, answer = phone.authenticated(invite, account)
    assert answer and answer.status == 403
    phone.send(refusal_acknowledged(proven(invite, first, account), answer).encoded())
    eventually(
        lambda: f"refuses a call of {account.name} with 403" in site.edge.log() and "type=friend" in site.edge.log(),
        "the journal says what to write",
    )
    told = site.edge.ask("accounts", account.name).stdout
    assert "type=peer cannot call" in told, told


def test_a_call_of_a_row_of_type_peer_is_refused_and_the_journal_says_why(old: Site, lab: Lab) -> None:
    other, account = lab.accounts["1019"], lab.accounts["1020"]
    old.asterisk.change(account.name, type="peer")
    old.asterisk.prune(account.name)
    with lab.client("198.18.1.32") as phone, lab.client("198.18.1.33") as before:
        # The one that is found by the edge's address.
        registered(old, before, other)
        refused_for_its_row(old, lab, phone, account)
    old.wait_idle()


def test_a_changed_password_that_asterisk_still_holds_is_told_with_its_remedy(stage: Stage, lab: Lab) -> None:
    """Of one version, since it takes as long as a refused registration waits."""
    site = stage.site([next(version for version in OLD_VERSIONS if version.version == "1.8")])
    account = Account("1021", "changed")
    with lab.client("198.18.1.34") as phone:
        registered(site, phone, lab.accounts["1021"])
        assert phone.register(lab.accounts["1021"], expires=0) == 200
        eventually(lambda: not site.asterisk.registered("1021"), "Asterisk holds no contact")
        site.asterisk.change("1021", secret=account.secret)
        eventually(lambda: phone.register(account) == 200, "the edge takes the new password")
        remedy = "sip prune realtime peer 1021"
        eventually(lambda: remedy in site.edge.log(), lambda: site.edge.log())
        site.asterisk.prune("1021")
        eventually(lambda: site.asterisk.registered("1021"), "Asterisk knows the account", TRIED_AGAIN_SECONDS)
    site.edge.ask("unban", "all")


@pytest.fixture
def real(stage: Stage, lab: Lab) -> Iterator[Site]:
    """A real Asterisk 16 with chan_sip and domains of its own."""
    stage.clear()
    site = Site(lab, [CHAN_SIP_16])
    with (site.asterisk.folder / "sip.conf").open("a") as general:
        general.write(f"domain={lab.domain}\n")
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute("UPDATE sippeers SET type = 'peer' WHERE name = '1020'")
    site.start()
    yield site
    site.stop()


def test_a_real_one_with_domains_and_a_row_of_type_peer_is_told_of_as_well(real: Site, lab: Lab) -> None:
    with lab.client("198.18.1.35") as phone, lab.client("198.18.1.36") as before:
        registered(real, before, lab.accounts["1019"])
        assert "write autodomain=yes or domain=198.19.0.10 into [general] of its sip.conf" in real.edge.log()
        refused_for_its_row(real, lab, phone, lab.accounts["1020"])
