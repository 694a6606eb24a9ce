"""Living with an installed edge under systemd: what README tells an administrator to type does what README says."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.accounts import Account
from lab.booted import SEEN_CHECKOUT, SEEN_SHARED
from lab.installed import DATABASE, SETTINGS, SOCKETS, Installed, typed_blocks
from lab.rempart import BINARIES, CHECKOUT, COMPONENTS, binaries_folder
from lab.waiting import eventually

REGISTERED = "5b0d2c7a41f34c0e9c1e3c6f0a7d1010"
LIBEXEC = "/usr/libexec/rempart"


def living_with_it() -> list[str]:
    """Every line of README's section that is to be typed, without its remark."""
    section = (CHECKOUT / "README.md").read_text().split("## Living with it\n")[1].split("\n## ")[0]
    return [re.sub(r"\s{2,}#.*", "", line) for block in typed_blocks(section) for line in block.splitlines()]


@pytest.fixture
def reinstalled(service: Installed) -> Iterator[Installed]:
    """Installed again after a test that takes it away."""
    yield service
    service.install()


def digests(service: Installed) -> str:
    return service.machine.do("sha256sum", *(f"{LIBEXEC}/{name}" for name in BINARIES))


def test_every_command_of_living_with_it_works_in_its_order(reinstalled: Installed) -> None:
    service = reinstalled
    # What they are about: a phone of account 1001, and one that has the wrong password.
    assert service.register("1001") == 200
    with service.client("198.18.2.32") as stranger:
        stranger.register(Account("1002", "wrong"))
    service.drop_in("rempart.socket", SOCKETS)
    lines = living_with_it()
    assert len(lines) > 15
    for line in lines:
        done = service.machine.run("bash", "-ec", f"cd {SEEN_CHECKOUT}; {line}")
        assert done.returncode == 0, f"{line}: exit {done.returncode}: {done.stdout}\n{service.story()}"
        assert not line.startswith("journalctl") or "REMPART" in done.stdout.upper(), f"{line}: {done.stdout}"
        assert not line.startswith("systemctl") or "arning" not in done.stdout, f"{line}: {done.stdout}"


def test_a_renewed_certificate_is_taken_up_without_a_command(service: Installed) -> None:
    service.mark()
    service.renew_certificate()
    eventually(lambda: [message for message in service.messages("-u", "rempart") if "certificate CN=renewed.test" in message], service.story, 30)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_restart_by_systemctl_replaces_one_component_and_no_other(service: Installed, component: str) -> None:
    assert service.register() == 200
    before = {name: service.pid(name) for name in COMPONENTS}
    service.machine.do("systemctl", "restart", f"rempart@{component}")
    eventually(lambda: service.pid(component) not in (0, before[component]), service.story)
    assert {name: service.pid(name) for name in COMPONENTS if name != component} == {
        name: pid for name, pid in before.items() if name != component
    }
    eventually(lambda: service.phones() == ["1001"], service.story)


def test_a_component_that_there_is_not_leaves_no_failed_unit(service: Installed) -> None:
    assert service.machine.run("systemctl", "restart", "rempart@nonsense").returncode != 0
    assert service.machine.do("systemctl", "--failed", "--no-legend") == ""


def test_a_reload_succeeds_when_the_settings_are_in_force_and_fails_when_they_are_wrong(service: Installed) -> None:
    machine = service.machine
    machine.write(SETTINGS, service.settings(domains=f"[{service.domain}, second.test]"))
    machine.do("systemctl", "reload", "rempart")
    assert "2 domains" in service.unit("StatusText")
    machine.write(SETTINGS, service.settings(domainz="[x]"))
    assert machine.run("systemctl", "reload", "rempart").returncode != 0
    assert service.unit("ActiveState") == "active" and "2 domains" in service.unit("StatusText")


def test_monitoring_hears_by_an_exit_code_that_nobody_can_be_asked(service: Installed) -> None:
    # No Asterisk answers here, so it is not all good.
    eventually(lambda: service.machine.run("rempart", "status", "--check").returncode == 1, service.story)
    service.machine.do("systemctl", "stop", "rempart")
    assert service.machine.run("rempart", "status", "--check").returncode == 3


def test_records_are_found_by_unit_process_component_kind_and_field(service: Installed) -> None:
    assert service.register() == 200
    machine = service.machine
    eventually(lambda: service.records("-u", "rempart", f"MESSAGE_ID={REGISTERED}"), service.story)
    (registered,) = service.records("-u", "rempart", f"MESSAGE_ID={REGISTERED}")
    assert registered["REMPART_ACCOUNT"] == "1001" and registered["REMPART_PROCESS"] == "sip-router"
    assert registered in service.records("-t", "rempart", "REMPART_ACCOUNT=1001")
    machine.do("systemctl", "restart", "rempart@banner")
    told = service.records("-u", "rempart", "REMPART_COMPONENT=banner")
    assert {record["REMPART_PROCESS"] for record in told} == {"supervisor"}
    assert "A phone has registered" in machine.do("journalctl", "-x", f"MESSAGE_ID={REGISTERED}")


def test_what_the_settings_reader_says_is_found_by_name_and_as_a_warning(service: Installed) -> None:
    service.machine.write(SETTINGS, service.settings(domainz="[x]"))
    service.machine.run("systemctl", "restart", "rempart")
    # systemd's own lines have its own name.
    names = {record["SYSLOG_IDENTIFIER"] for record in service.records("-u", "rempart")} - {"systemd"}
    assert names == {"rempart"}
    assert any("domainz" in message for message in service.messages("-t", "rempart", "-p", "warning"))


def test_a_changing_command_is_recorded_with_who_gave_it(service: Installed) -> None:
    service.machine.do("rempart", "allow", "192.0.2.7")
    eventually(
        lambda: [record for record in service.records("-u", "rempart") if record.get("REMPART_UID") == "0"], service.story
    )


def test_the_check_tells_what_the_machine_lacks_for_good_settings(service: Installed) -> None:
    machine = service.machine
    machine.shell(f"cp -a {DATABASE} /home/realtime.sqlite3; touch /etc/blocklist; chmod 0600 /etc/blocklist")
    text = service.settings(
        outside="[udp://192.168.3.4:5060]",
        accounts="{source: 'sqlite:///home/realtime.sqlite3'}",
        defence="{countries: [FR], blocklists: [/etc/blocklist, /etc/no-such-list]}",
    )
    machine.write("/etc/rempart/other.yaml", text)
    said = machine.do("rempart", "check", "--settings", "/etc/rempart/other.yaml")
    for told in [
        "192.168.3.4 is not an address of this machine now",
        "192.168.3.4 is a private address",
        "/home/realtime.sqlite3 cannot be seen by the service",
        "the user rempart-ban may not read /etc/blocklist:",
        "there is no /etc/no-such-list",
        "there is no country database",
    ]:
        assert told in said, f"{told!r} in:\n{said}"
    assert "good" in said


def test_a_removed_runtime_folder_is_told_from_a_daemon_that_does_not_run(service: Installed) -> None:
    service.machine.do("rm", "-r", "/run/rempart")
    said = service.machine.run("rempart", "status")
    assert said.returncode != 0 and "its folder was removed while it runs" in said.stdout
    service.machine.do("systemctl", "restart", "rempart")
    service.machine.do("rempart", "status")


def test_an_upgrade_without_strip_changes_programs_and_says_what_to_restart(service: Installed) -> None:
    assert service.machine.run("which", "strip").returncode != 0
    said = service.install()
    assert "`systemctl restart rempart`" in said.splitlines()[-1] and "no strip" in said
    service.machine.do("rempart", "status")
    service.machine.do("systemctl", "reload", "rempart")
    assert service.machine.do("find", "/usr", "-name", ".*.new") == ""


def test_an_upgrade_that_fails_half_way_changes_nothing(service: Installed) -> None:
    before = digests(service)
    half = service.machine.shared / "half"
    half.mkdir()
    for name in BINARIES:
        (half / name).write_text("#!/bin/sh\n")
        (half / name).chmod(0o755)
    # What the copy of a whole disk fails at.
    (half / BINARIES[-1]).unlink()
    (half / BINARIES[-1]).mkdir()
    done = service.machine.run("env", f"REMPART_BIN={SEEN_SHARED}/half", "make", "-C", SEEN_CHECKOUT, "install")
    assert done.returncode != 0
    assert digests(service) == before and service.machine.do("find", "/usr", "-name", ".*.new") == ""


def test_an_uninstalled_edge_leaves_settings_and_state_and_nothing_that_acts(reinstalled: Installed) -> None:
    service, machine = reinstalled, reinstalled.machine
    machine.do("systemctl", "enable", "rempart")
    machine.do("rempart", "ban", "192.0.2.66")
    eventually(lambda: "192.0.2.66" in machine.do("nft", "list", "table", "inet", "rempart"), service.story)
    said = machine.do("make", "-C", SEEN_CHECKOUT, "uninstall")
    assert "/etc/rempart" in said and "/var/lib/rempart" in said and "userdel" in said
    assert "table inet rempart" not in machine.do("nft", "list", "tables")
    left = machine.do("find", "/usr", "/etc/systemd", "-name", "*rempart*", "-not", "-path", f"{SEEN_CHECKOUT}/*")
    assert left == ""
    assert "5b0d2c7a41f34c0e9c1e3c6f0a7d1010" not in machine.do("journalctl", "--list-catalog")
    assert machine.do("ls", "/etc/rempart/rempart.yaml", "/var/lib/rempart/secret")


def test_an_installation_for_packagers_touches_nothing_else(tmp_path: Path) -> None:
    environment = {**os.environ, "DESTDIR": str(tmp_path), "REMPART_BIN": str(binaries_folder().resolve())}
    for script in ["install", "uninstall"]:
        done = subprocess.run(
            [str(CHECKOUT / f"scripts/{script}.sh")], env=environment, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir())
        assert (f"{LIBEXEC}/supervisor".lstrip("/") in left) == (script == "install")
    assert left == []
