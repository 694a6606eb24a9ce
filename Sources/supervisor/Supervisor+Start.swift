internal import Journal
internal import Messages
internal import Reactor
internal import Spawning
internal import Sys

/// From the first settings to the first children.
extension Supervisor {
    /// Binds and opens everything; the children then start in the same turn of the loop.
    func bringUp(_ new: Configuration) throws(StartFailure) {
        var users: [Role: User] = [:]
        for role in Role.children {
            users[role] = try spawner.user(of: role)
        }
        if options.isContainer, let failure = ContainerNeeds.failure(of: new.listeners) {
            throw failure
        }
        try StateFolder.makeFolder(options.runtime, mode: 0o755)
        firewallTable = FirewallTable.name(ofRuntime: StateFolder.resolved(options.runtime))
        let control = try ControlSocket(options.control)
        self.control = control
        do {
            try acceptance.watch(control.raw, Token(kind: TokenKind.control.rawValue), poller)
        } catch {
            throw StartFailure("cannot watch the control socket: \(error)")
        }
        // Before anything is bound: what systemd kept of an earlier start may hold a port.
        notify.forgetSockets()
        let sockets = try Sockets(new.listeners, taking: &inherited)
        self.sockets = sockets
        notify.storeSockets(sockets.bound.map(\.socket))
        try openState(users: users)
        configuration = new
        beginCertificateWatch()
        addresses = AddressWatch(new.listeners, at: now)
        sayWhatIsWeak(sockets)
        recordUnreadable()
        children = Role.children.map { Child($0, user: users[$0], at: now) }
        readyBy = now + Self.readyLimit
    }

    private func sayWhatIsWeak(_ sockets: Sockets) {
        if !spawner.isRoot {
            journal.write(
                .degraded, .warning,
                "not started as root: all components run as one user, and bans are not put into "
                    + "the kernel's firewall")
        } else if !Spawner.hasNetAdmin {
            journal.write(
                .degraded, .warning,
                "CAP_NET_ADMIN is missing: bans are not put into the kernel's firewall")
        }
        if sockets.surplus > 0 {
            journal.write(
                .degraded, .notice,
                "\(sockets.surplus) sockets that systemd handed over serve no endpoint and are "
                    + "closed: if rempart.socket is in use, make it agree with outside, inside and "
                    + "trunks")
        }
    }
}
