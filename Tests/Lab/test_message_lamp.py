"""The message lamp: each phone that is new to an account, or was started anew, is told how many messages wait."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import CHAN_SIP_16, PJSIP_16, PJSIP_22, Kind, Lab, Site
from lab.accounts import CHAN_SIP, Account
from lab.clients import Client, proven
from lab.waiting import eventually

# What Asterisk tells of a phone comes with its REGISTER there, which follows within five seconds at the most.
TOLD = 3 * 5
MAILBOX = "1001@lamps"
# Debian's Asterisk 16 has no app_voicemail without another package; minivm tells of messages too.
MODULES = {CHAN_SIP: ["app_minivm"], "pjsip": ["app_minivm", "res_pjsip_mwi", "res_pjsip_mwi_body_generator"]}
COLUMNS = {CHAN_SIP: ("sippeers", "mailbox", "name"), "pjsip": ("ps_endpoints", "mailboxes", "id")}


@pytest.fixture(scope="module", params=[CHAN_SIP_16, PJSIP_16, PJSIP_22], ids=str)
def lamp_site(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Site]:
    kind: Kind = request.param
    more = {
        "modules.conf": "".join(f"load={name}.so\n" for name in MODULES[kind.schema]),
        "minivm.conf": "[general]\n",
        "extensions.conf": f"[lamps]\nexten => leave,1,MinivmMWI({MAILBOX},0,3,1)\n same => n,Hangup()\n",
    }
    site = Site(lab, [kind], more=more)
    # What an Asterisk of another module has kept is told of its messages at the start.
    for kept in site.asterisk.folder.glob("astdb*"):
        kept.unlink()
    table, column, key = COLUMNS[kind.schema]
    with closing(sqlite3.connect(site.database)) as database, database:
        database.execute(f"ALTER TABLE {table} ADD COLUMN {column} VARCHAR(255)")
        database.execute(f"UPDATE {table} SET {column} = '{MAILBOX}' WHERE {key} = '1001'")
    try:
        site.start()
        site.asterisk.cli("channel originate Local/leave@lamps application Echo")
        eventually(lambda: "[leave@lamps:2]" in site.asterisk.log(), "the messages are left")
        yield site
    finally:
        site.stop()


def registered(client: Client, account: Account) -> None:
    """Registers as a phone does that has just been started, with a Call-ID of its own."""
    request = client.request("REGISTER", account.name, extra=["Expires: 600"])
    challenge = client.answer_to(request)
    assert challenge
    client.send(proven(request, challenge, account).encoded())


class Lamp:
    """What a phone is told of its messages; it answers all that it is asked, and the same again when it comes again."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known: set[str] = set()

    def next(self) -> str:
        """The messages that it is told of the next time."""
        deadline = time.monotonic() + TOLD
        while (left := deadline - time.monotonic()) > 0:
            message = self.client.receive(left)
            if message is None or message.status:
                continue
            kept = [f"{name}: {value}" for name, value in message.headers if name in ("via", "from", "to", "call-id", "cseq")]
            self.client.send("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode())
            if message.method == "NOTIFY" and message.header("via") not in self.known:
                self.known.add(message.header("via"))
                lines = [line.lower().split() for line in message.body.decode().splitlines()]
                return next((words[1] for words in lines if words[:1] == ["voice-message:"]), "")
        return "nothing was told"


def test_a_second_phone_and_one_that_was_started_anew_are_told_of_messages(lamp_site: Site, lab: Lab) -> None:
    account = lab.accounts["1001"]
    with lab.client("198.18.1.21") as first, lab.client("198.18.1.22") as second:
        lamps = Lamp(first), Lamp(second)
        registered(first, account)
        assert lamps[0].next() == "3/1"
        # Asterisk knows of one phone, and tells both.
        registered(second, account)
        assert [lamp.next() for lamp in lamps] == ["3/1", "3/1"]
        # The same Contact, as of a phone that has lost its power, and another Call-ID.
        registered(first, account)
        assert [lamp.next() for lamp in lamps] == ["3/1", "3/1"]
