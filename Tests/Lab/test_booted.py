"""Under a systemd that has booted: the edge starts, stays, and comes back, whatever is missing."""

import json
import os
import re
from collections.abc import Iterator

import pytest
from lab.installed import DATABASE, KEY, SETTINGS, SOCKETS, Installed, typed_blocks
from lab.namespaces import EDGE_INSIDE, EDGE_OUTSIDE, command
from lab.waiting import eventually

# How long systemd may take for what it does at once.
SOON = 15


def starts(service: Installed) -> None:
    """A start by hand ends soon, and with success."""
    done = service.machine.run("timeout", str(SOON), "systemctl", "restart", "rempart")
    assert done.returncode == 0, f"{done.stdout}\n{service.story()}"


def test_it_says_when_it_is_ready_and_phones_register_by_every_transport(service: Installed) -> None:
    assert service.unit("ActiveState") == "active" and service.unit("NRestarts") == "0"
    assert "Serving 1 domain" in service.unit("StatusText")
    assert [service.register("1001", "udp"), service.register("1002", "tcp"), service.register("1003", "tls")] == [200] * 3


def test_the_units_exposure_is_what_the_design_needs(service: Installed) -> None:
    shown = service.machine.run("systemd-analyze", "security", "--no-pager", "rempart.service").stdout
    level = re.search(r"Overall exposure level for rempart.service: ([\d.]+)", shown)
    assert level and float(level[1]) <= 2.7, shown


def test_the_unit_alone_makes_the_folders(service: Installed) -> None:
    assert service.machine.run("sh", "-c", "grep -rl rempart /usr/lib/tmpfiles.d /etc/tmpfiles.d").stdout == ""
    modes = service.machine.do("stat", "-c", "%n %a %U", "/run/rempart", "/var/lib/rempart", "/var/lib/rempart/directory")
    assert modes.splitlines() == [
        "/run/rempart 755 root",
        "/var/lib/rempart 711 root",
        "/var/lib/rempart/directory 700 rempart-db",
    ]


# Finding 1.


def test_a_key_of_another_certificate_closes_tls_alone(service: Installed) -> None:
    service.take_foreign_key()
    starts(service)
    assert service.register() == 200
    assert KEY in service.unit("StatusText") or "tls" in service.unit("StatusText").lower()


def test_an_expired_certificate_is_served(service: Installed) -> None:
    service.take_expired_certificate()
    starts(service)
    assert service.register("1001", "udp") == 200 and service.register("1002", "tls") == 200
    assert " ended " in service.unit("StatusText")


# Findings 2 and 3.


@pytest.fixture
def no_outside_address(service: Installed) -> Iterator[Installed]:
    """The machine before its address has come; it is there again after the test."""
    edge, address = service.machine.network.edge, [f"{EDGE_OUTSIDE}/16", "dev", "outside"]
    command("ip", "-n", edge, "address", "del", *address)
    yield service
    if EDGE_OUTSIDE not in command("ip", "-n", edge, "-o", "address", "show", "dev", "outside").replace("/", " ").split():
        command("ip", "-n", edge, "address", "add", *address)


def test_an_outside_address_that_comes_later_is_served_when_it_is_there(no_outside_address: Installed) -> None:
    service = no_outside_address
    # Stopped as a whole: over a restart systemd keeps the sockets, and with them the address.
    service.machine.do("systemctl", "stop", "rempart")
    starts(service)
    edge = service.machine.network.edge
    command("ip", "-n", edge, "address", "add", f"{EDGE_OUTSIDE}/16", "dev", "outside")
    eventually(lambda: service.register() == 200, service.story)


def test_wrong_settings_end_it_once_and_a_start_after_the_correction_succeeds(service: Installed) -> None:
    good = service.settings()
    service.machine.write(SETTINGS, good.replace("domains:", "domainz:"))
    assert service.machine.run("systemctl", "restart", "rempart").returncode != 0
    eventually(lambda: service.unit("ActiveState") == "failed", service.story, SOON)
    assert service.unit("NRestarts") == "0" and service.unit("ExecMainStatus") == "78"
    service.machine.write(SETTINGS, good)
    service.machine.do("rempart", "check")
    service.machine.do("systemctl", "start", "rempart")
    assert service.register() == 200


def test_a_missing_user_ends_it_once(service: Installed) -> None:
    service.machine.shell("cp -a /etc/passwd /etc/passwd.kept; sed -i '/^rempart-ban:/d' /etc/passwd")
    try:
        assert service.machine.run("systemctl", "restart", "rempart").returncode != 0
        eventually(lambda: service.unit("ActiveState") == "failed", service.story, SOON)
        assert service.unit("ExecMainStatus") == "78"
        assert any("rempart-ban" in message for message in service.messages("-u", "rempart"))
    finally:
        service.machine.shell("mv /etc/passwd.kept /etc/passwd")


# Finding 5.


def test_what_is_kept_is_read_while_the_disk_is_full_and_lost_by_no_restart(service: Installed) -> None:
    machine = service.machine
    machine.do("systemctl", "stop", "rempart")
    machine.shell("mount -t tmpfs -o size=4m,mode=0711 tmpfs /var/lib/rempart")
    try:
        machine.do("systemctl", "start", "rempart")
        assert service.register("1001") == 200
        machine.do("systemctl", "stop", "rempart")
        machine.run("dd", "if=/dev/zero", "of=/var/lib/rempart/full", "bs=4k")
        starts(service)
        eventually(lambda: service.phones() == ["1001"], service.story)
        machine.do("rm", "/var/lib/rempart/full")
        starts(service)
        eventually(lambda: service.phones() == ["1001"], service.story)
    finally:
        machine.do("systemctl", "stop", "rempart")
        machine.do("umount", "/var/lib/rempart")


# Findings 8 and 22.


def test_sockets_of_systemd_are_taken_over_restart_after_restart_without_a_complaint(service: Installed) -> None:
    machine = service.machine
    service.drop_in("rempart.socket", SOCKETS)
    machine.do("systemctl", "stop", "rempart")
    machine.do("systemctl", "start", "rempart.socket")
    # The first packet starts the edge.
    eventually(lambda: service.register() == 200, service.story)
    service.wait_active()
    for _ in range(2):
        machine.do("systemctl", "restart", "rempart")
        assert service.register() == 200
    assert not [message for message in service.messages("-u", "rempart") if "rempart.socket" in message]
    assert service.unit("ActiveState", "rempart.socket") == "active"


def test_sockets_that_fit_no_endpoint_are_told(service: Installed) -> None:
    service.drop_in("rempart.socket", SOCKETS.replace(f"{EDGE_INSIDE}:5060", f"{EDGE_INSIDE}:5099"))
    service.machine.shell("systemctl stop rempart; systemctl start rempart.socket; systemctl start rempart")
    assert [message for message in service.messages("-u", "rempart") if message.startswith("1 socket")], service.story()


ORDERS = [
    ["enable rempart.socket", "start rempart.socket", "restart rempart"],
    ["enable rempart.socket", "stop rempart", "start rempart.socket", "start rempart"],
    ["restart rempart.socket", "restart rempart", "stop rempart.socket", "restart rempart"],
    ["stop rempart", "start rempart.socket", "start rempart", "restart rempart.socket", "restart rempart"],
    ["stop rempart", "enable --now rempart.socket", "start rempart", "disable --now rempart.socket", "restart rempart"],
    ["stop rempart", "start rempart.socket rempart", "restart rempart rempart.socket"],
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: ", ".join(order))
def test_units_in_any_order_end_with_an_edge_that_serves(service: Installed, order: list[str]) -> None:
    service.drop_in("rempart.socket", SOCKETS)
    for line in order:
        service.systemctl(*line.split())
    eventually(lambda: service.register() == 200, service.story)
    service.wait_active()
    assert not [message for message in service.messages("-u", "rempart") if "serve no endpoint" in message]


# Finding 25 and the deaths of processes.


def test_a_hung_router_is_replaced_before_phones_give_up(service: Installed) -> None:
    assert service.register() == 200
    before = service.pid("sip-router")
    service.machine.shell(f"kill -STOP {before}")
    eventually(lambda: service.pid("sip-router") != before, service.story, 9)
    eventually(lambda: service.register("1002") == 200, service.story)
    assert service.phones() == ["1001", "1002"]


def test_a_killed_supervisor_comes_back_with_its_phones(service: Installed) -> None:
    assert service.register() == 200
    service.wait_kept("1001")
    before = service.unit("MainPID")
    service.machine.do("systemctl", "kill", "--kill-whom=main", "--signal", "KILL", "rempart")
    eventually(lambda: service.unit("MainPID") not in (before, "0"), service.story, SOON)
    service.wait_active()
    eventually(lambda: service.phones() == ["1001"], service.story)
    assert service.unit("NRestarts") == "1"


# Finding 28.


def test_a_filter_that_refuses_landlock_is_told_from_a_kernel_without(service: Installed) -> None:
    calls = [f"landlock_{name}:EPERM" for name in ["create_ruleset", "add_rule", "restrict_self"]]
    service.drop_in("rempart.service", f"[Service]\nSystemCallFilter=\nSystemCallFilter=~{' '.join(calls)}\n")
    starts(service)
    told = [message for message in service.messages("-u", "rempart") if "andlock" in message]
    assert told and all("forbids landlock_" in message for message in told), told
    assert service.register() == 200


# Finding 6.


def test_a_database_of_asterisks_group_is_told_and_readable_with_the_documented_lines(service: Installed) -> None:
    machine = service.machine
    machine.shell(f"chown -R asterisk:asterisk {os.path.dirname(DATABASE)}; chmod 0750 {os.path.dirname(DATABASE)}; chmod 0640 {DATABASE}")
    checked = machine.run("rempart", "check").stdout
    assert DATABASE in checked and "rempart-acct" in checked, checked
    readme = machine.do("cat", "/usr/share/doc/rempart/README.md")
    lines = next(block for block in typed_blocks(readme) if "m rempart-db asterisk" in block)
    machine.shell(lines)
    assert "rempart-acct" not in machine.do("rempart", "check")
    machine.do("systemctl", "restart", "rempart")
    eventually(lambda: service.register() == 200, service.story)
    groups = machine.do("grep", "Groups", f"/proc/{service.pid('accounts-reader')}/status").split()
    assert machine.do("getent", "group", "asterisk").split(":")[2] in groups


def test_a_database_that_rempart_dbs_group_may_read_is_read_as_before_accounts_reader(service: Installed) -> None:
    machine = service.machine
    machine.shell("groupadd --system pbx; usermod --append --groups pbx rempart-db; id -nG rempart-acct | grep -vw pbx")
    machine.shell(f"chgrp -R pbx {os.path.dirname(DATABASE)}; chmod 0750 {os.path.dirname(DATABASE)}; chmod 0640 {DATABASE}")
    assert "may not read" not in machine.do("rempart", "check")
    machine.do("systemctl", "restart", "rempart")
    eventually(lambda: service.register() == 200, service.story)


def test_a_machine_that_is_switched_off_and_on_knows_its_phones(service: Installed) -> None:
    assert service.register() == 200
    machine = service.machine
    machine.do("systemctl", "enable", "rempart")
    machine.power_off()
    machine.boot()
    service.wait_active()
    eventually(lambda: service.phones() == ["1001"], service.story)
    assert machine.run("systemctl", "--failed", "--no-legend").stdout == ""


def test_a_restart_takes_the_port_from_one_address_to_all_and_back(service: Installed) -> None:
    for turn in range(6):
        address = EDGE_OUTSIDE if turn % 2 else "0.0.0.0"
        service.machine.write(SETTINGS, service.settings(outside=f"[udp://{address}:5060]", inside=f"[udp://{EDGE_INSIDE}:5070]"))
        service.machine.do("systemctl", "restart", "rempart")
        eventually(lambda: service.register() == 200, service.story)


def test_a_further_address_of_a_subnet_is_one_of_this_machine(service: Installed) -> None:
    further = EDGE_OUTSIDE.rsplit(".", 1)[0] + ".77"
    device = json.loads(service.machine.do("ip", "-j", "address", "show", "to", f"{EDGE_OUTSIDE}/32"))[0]
    length = next(each["prefixlen"] for each in device["addr_info"] if each["local"] == EDGE_OUTSIDE)
    service.machine.do("ip", "address", "add", f"{further}/{length}", "dev", device["ifname"])
    try:
        service.machine.write(SETTINGS, service.settings(outside=f"[udp://{EDGE_OUTSIDE}:5060, udp://{further}:5060]"))
        assert further not in service.machine.do("rempart", "check")
        service.machine.do("systemctl", "restart", "rempart")
        eventually(lambda: service.register() == 200, service.story)
        assert further not in service.machine.run("rempart", "status").stdout
    finally:
        service.machine.do("ip", "address", "delete", f"{further}/{length}", "dev", device["ifname"])
