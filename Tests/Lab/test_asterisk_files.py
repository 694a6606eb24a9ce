"""Rempart reads Asterisk's own configuration files as Asterisk does: both are given the same files."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import PBX_OF, Lab
from lab.ami import MANAGER_CONF, Manager
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22, Asterisk, Kind
from lab.configurations import Configuration, Generator
from lab.rempart import binaries_folder

# How many cases, and where the chance begins; `make differential` asks for more.
CASES = int(os.environ.get("REMPART_CONFIGURATIONS", "1000"))
SEED = int(os.environ.get("REMPART_SEED", "1"))
# What Asterisk would not survive, or Rempart's limits do not take; nothing is asked of Asterisk then.
REFUSED = ("Asterisk hangs here", "write it without", "rename it")
Reading = list[list] | str | None


PJSIP_CONF = r"""
[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw

[plain](phone)
auth=plain
aors=plain
[plain]
type=auth
username=pla;in
username=plain
password=first
password= p\;w:"d'=x # y ; a comment
[plain]
type=aor
max_contacts=1
MAX_CONTACTS=4

; The first type decides.
[firsttype](phone)
type=aor
auth=both
[both]
type=auth
type=endpoint
username=both
password=x
[lists](phone)
deny=
acl=
auth= plain , both,
aors=plain, second
[second]
type=aor
[second](+type=aor)
max_contacts=9
[hash](phone)
auth=hash
aors=second
[hash](phone,!)
[hash]
type=auth
auth_type=md5
username=hash
md5_cred=0123456789abcdef0123456789abcdef
;--
[commented](phone)
--;
"""

PJSIP_WIZARD_CONF = """
[wizards](!)
type=wizard
accepts_registrations=yes
accepts_auth=on
endpoint/context=phones
endpoint/disallow=all
endpoint/allow=ulaw
aor/max_contacts=2
[wizard1](wizards)
inbound_auth/username=wizard1
inbound_auth/password=secret1
[wizard2](wizards)
inbound_auth/username=other
inbound_auth/password=secret2
endpoint/auth=nowhere
endpoint/aors=nowhere
accepts_auth=no
[wizard3](wizards)
inbound_auth/password=no-user
[wizard4](wizards)
sends_auth=yes
inbound_auth/username=wizard4
inbound_auth/password=no-outbound-user
[twice](wizards)
inbound_auth/username=first
inbound_auth/password=first
[twice](wizards)
inbound_auth/username=second
inbound_auth/password=second
[plain](wizards)
inbound_auth/username=wizard
inbound_auth/password=wizard
"""

EXTCONFIG_CONF = """
x1 => sqlite3,db1
x2 => sqlite3,db2,table2
x3 => sqlite3,db3,table3,2
X4=sqlite3,"d,b4",table4
x5 => sqlite3, "db5" junk,table5,3
x6 => sqlite3,db6,,1
x7 => sqlite3, db7 , table7 ,x
x8 => sqlite3,"db8",,
x9 => sqlite3,db9
x9 => sqlite3,db10
"""

ACL_CONF = """
[base](!)
deny=0.0.0.0/0
[office](base)
PERMIT=10.0.0.0/8
deny=10.0.0.1
[Office]
permit=10.0.0.0/8
[twice]
permit=10.0.0.0/8
[empty]
[twice](base)
"""

SIP_CONF = """
[phone](!)
type=friend
host=dynamic
[100](phone)
secret=a
secret=b;c
[101](phone)
md5secret=0123456789abcdef0123456789abcdef
deny=0.0.0.0/0
permit=127.0.0.0/8
[102](phone)
host=127.0.0.9
deny=
[user]
type=user
secret=x
[notype]
secret=x
[Twice]
type=user
secret=x
[tWICE]
type=peer
host=dynamic
"""


USERS_CONF = """
[general]
hassip=yes
host=dynamic
secret=common
[6000]
fullname=Six
[6001]
host=127.0.0.8
[6002]
hassip=no
"""


def started(lab: Lab, kind: Kind, additions: dict[str, str]) -> Asterisk:
    database = lab.database(kind.schema)
    return Asterisk(lab.network, kind, PBX_OF[kind], lab.folder, database, {"manager.conf": MANAGER_CONF} | additions).start()


@pytest.fixture(scope="module", params=[PJSIP_16, PJSIP_22], ids=str)
def asterisk(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Asterisk]:
    asterisk = started(
        lab,
        request.param,
        {
            "pjsip.conf": PJSIP_CONF,
            "pjsip_wizard.conf": PJSIP_WIZARD_CONF,
            "modules.conf": "load=res_pjsip_config_wizard.so\n",
            "extconfig.conf": EXTCONFIG_CONF,
            "acl.conf": ACL_CONF,
        },
    )
    yield asterisk
    asterisk.stop()


def own_readings(folder: Path, names: list[str]) -> list[Reading]:
    """What Rempart reads of files below a folder."""
    done = subprocess.run(
        [binaries_folder() / "asterisk-files-reader", folder],
        input="".join(f"{name}\n" for name in names),
        text=True,
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def asterisk_reading(manager: Manager, name: str) -> Reading:
    """What Asterisk reads of one."""
    read = manager.configuration(name)
    if isinstance(read, list):
        return [[section.name, section.is_template, section.lines] for section in read]
    return None if "not found" in read else read


def agree(own: Reading, asterisks: Reading) -> bool:
    """Whether both are the same sections, or both are a fault."""
    return own == asterisks or (isinstance(own, str) and isinstance(asterisks, str))


def write(folder: Path, case: Configuration) -> None:
    for name, text in case.files.items():
        path = folder / case.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def test_generated_files_are_read_as_asterisk_reads_them(asterisk: Asterisk) -> None:
    generator = Generator(SEED)
    cases = [generator.configuration(f"g{number}") for number in range(CASES)]
    for case in cases:
        write(asterisk.folder, case)
    manager = Manager(asterisk)
    refused, faults, differing = 0, 0, []
    for case, own in zip(cases, own_readings(asterisk.folder, [case.main for case in cases]), strict=True):
        if isinstance(own, str) and own.endswith(REFUSED):
            refused += 1
            continue
        faults += isinstance(own, str)
        asterisks = asterisk_reading(manager, case.main)
        if not agree(own, asterisks):
            differing.append(f"{case.files}\n  Rempart:  {own}\n  Asterisk: {asterisks}")
    manager.close()
    shown = "\n".join(differing[:5])
    assert not differing, f"{len(differing)} of {CASES} differ (seed {SEED}), such as\n{shown}"
    # Most cases say something: few are refused, and many are no fault.
    assert refused < CASES / 20
    assert faults < CASES * 2 / 3


def test_debians_samples_are_read_as_asterisk_reads_them(asterisk: Asterisk) -> None:
    shutil.copytree(asterisk.root / "etc/asterisk", asterisk.folder / "samples")
    names = [f"samples/{path.name}" for path in sorted((asterisk.folder / "samples").glob("*.conf"))]
    manager = Manager(asterisk)
    theirs = {name: asterisk_reading(manager, name) for name in names}
    manager.close()
    ours = dict(zip(names, own_readings(asterisk.folder, names), strict=True))
    assert [name for name in names if not agree(ours[name], theirs[name])] == []
    assert len(names) > 80
    assert sum(isinstance(read, list) for read in ours.values()) > 80


def own_accounts(folder: Path) -> list[list]:
    """What Rempart reads of accounts: PJSIP's endpoints, chan_sip's peers, and the tables in databases."""
    command = [binaries_folder() / "asterisk-files-reader", "--accounts", folder]
    return json.loads(subprocess.run(command, text=True, capture_output=True, check=True).stdout)


def by_name(events: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Objects by their names; of two, of which a wizard made one, Asterisk takes the first."""
    return {event["ObjectName"]: event for event in reversed(events)}


def items(text: str) -> list[str]:
    """The items of a comma list."""
    return [item.strip() for item in text.split(",") if item.strip()]


def test_endpoints_of_files_and_wizards_are_those_of_asterisk(lab: Lab, asterisk: Asterisk) -> None:
    manager = Manager(asterisk)
    listed = {name: by_name(manager.listed(f"PJSIPShow{name}")) for name in ("Endpoints", "Auths", "Aors")}
    manager.close()
    theirs = {}
    for name, endpoint in listed["Endpoints"].items():
        auths, aors = items(endpoint["Auths"]), items(endpoint["Aor"])
        known = [listed["Auths"][auth] for auth in auths if auth in listed["Auths"]]
        theirs[name] = [
            auths,
            aors,
            [[auth["ObjectName"], auth["Username"], auth["Password"], auth["Md5Cred"]] for auth in known],
            [int(listed["Aors"][aor]["MaxContacts"]) for aor in aors if aor in listed["Aors"]],
        ]
    # The database's accounts are in no file.
    theirs = {name: facts for name, facts in theirs.items() if name not in lab.accounts}
    ours = {name: rest for name, *rest in own_accounts(asterisk.folder)[0]}
    assert ours == theirs
    assert {"plain", "firsttype", "lists", "wizard1", "wizard3", "twice"} <= ours.keys()


def test_tables_in_databases_are_those_of_asterisk(asterisk: Asterisk) -> None:
    shown = asterisk.cli("core show config mappings")
    theirs = re.findall(r"===> (.*) \(db=(.*), table=(.*)\)", shown)
    ours = own_accounts(asterisk.folder)[2]
    assert all(engine == "sqlite3" for _, engine, *_ in ours)
    assert sorted((family, database, table) for family, _, database, table, _ in ours) == sorted(theirs)
    assert len(ours) > 10


def test_access_lists_are_those_of_asterisk(asterisk: Asterisk) -> None:
    names = asterisk.cli("acl show").split("---\n", 1)[1].split()
    shown = {name: re.findall(r"^ *\d+: +(allow|deny) -", asterisk.cli(f"acl show {name}"), re.MULTILINE) for name in names}
    ours = own_accounts(asterisk.folder)[3]
    assert {name: ["allow" if permits else "deny" for permits in lines] for name, lines in ours} == shown
    assert "office" in shown


def test_peers_of_files_are_those_of_chan_sip(lab: Lab) -> None:
    asterisk = started(lab, CHAN_SIP_16, {"sip.conf": SIP_CONF, "users.conf": USERS_CONF})
    manager = Manager(asterisk)
    theirs = {}
    for name in ("100", "101", "102", "tWICE", "6000", "6001"):
        peer = dict(line.split(": ", 1) for line in manager.ask(f"Action: SIPshowpeer\r\nPeer: {name}").split("\r\n") if ": " in line)
        theirs[name] = [peer[key] == "Y" for key in ("Dynamic", "SecretExist", "MD5SecretExist", "ACL")]
    no_peers = [manager.ask(f"Action: SIPshowpeer\r\nPeer: {name}") for name in ("user", "notype", "phone", "6002", "Twice")]
    manager.close()
    asterisk.stop()
    ours = {name: facts for name, facts in own_accounts(asterisk.folder)[1]}
    assert {name: [facts[0], *facts[2:]] for name, facts in ours.items() if facts[1]} == theirs
    assert all("Response: Error" in answer for answer in no_peers), no_peers
