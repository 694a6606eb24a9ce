"""Whose call it is, and who is shown as the caller: what a real Asterisk makes of what the edge sends it.

Each account has a context of its own, which tells whose call has come, with the caller as the dialplan and the CDR see it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from conftest import Lab, Site
from lab.accounts import CHAN_SIP, PJSIP, Account
from lab.asterisk import ECHO, Kind
from lab.clients import Client, proven
from lab.dialogs import SDP_TYPE, Talk, asked, offer, within
from lab.phones import Phone, Shelf
from lab.sip import Message
from lab.waiting import eventually

SEVENTH = Account("T7_102", "seven")
SECOND = Account("102", "second")
# The digest user of this one is the name of another; chan_sip has no such.
ALIAS = Account("103", "third")
GATEWAY = "1003"
TRAP = "4711"
# Dials the phone of 1002 from every account's context; and a number that calls are transferred to.
SECOND_PHONE = "2002"
ELSEWHERE = "30555"
CALLER = "+4930123"
ANONYMOUS = "sip:anonymous@anonymous.invalid"
ROWS = {
    CHAN_SIP: """
        INSERT INTO sippeers (name, type, host, secret, nat, directmedia, disallow, allow) VALUES
            ('T7_102', 'friend', 'dynamic', 'seven', 'no', 'no', 'all', 'ulaw'),
            ('102', 'friend', 'dynamic', 'second', 'no', 'no', 'all', 'ulaw');
        ALTER TABLE sippeers ADD COLUMN trustrpid VARCHAR(3);
        UPDATE sippeers SET trustrpid = 'yes', context = 'of-' || name;
    """,
    PJSIP: """
        INSERT INTO ps_endpoints (id, aors, auth, disallow, allow, direct_media, rewrite_contact, force_rport, rtp_symmetric) VALUES
            ('T7_102', 'T7_102', 'T7_102', 'all', 'ulaw', 'no', 'no', 'no', 'yes'),
            ('102', '102', '102', 'all', 'ulaw', 'no', 'no', 'no', 'yes'),
            ('103', '103', '103', 'all', 'ulaw', 'no', 'no', 'no', 'yes');
        INSERT INTO ps_auths (id, auth_type, username, password) VALUES
            ('T7_102', 'userpass', 'T7_102', 'seven'), ('102', 'userpass', '102', 'second'), ('103', 'userpass', '1001', 'third');
        INSERT INTO ps_aors (id, max_contacts) VALUES ('T7_102', 1), ('102', 1), ('103', 1);
        ALTER TABLE ps_endpoints ADD COLUMN trust_id_inbound VARCHAR(3);
        UPDATE ps_endpoints SET trust_id_inbound = 'yes', context = 'of-' || id;
    """,
}
CONTEXT = """
[of-{name}]
exten => _2XXX,1,Dial({channel}/1${{EXTEN:1}},30)
exten => _X.,1,Verbose(0,call of {name} from ${{CALLERID(num)}} named ${{CALLERID(name)}} ${{CALLERID(num-pres)}} cdr ${{CDR(src)}} end)
 same => n,Answer()
 same => n,Echo()
"""


@pytest.fixture(scope="module")
def site(lab: Lab, each_kind: Kind) -> Iterator[Site]:
    """A site whose Asterisk trusts the edge's word about callers, and tells of each call."""
    site = Site(lab, [each_kind])
    with closing(sqlite3.connect(site.database)) as database, database:
        database.executescript(ROWS[each_kind.schema])
    names = [*lab.accounts, SEVENTH.name, SECOND.name, ALIAS.name]
    with (site.asterisk.folder / "extensions.conf").open("a") as dialplan:
        dialplan.writelines(CONTEXT.format(name=name, channel=each_kind.channel) for name in names)
    with (site.asterisk.folder / "modules.conf").open("a") as modules:
        modules.write("load=func_cdr.so\n")
    site.settings.callers = [GATEWAY]
    site.settings.defence = {"traps": f"[\"{TRAP}\"]"}
    site.edge.write_settings(site.settings.text())
    site.start()
    yield site
    site.stop()


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with lab.client("198.18.1.40") as client:
        yield client


@dataclass
class Told:
    """What Asterisk has told of a call."""

    account: str
    number: str
    name: str
    presentation: str
    source: str


def call(client: Client, account: Account, sender: str, *extra: str) -> Talk:
    """A call of a phone that shows itself as `sender`, and was answered."""
    request = client.request("INVITE", account.name, to=ECHO, extra=[SDP_TYPE, *extra], body=offer(client.address))
    request.sender = sender
    first = asked(client, request)
    assert first.status == 407, first.raw.decode()
    return Talk.answered(client, account, proven(request, first, account))


def told(site: Site) -> Told:
    """Of the last call that has come since the log was marked."""

    def found() -> Told | None:
        lines = [line for line in site.asterisk.news().splitlines() if "call of " in line and line.endswith(" end")]
        if not lines:
            return None
        words = lines[-1].partition("call of ")[2].split(" ")
        middle = words[words.index("named") + 1 : words.index("cdr") - 1]
        return Told(words[0], words[2], " ".join(middle), words[words.index("cdr") - 1], words[words.index("cdr") + 1])

    return eventually(found, lambda: f"a call was told of: {site.asterisk.news()}")


def told_of_call(site: Site, client: Client, account: Account, sender: str, *extra: str) -> Told:
    """Calls, hangs up, and tells what Asterisk has told."""
    site.asterisk.mark_log()
    assert call(client, account, sender, *extra).hang_up() == 200
    site.wait_idle()
    return told(site)


def test_a_phone_that_calls_anonymously_is_its_account_and_hidden(site: Site, client: Client, lab: Lab) -> None:
    claims = [f"P-Preferred-Identity: <sip:{CALLER}@{lab.domain}>", "Privacy: id"]
    seen = told_of_call(site, client, lab.accounts["1001"], ANONYMOUS, *claims)
    assert (seen.account, seen.number, seen.source) == ("1001", "1001", "1001")
    assert seen.presentation.startswith("prohib")


def test_a_gateway_that_may_shows_its_callers(site: Site, client: Client, lab: Lab) -> None:
    seen = told_of_call(site, client, lab.accounts[GATEWAY], f"sip:{CALLER}@{lab.domain}")
    assert (seen.account, seen.number, seen.source) == (GATEWAY, CALLER, CALLER)
    assert seen.presentation.startswith("allowed")


@pytest.mark.parametrize("caller", ["1001", TRAP[:-1] + "x"])
def test_a_gateway_does_not_show_an_account_or_what_is_no_number(site: Site, client: Client, lab: Lab, caller: str) -> None:
    seen = told_of_call(site, client, lab.accounts[GATEWAY], f"sip:{caller}@{lab.domain}")
    assert (seen.account, seen.number, seen.source) == (GATEWAY, GATEWAY, GATEWAY)


def test_the_name_of_a_trap_is_a_caller_like_any_other(site: Site, client: Client, lab: Lab) -> None:
    seen = told_of_call(site, client, lab.accounts[GATEWAY], f"sip:{TRAP}@{lab.domain}")
    assert (seen.account, seen.number) == (GATEWAY, TRAP)
    assert site.edge.bans() == []


def test_an_account_that_may_not_is_shown_itself(site: Site, client: Client, lab: Lab) -> None:
    claims = [f"P-Asserted-Identity: <sip:{CALLER}@{lab.domain}>", f"Remote-Party-ID: <sip:{CALLER}@{lab.domain}>;party=calling"]
    seen = told_of_call(site, client, lab.accounts["1002"], f"sip:{CALLER}@{lab.domain}", *claims)
    assert (seen.account, seen.number, seen.source) == ("1002", "1002", "1002")


def test_the_username_of_the_digest_says_which_account_it_is(site: Site, client: Client, lab: Lab) -> None:
    assert told_of_call(site, client, SEVENTH, f"sip:102@{lab.domain}").account == SEVENTH.name
    assert told_of_call(site, client, SECOND, f"sip:102@{lab.domain}").account == SECOND.name


def test_an_account_whose_digest_user_is_the_name_of_another_is_itself(site: Site, client: Client, lab: Lab) -> None:
    if site.asterisk.kind.schema == CHAN_SIP:
        pytest.skip("in chan_sip the digest user is the account's name")
    seen = told_of_call(site, client, Account("1001", ALIAS.secret), f"sip:{ALIAS.name}@{lab.domain}")
    assert seen.account == ALIAS.name
    assert told_of_call(site, client, lab.accounts["1001"], f"sip:1001@{lab.domain}").account == "1001"


@pytest.mark.parametrize("other", ["1002", "4712"])
def test_a_phone_registers_for_nobody_else(site: Site, client: Client, lab: Lab, other: str) -> None:
    account = lab.accounts["1001"]
    for _ in range(7):
        request = client.request("REGISTER", account.name, to=other, extra=["Expires: 600"])
        first = asked(client, request)
        assert first.status == 401
        assert asked(client, proven(request, first, account)).status == 403
    assert site.edge.bans() == []
    assert site.edge.phones() == []
    assert client.register(account) == 200
    assert client.register(account, expires=0) == 200


@pytest.mark.parametrize("sender", [ANONYMOUS, f"sip:{CALLER}@example.test"])
def test_a_call_goes_on_as_its_accounts_when_the_router_was_replaced(site: Site, client: Client, lab: Lab, sender: str) -> None:
    talk = call(client, lab.accounts["1001"], sender)
    site.edge.kill_component("sip-router")
    renewed = asked(client, talk.request("INVITE", body=offer(client.address)))
    assert renewed.status == 200
    assert renewed.header("from").startswith(f"<{sender}>")
    client.send(within(talk.invite, "ACK", talk.answer, talk.cseq).encoded())
    assert talk.hang_up() == 200
    site.wait_idle()


def test_asterisk_ends_the_call_of_a_phone_that_was_anonymous(site: Site, client: Client, lab: Lab) -> None:
    talk = call(client, lab.accounts["1001"], ANONYMOUS)
    site.asterisk.cli("channel request hangup all")
    bye = next_request(client, "BYE")
    assert f"tag={talk.invite.from_tag}" in bye.header("to")


def next_request(client: Client, method: str) -> Message:
    """The next request of a method; it and those before it get a 200."""

    def found() -> Message | None:
        message = client.receive(1)
        if message is None or message.status:
            return None
        lines = [f"{name}: {value}" for name, value in message.headers if name in ("via", "from", "to", "call-id", "cseq")]
        client.send(("\r\n".join(["SIP/2.0 200 OK", *lines, "content-length: 0"]) + "\r\n\r\n").encode())
        return message if message.method == method else None

    return eventually(found, f"{method} comes")


# --- Transfers


def call_of_two(site: Site, shelf: Shelf, client: Client, lab: Lab, sender: str) -> tuple[Talk, Phone]:
    """A call that 1001 has made, shown as `sender`, and that the phone of 1002 has answered."""
    phone = shelf.phone().register(lab.accounts["1002"], "udp", lab.domain)
    eventually(lambda: site.asterisk.registered("1002"), "Asterisk knows the called account")
    site.asterisk.mark_log()
    account = lab.accounts["1001"]
    request = client.request("INVITE", account.name, to=SECOND_PHONE, extra=[SDP_TYPE], body=offer(client.address))
    request.sender = sender
    invite = proven(request, asked(client, request), account)
    client.send(invite.encoded())
    phone.answer().wait_established()
    answer = client.receive_final()
    assert answer and answer.status == 200, answer
    client.send(within(invite, "ACK", answer, invite.cseq).encoded())
    return Talk(client, account, invite, answer, invite.cseq), phone


@pytest.mark.parametrize("sender", ["", ANONYMOUS], ids=["shown", "anonymous"])
def test_a_call_that_the_caller_transfers_is_of_the_callers_account(
    site: Site, shelf: Shelf, client: Client, lab: Lab, sender: str
) -> None:
    """What the phone of 1002 is sent to is dialled where 1001 may dial."""
    talk, phone = call_of_two(site, shelf, client, lab, sender or f"sip:1001@{lab.domain}")
    refer = talk.request("REFER", f"Refer-To: <sip:{ELSEWHERE}@{lab.domain}>")
    refer = proven(refer, asked(client, refer), talk.account)
    talk.cseq = refer.cseq
    accepted = asked(client, refer)
    assert accepted.status == 202, accepted.raw.decode()
    seen = told(site)
    # The phone of 1002 is the caller now, under the number that was dialled for it.
    assert (seen.account, seen.number, seen.source) == ("1001", SECOND_PHONE, SECOND_PHONE)
    phone.wait_hearing(phone.tone)
    eventually(lambda: next_request(client, "NOTIFY").body.startswith(b"SIP/2.0 200"), "the phone hears that it went well")
    assert talk.hang_up() == 200
    phone.hang_up().wait_closed()
    site.wait_idle()


@pytest.mark.parametrize("sender", ["", ANONYMOUS], ids=["shown", "anonymous"])
def test_a_call_that_the_called_phone_transfers_is_of_its_account_and_shows_the_caller(
    site: Site, shelf: Shelf, client: Client, lab: Lab, sender: str
) -> None:
    """1001 is sent on by 1002, to where 1002 may dial, and stays hidden when it was."""
    talk, phone = call_of_two(site, shelf, client, lab, sender or f"sip:1001@{lab.domain}")
    phone.order("transfer", f"sip:{ELSEWHERE}@{lab.domain}")
    seen = told(site)
    assert (seen.account, seen.number, seen.source) == ("1002", "1001", "1001")
    assert seen.presentation.startswith("prohib" if sender else "allowed")
    phone.hang_up().wait_closed()
    assert talk.hang_up() == 200
    site.wait_idle()
