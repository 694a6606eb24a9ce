internal import Wire

/// A process of the daemon; its name is the word used for it everywhere.
package enum Role: UInt8, CaseIterable, Sendable {
    /// Root; starts and watches the others.
    case supervisor = 0
    /// Ends TLS, holds the private keys.
    case terminator = 1
    /// Parses SIP, authenticates, registers, routes.
    case router = 2
    /// Knows the accounts and keeps the bindings.
    case directory = 3
    /// Changes the kernel's firewall.
    case banner = 4
    /// Reads the accounts where Asterisk has them.
    case accountsReader = 5

    /// The processes under the supervisor, in the order they are started.
    package static let children: [Role] = [
        .accountsReader, .directory, .banner, .terminator, .router,
    ]

    /// The word for the process: its folder, binary, unit and REMPART_PROCESS field.
    package var name: String {
        switch self {
        case .supervisor: "supervisor"
        case .terminator: "tls-terminator"
        case .router: "sip-router"
        case .directory: "directory"
        case .banner: "banner"
        case .accountsReader: "accounts-reader"
        }
    }

    /// The user the process runs as when the supervisor is root.
    package var user: String {
        switch self {
        case .supervisor: "root"
        case .terminator: "rempart-tls"
        case .router: "rempart-sip"
        case .directory: "rempart-db"
        case .banner: "rempart-ban"
        case .accountsReader: "rempart-acct"
        }
    }

    /// A user whose further groups the process gets too; nil for most.
    ///
    /// directory had read the accounts before accounts-reader was there: what its user was let into stays open.
    package var groupsOf: String? { self == .accountsReader ? Role.directory.user : nil }

    /// The process of a name.
    package init?(name: String) {
        guard let role = Role.allCases.first(where: { $0.name == name }) else { return nil }
        self = role
    }

    /// Which processes have a direct link with each other, beside each one's with the supervisor.
    package static let links: [(Role, Role)] = [
        (.router, .terminator), (.router, .directory), (.router, .banner),
        (.directory, .accountsReader),
    ]
}

/// The version of every message below.
///
/// Raise it whenever a kind or field changes, so that binaries of two builds refuse each other at
/// the first frame.
package let messagesVersion: UInt8 = 15

extension WireWriter {
    /// A hello: kind 1, and the version that is spoken.
    static var hello: WireWriter {
        var writer = WireWriter(kind: 1)
        writer.u8(messagesVersion)
        return writer
    }
}

extension WireReader {
    /// Reads the version of a hello, which must be the one that is spoken here.
    mutating func version() throws(WireError) {
        let version = try u8()
        guard version == messagesVersion else { throw .version(version) }
    }
}
