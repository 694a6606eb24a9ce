"""State of other versions, and backups: on a machine that goes on, and on one that has lost everything."""

from lab.installed import SETTINGS, Installed
from lab.waiting import eventually

BACKUP = "/root/edge.backup"
STATE = "/var/lib/rempart"
BANNED, ALLOWED = "203.0.113.77", "192.0.2.0/24"
STOP = ["systemctl", "stop", "rempart.socket", "rempart.service"]


def lines(service: Installed, *arguments: str) -> list[str]:
    return service.machine.do(*arguments).splitlines()


def fill(service: Installed) -> None:
    """A phone, a ban and an exception, all of them on the disk."""
    assert service.register("1001") == 200
    service.machine.do("rempart", "ban", BANNED, "--for", "2h")
    service.machine.do("rempart", "allow", ALLOWED)
    service.wait_kept("1001")
    kept = ["grep", "-qF", ALLOWED, f"{STATE}/banner/bans"]
    eventually(lambda: service.machine.run(*kept).returncode == 0, service.story)


def banned(service: Installed) -> list[str]:
    return [ban["address"] for ban in service.rows("bans")]


def back_up(service: Installed) -> None:
    service.machine.run("rm", "-f", BACKUP)
    service.machine.do("rempart", "backup", BACKUP)
    assert service.machine.do("stat", "-c", "%a %U", BACKUP).split() == ["600", "root"]


def test_a_backup_of_a_running_edge_is_all_of_it_on_another_machine_with_other_numbers(service: Installed) -> None:
    machine = service.machine
    fill(service)
    machine.write(SETTINGS, service.settings(domains=f"[{service.domain}, second.test]"))
    back_up(service)
    assert not machine.run("ls", f"{STATE}/directory/bindings.backup").stdout.startswith("/")
    secret = lines(service, "sha256sum", f"{STATE}/secret")
    assert service.register("1002") == 200

    refused = machine.run("rempart", "restore", BACKUP)
    assert refused.returncode == 1 and "systemctl stop rempart" in refused.stdout, refused.stdout
    machine.run(*STOP)
    # Another machine: nothing of the edge is there but its programs, and its users have other numbers.
    machine.shell(f"rm -rf /etc/rempart {STATE}; nft delete table inet rempart || true")
    for number, user in enumerate(["rempart-db", "rempart-ban"], 4242):
        machine.shell(f"usermod -u {number} {user}; groupmod -g {number} {user}")
    machine.do("rempart", "restore", BACKUP)
    machine.do("rempart", "check")
    owners = lines(service, "stat", "-c", "%a %U %G %n", f"{STATE}/directory/bindings.sqlite", f"{STATE}/banner/bans", f"{STATE}/secret")
    assert [line.rsplit(" ", 1)[0].split(" ", 1)[1] for line in owners] == ["rempart-db rempart-db", "rempart-ban rempart-ban", "root root"]
    assert lines(service, "sha256sum", f"{STATE}/secret") == secret

    machine.do("systemctl", "start", "rempart")
    eventually(lambda: service.phones() == ["1001"], service.story)
    assert banned(service) == [BANNED]
    assert "allowed" in machine.do("rempart", "why", ALLOWED.split("/")[0]).lower()
    assert "2 domains" in service.unit("StatusText")
    assert service.register("1002") == 200


def test_a_restore_keeps_what_it_replaces_and_takes_a_backup_of_a_stopped_edge(service: Installed) -> None:
    machine = service.machine
    fill(service)
    machine.run(*STOP)
    back_up(service)
    machine.write(SETTINGS, service.settings(domains="[later.test]"))
    told = machine.do("rempart", "restore", BACKUP)
    assert "/etc/rempart/before-restore" in told and f"{STATE}/before-restore" in told
    assert "later.test" in machine.do("cat", "/etc/rempart/before-restore/rempart.yaml")
    machine.do("systemctl", "start", "rempart")
    eventually(lambda: service.phones() == ["1001"], service.story)
    assert banned(service) == [BANNED]
    machine.shell("rm -r /etc/rempart/before-restore")


def test_a_daemon_with_another_runtime_folder_is_seen_by_its_lock(service: Installed) -> None:
    machine = service.machine
    fill(service)
    back_up(service)
    refused = machine.run("rempart", "restore", "--runtime", "/run/elsewhere", BACKUP)
    assert refused.returncode == 1 and f"uses {STATE}" in refused.stdout, refused.stdout
    refused = machine.run("rempart", "backup", "--runtime", "/run/elsewhere", "/root/other.backup")
    assert refused.returncode == 1 and "--runtime" in refused.stdout, refused.stdout


def test_state_of_a_newer_version_is_left_alone_and_the_rest_serves(service: Installed) -> None:
    machine = service.machine
    fill(service)
    machine.run(*STOP)
    files = [f"{STATE}/secret", f"{STATE}/directory/bindings.sqlite", f"{STATE}/banner/bans"]
    machine.shell(
        f"cd {STATE}; sed -i '1s/.*/rempart bans 3 9.9.9/' banner/bans;"
        # What the WAL has of the first page would count, not what stands in the file.
        "rm directory/bindings.sqlite-wal;"
        r"printf '\0\0\0\4' | dd of=directory/bindings.sqlite bs=1 seek=60 conv=notrunc;"
        r"{ printf 'rempart secret 2 9.9.9\n'; head -c 90 /dev/zero; } >secret"
    )
    before = lines(service, "sha256sum", *files)
    machine.do("systemctl", "start", "rempart")
    assert service.register("1002") == 200
    status = machine.do("rempart", "status")
    for name in ["secret", "directory/bindings.sqlite", "banner/bans"]:
        assert f"{name} in the state folder is of format" in status, status
    assert machine.run("rempart", "status", "--check").returncode == 1
    machine.do("rempart", "ban", "203.0.113.78")
    assert banned(service) == ["203.0.113.78"]
    machine.run(*STOP)
    assert lines(service, "sha256sum", *files) == before
    # The way that is told: away with them.
    machine.shell(f"cd {STATE}; rm secret directory/bindings.sqlite banner/bans")
    machine.do("systemctl", "start", "rempart")
    assert service.register("1002") == 200
    assert "is of format" not in machine.do("rempart", "status")


def test_the_installation_has_man_pages_and_completions(service: Installed) -> None:
    machine = service.machine
    for page in ["man8/rempart.8", "man5/rempart.yaml.5", "man7/rempart-reasons.7"]:
        assert machine.do("sh", "-c", f"gunzip -c /usr/share/man/{page}.gz").startswith(".TH ")
    assert "man:rempart(8)" in service.unit("Documentation")
    assert "sip-router" in machine.do("cat", "/usr/share/bash-completion/completions/rempart")
