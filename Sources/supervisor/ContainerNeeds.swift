internal import CLinux
internal import Glibc
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// What a container must have been given (`--container`).
///
/// Outside of containers the edge serves with what there is. A container is made anew by one
/// command. Without these it serves nobody or bans nobody, while its manager takes it for healthy.
enum ContainerNeeds {
    /// The capabilities without which no component starts as its own user, reads its files, or enforces bans.
    private static let capabilities: [(number: Int32, name: String)] = [
        (0, "CHOWN"), (2, "DAC_READ_SEARCH"), (5, "KILL"), (6, "SETGID"), (7, "SETUID"),
        (8, "SETPCAP"), (12, "NET_ADMIN"),
    ]

    /// How long a container stays after a start that failed: with `--restart always` it is started anew at once, for ever.
    static let pause = Milliseconds.seconds(5)

    /// Waits for the pause, or until one of these signals comes.
    static func wait(until end: borrowing Signals) {
        var waited = pollfd(fd: end.raw, events: Int16(POLLIN), revents: 0)
        // In bounds: one entry.
        _ = unsafe poll(&waited, 1, Int32(pause.count))
    }

    /// Why the edge does not start in this container, whatever its settings are; nil when it does.
    static func failure(isRoot: Bool) -> StartFailure? {
        refusal(
            isRoot: isRoot, permitted: clinux_permitted_capabilities(),
            commandsNetwork: clinux_commands_network() != 0
        ).map(failure)
    }

    /// Why it does not start with these listeners; nil when it does.
    static func failure(of listeners: [Listener]) -> StartFailure? {
        let absent = absentOutside(listeners) { Socket.isLocal($0) }
        guard !absent.isEmpty else { return nil }
        return failure(
            "no address of outside (\(absent.map(\.description).joined(separator: ", "))) is on an"
                + " interface of this container: start it with --network host, or correct outside. Where"
                + " ports are forwarded to it, say in outside what the Internet sees: ` as ADDRESS`"
        )
    }

    private static func failure(_ why: String) -> StartFailure {
        StartFailure("\(why); docs/container.md has the whole command", lasts: true)
    }

    /// What is lacking, of what was found; nil when nothing is.
    static func refusal(isRoot: Bool, permitted: UInt64, commandsNetwork: Bool) -> String? {
        guard isRoot else {
            return "this container runs as another user than root: leave --user out, each component"
                + " gets a user of its own"
        }
        let lacking = capabilities.filter { permitted >> UInt64($0.number) & 1 == 0 }.map(\.name)
        guard lacking.isEmpty else {
            return "this container lacks \(lacking.map { "CAP_" + $0 }.joined(separator: ", ")):"
                + " start it with \(lacking.map { "--cap-add " + $0 }.joined(separator: " "))"
        }
        guard commandsNetwork else {
            return
                "CAP_NET_ADMIN does not hold for this network, which is not that of the container's"
                + " user: run the container as root of the machine, not rootless"
        }
        return nil
    }

    /// The outside addresses, when it is known that an interface has none of them.
    ///
    /// A wildcard address is everywhere. An administrator who has written what a NAT has for an
    /// endpoint knows of the network between.
    static func absentOutside(
        _ listeners: [Listener], isLocal: (SocketAddress) -> Bool?
    ) -> [IPAddress] {
        var absent: [IPAddress] = []
        for listener in listeners where listener.side == .outside {
            let bound = listener.endpoint.address
            guard listener.advertised == nil,
                isLocal(bound) == false
            else { return [] }
            if !absent.contains(bound.ip) { absent.append(bound.ip) }
        }
        return absent
    }
}
