"""Accounts in FreePBX's database (`freepbx://`): the same as in the files that FreePBX writes from it, before a real MariaDB and Asterisk."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.asterisk import PJSIP_22
from lab.clients import Client
from lab.database_server import MariaDB
from lab.freepbx import FILES, TABLES, Extension, view, write_files
from lab.rempart import Rempart
from lab.waiting import eventually

# Three times what a source takes to be opened, and to be told of.
TOLD = 30.0
PASSWORD = "it's a; \\secret"
HASHED = Account("1103", "new")
FIRST, SECOND = Extension("1101", "secret-of-1101"), Extension("1102", "secret of 1102", more={"username": "other", "max_contacts": "3"})
EXTENSIONS = [
    FIRST,
    SECOND,
    Extension("1103", "old", more={"md5_cred": hashlib.md5(b"1103:asterisk:new").hexdigest()}),
    Extension("1104", "secret-of-1104", table="emergencydevices"),
    Extension("1105", ""),
    Extension("anna", "small"),
]
# What FreePBX writes no extension of.
OTHERS = [
    Extension("1201", "left", table=None),
    Extension("tr-peer-1", "trunk", tech="sip", table=None, more={"host": "192.0.2.1", "type": "peer"}),
    Extension("-1", "global", table=None),
    Extension("1202", "iax", tech="iax2"),
]
CHAN_SIP = [
    Extension("1301", "s", tech="sip", more={"permit": "198.18.1.0/255.255.255.0&192.0.2.0/255.255.255.0"}),
    Extension("1302", "s", tech="sip", more={"permit": "192.0.2.0/255.255.255.0"}),
]
CONF = """<?php
$amp_conf['AMPDBUSER'] = 'nobody'; // $amp_conf['AMPDBUSER'] = 'no';
$amp_conf['AMPDBUSER'] = 'freepbxuser';
$amp_conf["AMPDBPASS"] = 'it\\'s a; \\\\secret';
$amp_conf['AMPDBHOST'] = 'localhost';
$amp_conf['AMPDBSOCK'] = '{socket}';
$amp_conf['AMPDBNAME'] = 'asterisk';
$amp_conf['AMPDBENGINE'] = 'mysql';
$amp_conf['datasource'] = ''; //for sqlite3
require_once('/var/www/html/admin/bootstrap.php');
?>
"""


class Ground:
    """An edge before an Asterisk 22 that has FreePBX's files, and the database that they were written from."""

    def __init__(self, lab: Lab, server: MariaDB) -> None:
        self.server = server
        server.make([])
        server.execute(TABLES)
        server.execute("CREATE USER freepbxuser@localhost IDENTIFIED BY 'it''s a; \\\\secret'; GRANT ALL ON asterisk.* TO freepbxuser@localhost")
        for extension in [*EXTENSIONS, *OTHERS]:
            server.execute(extension.sql())
        self.folder = lab.new_folder("etc")
        write_files(self.folder, EXTENSIONS)
        (self.folder / "pjsip.conf").write_text("".join(f"#include {name}\n" for name in FILES))
        self.conf = self.folder / "freepbx.conf"
        self.write_conf()
        self.secret = lab.new_folder("secret") / "secret"
        self.secret.write_text("view\n")
        self.secret.chmod(0o600)
        self.site = Site(lab, [PJSIP_22], more={"pjsip.conf": "".join(f"#include {self.folder}/{name}\n" for name in FILES)})
        self.site.settings.schema = None
        self.site.settings.defence = {"allow": "[198.18.1.0/24]"}
        self.own = f"freepbx://{self.conf}"
        self.site.edge = lab.rempart(self.text(self.own))
        self.phone: Client = lab.client("198.18.1.39")

    @property
    def edge(self) -> Rempart:
        return self.site.edge

    def write_conf(self, text: str = CONF) -> None:
        self.conf.write_text(text.replace("{socket}", f"{self.server.folder}/socket"))
        self.conf.chmod(0o644)

    def text(self, *source: str) -> str:
        return self.site.settings.text().replace(f"sqlite://{self.site.database}", "\n  ".join(source))

    def use(self, *source: str) -> None:
        """Has the edge read the accounts there."""
        self.edge.write_settings(self.text(*source))
        assert self.edge.ask("reload").returncode == 0
        eventually(lambda: self.edge.ask("accounts", FIRST.name).returncode == 0, lambda: f"it is read:\n{self.edge.log()}", TOLD, every=0.5)

    def explained(self, name: str) -> dict:
        done = self.edge.ask("accounts", name, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def listed(self) -> set[str]:
        done = self.edge.ask("accounts", "--json")
        assert done.returncode == 0, done.stderr
        return {row["account"] for row in json.loads(done.stdout)}

    def facts(self, name: str) -> dict:
        """What every source has to say alike."""
        row = self.explained(name)
        return {key: row[key] for key in ("account", "isAccount", "user", "algorithms", "mayRegister", "access")}

    def live(self, *source: str) -> str:
        file = self.edge.folder / "other.yaml"
        file.write_text(self.text(*source))
        done = self.edge.run("check", "--live", "--settings", str(file), timeout=60)
        return done.stdout + done.stderr

    def set(self, name: str, keyword: str, data: str) -> None:
        self.server.execute(f"UPDATE sip SET data = '{data}' WHERE id = '{name}' AND keyword = '{keyword}'")


@pytest.fixture(scope="module")
def ground(lab: Lab) -> Iterator[Ground]:
    server = MariaDB(lab.new_folder("server"))
    ground = None
    try:
        ground = Ground(lab, server)
        ground.site.start()
        yield ground
    finally:
        if ground:
            ground.site.stop()
            ground.phone.socket.close()
        server.kill()


@pytest.fixture(autouse=True)
def as_it_was(ground: Ground) -> Iterator[None]:
    yield
    ground.write_conf()
    ground.use(ground.own)


def test_the_database_and_the_files_have_the_same_accounts(ground: Ground) -> None:
    # To the command `-1` is an option; a phone asks for it below.
    names = [extension.name for extension in [*EXTENSIONS, *OTHERS] if extension.name != "-1"] + ["nobody", "Anna"]
    of_database, listed = {name: ground.facts(name) for name in names}, ground.listed()
    ground.use(f"asterisk://{ground.folder}")
    assert ground.explained(FIRST.name)["source"].startswith(f"{ground.folder}/pjsip.endpoint.conf")
    of_files = {name: ground.facts(name) for name in names}
    assert of_database == of_files
    assert listed == ground.listed() == {extension.name for extension in EXTENSIONS}
    assert {name for name in names if of_database[name]["isAccount"]} == {"1101", "1102", "1103", "1104", "anna"}


def test_a_phone_registers_with_either_source_and_at_asterisk(ground: Ground) -> None:
    for source in (ground.own, f"asterisk://{ground.folder}"):
        ground.use(source)
        for account in (FIRST.account, HASHED, EXTENSIONS[3].account):
            assert ground.phone.register(account) == 200, (source, account)
            eventually(lambda name=account.name: ground.site.asterisk.registered(name), f"{account.name} at Asterisk")
        for account in (Account("1101", "wrong"), Account("1103", "old"), EXTENSIONS[4].account, *(other.account for other in OTHERS), Account("Anna", "small")):
            assert ground.phone.register(account) == 401, (source, account)


def test_a_new_secret_counts_at_once_and_a_deleted_extension_is_none(ground: Ground) -> None:
    new = Extension("1109", "old")
    ground.server.execute(new.sql())
    assert ground.phone.register(new.account) == 200
    ground.set("1109", "secret", "new")
    eventually(lambda: ground.phone.register(Account("1109", "new")) == 200, "the new one")
    ground.server.execute("DELETE FROM devices WHERE id = '1109'")
    assert not ground.explained("1109")["isAccount"]


def test_the_view_is_enough_for_a_login_with_the_least_rights(ground: Ground) -> None:
    ground.server.execute(view())
    ground.server.execute("CREATE USER least@localhost IDENTIFIED BY 'view'; GRANT SELECT ON asterisk.rempart_accounts TO least@localhost")
    try:
        own = [ground.own, "user: least", f"secret-file: {ground.secret}"]
        assert "good: pjsip, 5 accounts" in ground.live(*own)
        ground.use(*own)
        assert ground.phone.register(FIRST.account) == 200
        assert "rempart_accounts id=1101" in ground.edge.ask("accounts", "1101").stdout
        assert ground.facts("1102")["user"] == "other"
    finally:
        ground.server.execute("DROP VIEW rempart_accounts; DROP USER least@localhost")


def test_access_lists_count_for_chan_sip_and_the_driver_is_chosen(ground: Ground) -> None:
    for extension in CHAN_SIP:
        ground.server.execute(extension.sql())
    try:
        assert "set accounts.schema" in ground.live(ground.own)
        ground.use(ground.own, "schema: chan_sip")
        assert ground.listed() == {"1301", "1302"}
        assert [ground.phone.register(extension.account) for extension in CHAN_SIP] == [200, 401]
        assert not ground.explained("1101")["isAccount"]
    finally:
        ground.server.execute("DELETE FROM sip WHERE id LIKE '13%'; DELETE FROM devices WHERE id LIKE '13%'")


def test_what_is_wrong_with_the_file_is_told_with_the_remedy(ground: Ground) -> None:
    assert f"{ground.own}: good: pjsip, 6 accounts" in ground.live(ground.own)
    ground.conf.chmod(0o600)
    said = ground.live(ground.own)
    assert f"{ground.conf} cannot be opened (Permission denied)" in said, said
    ground.write_conf(CONF.replace("'freepbxuser'", "getenv('X')"))
    assert "AMPDBUSER is no plain text in quotes" in ground.live(ground.own)
    ground.write_conf(CONF.replace("'mysql'", "'sqlite3'"))
    assert "AMPDBENGINE is not mysql" in ground.live(ground.own)
    assert "there is no /nowhere/freepbx.conf" in ground.live("freepbx:///nowhere/freepbx.conf")


def test_a_file_that_breaks_costs_nobody_and_another_one_is_read(ground: Ground) -> None:
    ground.write_conf(CONF.replace("'freepbxuser'", "getenv('X')"))
    eventually(
        lambda: any("AMPDBUSER" in row["text"] for row in ground.edge.status()["conditions"]), lambda: f"it is told:\n{ground.edge.log()}", TOLD
    )
    assert ground.phone.register(EXTENSIONS[5].account) == 200
    other = ground.folder / "new.conf"
    other.write_text(CONF.replace("{socket}", f"{ground.server.folder}/socket"))
    other.chmod(0o644)
    other.rename(ground.conf)
    eventually(
        lambda: not any("AMPDBUSER" in row["text"] for row in ground.edge.status()["conditions"]), lambda: f"all is read:\n{ground.edge.log()}", TOLD
    )
    # A new file takes a new accounts-reader, which no other phone waits for.
    assert ground.phone.register(EXTENSIONS[5].account) == 200
    eventually(lambda: ground.phone.register(FIRST.account) == 200, lambda: f"the others register:\n{ground.edge.log()}", TOLD, every=0.2)
    assert "only accounts that are known" not in ground.edge.log()
