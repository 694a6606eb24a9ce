"""The demonstration behind `make run`: an edge, a PBX behind it, one call through both, then a status line until Ctrl-C."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "Tests/Lab"))

from lab.accounts import PJSIP, Account, make_database  # noqa: E402
from lab.asterisk import ECHO, PJSIP_22, Asterisk  # noqa: E402
from lab.certificates import make_certificate  # noqa: E402
from lab.namespaces import EDGE_OUTSIDE, Network  # noqa: E402
from lab.phones import Shelf  # noqa: E402
from lab.rempart import Rempart, Settings, binaries_folder, copy_binaries, make_users  # noqa: E402
from lab.workspace import Busy, workspace  # noqa: E402

PBX_ADDRESS = "198.19.0.20"
INSIDE_PORT_BESIDE_OUTSIDE = 5070
REFRESH_SECONDS = 1.0


class DemoError(Exception):
    """Something a person can put right; shown without a trace."""


def end_edge(edge: Rempart) -> None:
    """Asks the edge to end; one that does not is ended."""
    with suppress(subprocess.TimeoutExpired):
        edge.stop()
    edge.destroy()


def start_edge(stack: ExitStack, folder: Path, settings: Settings, prefix: list[str]) -> Rempart:
    make_users()
    edge = Rempart(folder / "edge", copy_binaries(folder), settings.text(), prefix)
    stack.callback(end_edge, edge)
    try:
        return edge.start()
    except AssertionError as error:
        raise DemoError(f"Rempart did not start:\n{error}") from error


def demonstrate_alone(stack: ExitStack) -> Rempart:
    """A whole site in namespaces: a real Asterisk that only Rempart can reach, and two accounts."""
    network, folder = stack.enter_context(workspace(f"{CHECKOUT}/demo", with_host=True))
    accounts = [Account(name, secrets.token_urlsafe(9)) for name in ("1001", "1002")]
    database = folder / "db/realtime.sqlite3"
    make_database(database, PJSIP, accounts)
    certificate, key = make_certificate(folder, "rempart.test", [EDGE_OUTSIDE])

    asterisk = Asterisk(network, PJSIP_22, PBX_ADDRESS, folder, database)
    stack.callback(asterisk.stop)
    asterisk.start()
    settings = Settings([EDGE_OUTSIDE], database, PJSIP, [PBX_ADDRESS], certificate, key)
    edge = start_edge(stack, folder, settings, ["ip", "netns", "exec", network.edge])
    print(f"Rempart is up in front of Asterisk {asterisk.kind.version}, which nothing but Rempart can reach.")
    place_call(network, folder, certificate, accounts[0])
    print_phone_help(accounts)
    return edge


def place_call(network: Network, folder: Path, certificate: Path, account: Account) -> None:
    """One phone registers over TLS, calls the echo extension, and has to hear itself."""
    shelf = Shelf(network, folder, certificate)
    try:
        phone = shelf.phone().register(account, "tls", EDGE_OUTSIDE)
        phone.dial(f"sip:{ECHO}@{EDGE_OUTSIDE}").wait_established().wait_hearing(phone.tone)
        phone.hang_up().wait_closed()
    except AssertionError as error:
        raise DemoError(f"the call through it failed: {error}") from error
    finally:
        shelf.clear()
    print(f"It works: a phone registered over TLS, called {ECHO} (echo) through it, and heard itself.\n")


def print_phone_help(accounts: list[Account]) -> None:
    print("Point a phone on this machine at it:")
    print(f"  server    {EDGE_OUTSIDE}   UDP and TCP 5060, TLS 5061 (self-made certificate)")
    for account in accounts:
        print(f"  account   {account.name}   password {account.secret}")
    print(f"  dial      {ECHO} (echo), or the other account\n")


def address_towards(target: str) -> str:
    """This machine's own address on the way to another; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 5060))
        except OSError as error:
            raise DemoError(f"there is no way from here to {target}: {error.strerror}") from error
        return probe.getsockname()[0]


def demonstrate_before(stack: ExitStack, pbx: str, accounts: str, outside: str) -> Rempart:
    """Rempart on this machine's own addresses, in front of a PBX that is there already."""
    host, _, port = pbx.partition(":")
    if not accounts.startswith("sqlite:///"):
        raise DemoError("ACCOUNTS must say where the Realtime database is: ACCOUNTS=sqlite:///path/to/file")
    database = Path(accounts.removeprefix("sqlite://"))
    inside = address_towards(host)
    outside = outside or inside
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rempart-demo-")))
    folder.chmod(0o755)
    certificate, key = make_certificate(folder, "rempart.test", [outside])
    settings = Settings([outside], database, None, [host], certificate, key, outside=outside, inside=inside)
    settings.pbx_port = int(port or 5060)
    if outside == inside:
        settings.inside_port = INSIDE_PORT_BESIDE_OUTSIDE
    edge = start_edge(stack, folder, settings, [])
    print(f"Rempart is up in front of {pbx}; it reads its accounts from {database}.\n")
    print("Point a phone at it, with an account and its password as your Asterisk knows them:")
    print(f"  server    {outside}   UDP and TCP 5060, TLS 5061 (self-made certificate)\n")
    return edge


def status_line(edge: Rempart) -> str:
    """The state of everything in one line."""
    status = edge.status()
    components = status["components"]
    ready = sum(component["state"] == "ready" for component in components)
    servers = ", ".join(f"{server['address']} {server['state']}" for server in status["asterisk"])
    return (
        f"{status['state']} | {ready} of {len(components)} processes | Asterisk {servers} | "
        f"phones {len(edge.phones())} | bans {len(edge.bans())} | Ctrl-C ends it"
    )


def watch(edge: Rempart, show: Callable[[str], None]) -> None:
    """Shows the status until the edge ends."""
    while edge.process and edge.process.poll() is None:
        try:
            show(status_line(edge))
        except AssertionError:
            show("no answer from the daemon")
        time.sleep(REFRESH_SECONDS)
    raise DemoError(f"Rempart ended by itself:\n{edge.log()}")


def show_on_terminal(line: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    print(f"\r\033[K{line[:width]}", end="", flush=True)


def shown_when_changed() -> Callable[[str], None]:
    """Without a terminal there is nothing to write over: a line is only added when it says something new."""
    last = [""]

    def show(line: str) -> None:
        if line != last[0]:
            print(line, flush=True)
        last[0] = line

    return show


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pbx, accounts, outside = (os.environ.get(name, "") for name in ("PBX", "ACCOUNTS", "OUTSIDE"))
    try:
        if not (binaries_folder() / "rempart").exists():
            raise DemoError(f"no binaries in {binaries_folder()}: build first")
        with ExitStack() as stack:
            edge = demonstrate_before(stack, pbx, accounts, outside) if pbx else demonstrate_alone(stack)
            watch(edge, show_on_terminal if sys.stdout.isatty() else shown_when_changed())
    except KeyboardInterrupt:
        print("\nEverything is taken down again.")
        return 0
    except (DemoError, Busy, RuntimeError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
