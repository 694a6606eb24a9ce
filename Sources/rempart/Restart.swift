internal import ArgumentParser
internal import Messages
internal import Settings

/// `rempart restart`: replaces one component; calls and registrations live on.
struct Restart: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restart one component and wait until it is ready.",
        discussion: """
            Calls, registrations and bans outlive it, and so do the phones' TCP connections. A restart of \
            tls-terminator cuts the connections of TLS phones: they cannot be called until they connect again \
            (`rempart phones` shows which).
            """)

    @Argument(help: "\(names.joined(separator: ", ")).", completion: .list(names))
    var component: String
    @OptionGroup var daemon: DaemonOptions

    private static var names: [String] { Role.children.map(\.name) }

    func validate() throws { _ = try role() }

    func run() throws {
        let role = try role()
        _ = try daemon.ask(.restart(role))
        print("\(role.name) was restarted and is ready.")
    }

    private func role() throws -> Role {
        guard component != Role.supervisor.name else {
            throw ValidationError(
                "the supervisor is the daemon itself: `systemctl restart rempart`")
        }
        if let role = Role(name: component) { return role }
        let near = Spelling.nearest(to: component, among: Self.names)
        let hint =
            near.map { "did you mean `\($0)`?" } ?? "it is \(Self.names.joined(separator: ", "))"
        throw ValidationError("unknown component `\(component.terminalSafe)`; \(hint)")
    }
}

/// `rempart reload`: has the settings read again.
struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have the settings file read again; wrong ones change nothing.",
        discussion: """
            Fails, and says so, too when the settings are in force but a new certificate is not: the \
            one of before stays in use.
            """)

    @OptionGroup var daemon: DaemonOptions

    func run() throws {
        let rows = try daemon.ask(.reload)
        print("The settings were read again and are in force.")
        for case .finding(ControlReply.warning, let value) in rows {
            print("Warning: \(value.terminalSafe)")
        }
    }
}
