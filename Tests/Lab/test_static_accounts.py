"""Accounts in Asterisk's own files (`asterisk://`): what a change of the files does, and what is said of them.

The edge reads the folder that Asterisk reads: accounts by turns in pjsip.conf and pjsip_wizard.conf, or in sip.conf and
users.conf, each with templates, inclusions by pattern and sections that go on with `(+)`. test_account_sources.py has
their phones call each other.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Lab, Site
from lab.account_sources import STYLES, StaticFiles, write_accounts
from lab.accounts import CHAN_SIP, PJSIP, Account
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22
from lab.rempart import Rempart
from lab.waiting import eventually

# The one stands in the file of the channel driver, the other in the one beside it.
FIRST, SECOND = Account("1501", "secret-of-1501"), Account("1502", "secret-of-1502")
# Promised is 3 s.
DEADLINE = 9.0
RELOAD = {CHAN_SIP: ["sip reload"], PJSIP: ["module reload res_pjsip_config_wizard.so", "module reload res_pjsip.so"]}
# One of each channel driver, all with REMPART_ALL.
KINDS = [CHAN_SIP_16, PJSIP_22, *([PJSIP_16] if os.environ.get("REMPART_ALL") else [])]


class Ground:
    """An edge and an Asterisk that read one folder."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.style = STYLES[site.asterisk.kind.schema][0]
        self.main = self.folder / self.style.file
        self.right = self.main.read_text()

    @property
    def edge(self) -> Rempart:
        return self.site.edge

    @property
    def folder(self) -> Path:
        return self.site.asterisk.folder

    def write(self, *accounts: Account) -> None:
        """These accounts and no other, at Asterisk too."""
        write_accounts(self.site.asterisk, accounts)
        for line in RELOAD[self.site.asterisk.kind.schema]:
            self.site.asterisk.cli(line)

    def append(self, line: str) -> str:
        """Adds a line to the main file; how it is called in what is said of it."""
        self.main.write_text(f"{self.main.read_text()}{line}\n")
        return f"{self.main}:{len(self.main.read_text().splitlines())}: "

    def restore(self) -> None:
        """The two accounts as at first, at both, and all read."""
        self.main.write_text(self.right)
        self.write(FIRST, SECOND)
        names = [FIRST.name, SECOND.name]
        within(lambda: self.unread() == "" and self.names() == names, lambda: f"all is read: {self.edge.status()}")

    def registered(self) -> set[str]:
        return {phone["account"] for phone in self.edge.phones()}

    def names(self) -> list[str]:
        """The accounts as they are listed."""
        done = self.edge.ask("accounts", "--json")
        assert done.returncode == 0, done.stderr
        return [row["account"] for row in json.loads(done.stdout)]

    def unread(self) -> str:
        """The condition about the source; empty when all of it is read."""
        return "\n".join(row["text"] for row in self.edge.status()["conditions"] if row["kind"] == "source")


@pytest.fixture(scope="module", params=KINDS, ids=str)
def running(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    more = {"asterisk.conf": "execincludes=yes\n"}
    site = Site(lab, [request.param], more=more, source=StaticFiles([FIRST, SECOND]))
    try:
        site.start()
        yield Ground(site)
    finally:
        site.stop()


@pytest.fixture
def ground(running: Ground) -> Ground:
    running.restore()
    return running


def within(what: Callable[[], bool], said: str | Callable[[], str]) -> None:
    eventually(what, said, DEADLINE, every=0.2)


def test_a_changed_password_counts_within_seconds(ground: Ground, lab: Lab) -> None:
    changed = Account(FIRST.name, "another secret")
    with lab.client("198.18.2.32") as first, lab.client("198.18.2.33") as second:
        assert first.register(FIRST) == 200
        assert second.register(SECOND) == 200
        ground.write(changed, SECOND)
        within(lambda: ground.registered() == {SECOND.name}, "what the old one let in ends")
        assert first.register(FIRST) == 401
        assert first.register(changed) == 200
        eventually(lambda: ground.site.asterisk.registered(FIRST.name), "Asterisk has read it too")


def test_an_account_that_is_gone_is_refused_and_one_that_has_come_is_served(ground: Ground, lab: Lab) -> None:
    third = Account("1503", "secret-of-1503")
    with lab.client("198.18.2.34") as second, lab.client("198.18.2.35") as new:
        assert second.register(SECOND) == 200
        assert new.register(third) == 401
        ground.write(FIRST, third)
        within(lambda: SECOND.name not in ground.registered(), "what is gone ends")
        assert second.register(SECOND) == 401
        assert new.register(third) == 200
        eventually(lambda: ground.site.asterisk.registered(third.name), "Asterisk has read it too")


@pytest.mark.parametrize("which", ["the main one", "one that it includes"])
def test_a_broken_file_ends_nothing_and_is_told_with_its_line(ground: Ground, lab: Lab, which: str) -> None:
    with lab.client("198.18.2.36") as client, lab.client("198.18.2.37") as other:
        assert client.register(FIRST) == 200
        assert other.register(SECOND) == 200
        # What has come meanwhile does not count either.
        write_accounts(ground.site.asterisk, [FIRST, Account("1503", "secret-of-1503")])
        if which == "the main one":
            place = ground.append("[broken")
        else:
            path = ground.folder / ground.style.folder / f"{FIRST.name}.conf"
            path.write_text(f"[broken\n{path.read_text()}")
            place = f"{path}:1: "
        within(lambda: ground.unread().startswith(place), lambda: f"status names {place}: {ground.unread()}")
        assert ground.registered() == {FIRST.name, SECOND.name}
        assert client.register(FIRST) == 200
        assert other.register(SECOND) == 200
        assert ground.names() == [FIRST.name, SECOND.name]


def test_a_program_is_told_with_its_line_and_not_run(ground: Ground, lab: Lab) -> None:
    program, ran = ground.folder / "program", ground.folder / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    place = ground.append(f"#exec {program}")
    within(lambda: ground.unread().startswith(place), lambda: f"status names {place}: {ground.unread()}")
    assert "save the program's output in a file" in ground.unread()
    assert not ran.exists()
    with lab.client("198.18.2.38") as client:
        assert client.register(FIRST) == 200


def test_accounts_are_listed_and_traced_with_their_lines(ground: Ground) -> None:
    assert ground.names() == [FIRST.name, SECOND.name]
    row = json.loads(ground.edge.ask("accounts", FIRST.name, "--json").stdout)
    assert row["isAccount"] and row["mayRegister"] and row["user"] == FIRST.name
    place = f"{ground.folder / ground.style.folder / FIRST.name}.conf:1"
    assert row["source"] == place
    assert any(step["lookUp"].startswith(place) for step in row["lookUps"]), row
    assert FIRST.secret not in json.dumps(row)
    none = json.loads(ground.edge.ask("accounts", "phone", "--json").stdout)
    assert not none["isAccount"] and none["why"].startswith("no section of ")


def test_check_live_counts_them(ground: Ground) -> None:
    done = ground.edge.run("check", "--live", "--settings", str(ground.edge.settings))
    assert done.returncode == 0, done.stderr
    assert f"asterisk://{ground.folder}: good: " in done.stdout and "2 accounts" in done.stdout
