"""New sources that prove their address and are caught at once; run as a program in the attackers' namespace.

    python3 -m lab.attack_trippers TARGET NETWORK FIRST PER_SECOND SECONDS

Each source of NETWORK from number FIRST on, one after the other, opens a TCP connection and says twice what a scanner says, which bans it. It
prints one line of JSON: how many connections stood, and in how many seconds.
"""

import collections
import contextlib
import ipaddress
import json
import select
import socket
import sys
import time

from lab.attack_spoof import request

# From the connection to its end, if the edge has not ended it before.
PATIENCE_SECONDS = 2


def main() -> None:
    target, network, first = sys.argv[1], ipaddress.ip_network(sys.argv[2]), int(sys.argv[3])
    rate, seconds = int(sys.argv[4]), float(sys.argv[5])
    count = int(rate * seconds)
    poll, pending = select.epoll(), {}
    standing: collections.deque[tuple[float, socket.socket]] = collections.deque()
    begun = stood = 0
    began = time.monotonic()
    while begun < count or standing or pending:
        now = time.monotonic()
        while begun < min(count, int((now - began) * rate)):
            # No two of a neighbourhood follow each other, and few share one.
            place = (first + begun) * 257 % network.num_addresses
            peer = socket.socket()
            peer.setblocking(False)
            peer.bind((str(network[place]), 0))
            peer.connect_ex((target, 5060))
            poll.register(peer, select.EPOLLOUT)
            pending[peer.fileno()] = (now, peer)
            begun += 1
        for descriptor, _ in poll.poll(0.001):
            _, peer = pending.pop(descriptor)
            poll.unregister(descriptor)
            host, port = peer.getsockname()
            said = request("OPTIONS", target, host, port, "User-Agent: friendly-scanner").replace(b"/UDP", b"/TCP")
            with contextlib.suppress(OSError):
                stood += peer.send(said + said) > 0
            standing.append((now, peer))
        while standing and now - standing[0][0] > PATIENCE_SECONDS:
            standing.popleft()[1].close()
        # A connection that comes to nothing, as when its neighbourhood was banned meanwhile.
        for descriptor in [key for key, (since, _) in pending.items() if now - since > PATIENCE_SECONDS]:
            poll.unregister(descriptor)
            pending.pop(descriptor)[1].close()
    print(json.dumps({"begun": begun, "stood": stood, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
