"""Datagrams in a customer's name, and fail2ban on the attackers' own attack.

Benchmarks/defence.sh (`make attack`) sends a million of them and runs the rest too; without its REMPART_ATTACK=1 the
office's address is forged fifty thousand times, and the rest is left out.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHAN_SIP_16, PBX_OF, Lab
from lab.asterisk import Asterisk
from lab.attack_ground import Ground
from lab.attack_herd import OFFICE
from lab.attack_table import Table, row_of
from lab.attack_watch import Watch
from lab.namespaces import EDGE_OUTSIDE, command
from lab.rempart import resident_mib
from lab.waiting import eventually
from test_attackers import Battle, battle, found, ground, table  # noqa: F401  (fixtures)

IS_LONG = "REMPART_ATTACK" in os.environ
only_when_long = pytest.mark.skipif(not IS_LONG, reason="long: Benchmarks/defence.sh runs it")

DATAGRAMS = int(os.environ.get("REMPART_ATTACK_DATAGRAMS", "1000000" if IS_LONG else "50000"))
QUIET_DEEDS = 200 if IS_LONG else 20
RATE = 50_000
GUESSES = ("-u", "1001", "-r", "1000-9999")
HERE = Path(__file__).parent


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spoof(ground: Ground, network: str, count: int, kind: str) -> dict:
    words = ["env", f"PYTHONPATH={HERE}", sys.executable, "-m", "lab.attack_spoof", EDGE_OUTSIDE, network, str(count), str(RATE), kind]
    output = ground.run(*words, seconds=240)
    return json.loads(output.splitlines()[-1])


def banned_in_kernel(battle: Battle) -> str:
    """The elements of every set of bans."""
    sets = [f"{name}{family}" for name in ["banned", "wide"] for family in "46"]
    return "\n".join(battle.site.edge.nft("list", "set", "inet", "TABLE", name) for name in sets)


@pytest.mark.parametrize(
    "senders",
    [
        pytest.param(OFFICE, id="an office's address"),
        pytest.param("45.128.0.0/9", id="thousands of addresses", marks=only_when_long),
    ],
)
def test_a_flood_in_others_names_disturbs_no_phone(battle: Battle, senders: str) -> None:  # noqa: F811
    """The office's six phones are among the twenty."""
    router = battle.site.edge.component("sip-router")["pid"]
    quiet_from = time.time()
    eventually(lambda: len(battle.herd.between(quiet_from, time.time())) >= QUIET_DEEDS, "deeds in quiet", 60, every=0.5)
    battle.table.add(row_of(f"(quiet, before the flood from {senders})", None, "", battle.herd.between(quiet_from, time.time())))
    began, cpu, memory = time.time(), processor_seconds(router), resident_mib(router)
    done = spoof(battle.ground, senders, DATAGRAMS, "mixed")
    ended = time.time()
    used, grown = processor_seconds(router) - cpu, resident_mib(router) - memory
    battle.await_deeds(ended)
    deeds = battle.herd.between(began, ended)
    battle.table.add(row_of(f"{done['sent']} datagrams from {senders}", None, "", deeds))
    rate = done["sent"] / done["seconds"]
    battle.table.note(
        f"flood from {senders}: {rate:.0f} datagrams a second for {done['seconds']:.1f} s; sip-router used {used:.1f} s"
        f" of CPU and grew by {grown:.1f} MiB to {resident_mib(router):.1f}"
    )
    assert done["sent"] == DATAGRAMS
    assert battle.site.edge.bans() == []
    assert "elements" not in banned_in_kernel(battle)
    failures = [deed.failure for deed in deeds if deed.failure]
    assert not failures, f"of {len(deeds)} deeds {len(failures)} failed: {failures[:5]}"


FAIL2BAN = """
[DEFAULT]
banaction = nftables-multiport
[sshd]
enabled = false
[asterisk]
enabled = true
logpath = {log}
"""


@only_when_long
def test_fail2ban_beside_it(lab: Lab, stage, ground: Ground, table: Table) -> None:  # noqa: F811
    """The same svcrack on a bare Asterisk 16 with Debian's fail2ban and its asterisk jail as installed."""
    stage.clear()
    address = PBX_OF[CHAN_SIP_16]
    network = lab.network
    in_edge = ["ip", "netns", "exec", network.edge, "nft"]
    command(*in_edge, "insert rule ip lab forward udp dport 5060 accept")
    command(*in_edge, "insert rule ip lab forward udp sport 5060 accept")
    command("ip", "-n", network.pbx[address], "route", "add", "45.0.0.0/8", "via", "198.19.0.1")
    asterisk = Asterisk(network, CHAN_SIP_16, address, lab.folder, lab.database(CHAN_SIP_16.schema)).start()
    folder, root = lab.new_folder("fail2ban"), Path(ground.environment["HOME"])
    command("cp", "-r", f"{root}/etc/fail2ban/.", str(folder))
    (folder / "jail.local").write_text(FAIL2BAN.format(log=asterisk.folder / "messages"))
    words = ["/usr/bin/python3", f"{root}/usr/bin/fail2ban-server", "-f", "-c", str(folder), "-s", f"{folder}/socket"]
    words += ["-p", f"{folder}/pid", "--logtarget", f"{folder}/log", "-x", "start"]
    (folder / "fail2ban.local").write_text(f"[Definition]\ndbfile = None\nlogtarget = {folder}/log\nsocket = {folder}/socket\npidfile = {folder}/pid\n")
    server = subprocess.Popen(
        ["ip", "netns", "exec", network.pbx[address], *words],
        env=ground.environment, stdin=subprocess.DEVNULL, stdout=(folder / "console").open("wb"), stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        ready = lambda: (folder / "log").exists() and "Jail 'asterisk' started" in (folder / "log").read_text()  # noqa: E731
        eventually(ready, lambda: (folder / "console").read_text(), 20)
        source = ground.new_source(address)
        with Watch(network.pbx[address], "eth0", f"{source}/32") as watch:
            output = ground.vicious("svcrack", "-b", source, "-x", source, *GUESSES, address, seconds=30)
            story = watch.story()
        first = min((seen.at for seen in story.sent), default=0.0)
        banned = watch.dropped(source)
        said = f"{banned - first:.2f} s after the first packet" if banned else "never, in 30 s"
        table.add(row_of("svcrack, bare Asterisk 16 with fail2ban", story, found(output), []))
        table.note(f"fail2ban: {story.tries_answered} passwords got an answer; ban {said}")
        assert banned, (folder / "log").read_text()[-2000:]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)
        asterisk.stop()
        command("ip", "-n", network.pbx[address], "route", "delete", "45.0.0.0/8")
