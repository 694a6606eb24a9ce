package import Sys
package import Wire

/// A file that the supervisor opens and a child reads.
package enum FileKind: UInt8, CaseIterable, Sendable {
    /// The certificate chain, PEM; to tls-terminator.
    case certificate = 1
    /// The private key, PEM; to tls-terminator alone.
    case key = 2
    /// The child's own folder in the state folder (O_PATH); to directory and banner.
    case state = 3
    /// The password to the accounts' source, in memory that nobody can change; to accounts-reader.
    case secret = 4
}

/// In what form a descriptor takes a process's records.
package enum RecordForm: UInt8, CaseIterable, Sendable {
    /// journald's native protocol, on its datagram socket.
    case native = 1
    /// JSON, one object a line, on a stream that does not wait.
    case json = 2
}

/// What the supervisor tells a child.
///
/// Order: `hello`, then the start set (`journal`, `listener`, `peer`, `setting`, `file`, `secret`,
/// `table`, `ways`, `connection`), then `begin`. After that come, at any time:
/// - a new `peer`;
/// - `reload`, a new start set without journal, listeners, connections and peers, `begin`;
/// - `renew`, a certificate's two files, `begin`;
/// - `ways`;
/// - `client`;
/// - `stop`.
package enum SupervisorMessage {
    /// The first frame: the version spoken, and who the child is.
    case hello(Role)
    /// Where its records go comes with it; left out when they go to standard error, readable.
    case journal(RecordForm, Descriptor)
    /// One setting that the child reads.
    case setting(Setting)
    /// A bound socket comes with it.
    case listener(Listener, Descriptor)
    /// A connection of a phone that an earlier sip-router had accepted comes with it; to sip-router.
    case connection(KeptConnection, Descriptor)
    /// One end of a new link to another child comes with it; it replaces an older one.
    case peer(Role, Descriptor)
    /// An open file comes with it; of a certificate's also its place in the settings, from 0 on.
    case file(FileKind, Descriptor, place: UInt8 = 0)
    /// 72 bytes that outlive every process; to sip-router.
    ///
    /// They are the token key and the nonce key, of 32 each. Then comes the moment at which tokens
    /// began to be bound to dialogs, in milliseconds since 1970.
    case secret([UInt8])
    /// The name of the firewall's table, as `FirewallTable` makes it; to banner.
    case table(String)
    /// From which endpoint each Asterisk of the settings is called, in place of what was told before; to
    /// sip-router. At most `Bounds.mostAsterisks`.
    case ways([AsteriskWay])
    /// The start set, or the set of a reload, is complete.
    case begin
    /// A new set of settings and files follows, up to `begin`.
    case reload
    /// The two files of the certificate of this place, which was renewed, follow, up to `begin`; to
    /// tls-terminator.
    case renew(UInt8)
    /// A caller of the control socket, whose request is of this child's kind; its socket comes along.
    case client(ControlRequest, Descriptor)
    /// End in good order, at once.
    case stop
}

/// What a supervisor's message was to hand over whose descriptor is lost: its reader has no room for one.
package enum LostDescriptor: Equatable, Sendable {
    /// Where its records go.
    case journal
    /// A bound socket.
    case listener
    /// An end of a new link.
    case peer(Role)
    /// An open file.
    case file(FileKind)
    /// A caller of the control socket.
    case client
    /// A phone's connection.
    case connection(ConnectionHandle)

    /// What the frame of the message was to hand over.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 2: self = .journal
        case 4: self = .listener
        case 5: self = .peer(try reader.choice("role"))
        case 6: self = .file(try reader.choice("file"))
        case 10: self = .client
        case 12: self = .connection(try KeptConnection(from: &reader).handle)
        default: throw .descriptor
        }
    }

    /// What it is, in words.
    package var name: String {
        switch self {
        case .journal: "the journal"
        case .listener: "a listening socket"
        case .peer(let role): "the link to \(role.name)"
        case .file(.certificate): "the certificate"
        case .file(.key): "the certificate's key"
        case .file(.state): "its state folder"
        case .file(.secret): "the password of accounts.secret-file"
        case .client: "a caller of the control socket"
        case .connection: "a phone's connection"
        }
    }
}

extension SupervisorMessage {
    /// How many bytes a secret has.
    package static let secretLength = 72

    /// Of all settings those that a child reads.
    package static func settings(_ all: [Setting], for role: Role) -> [SupervisorMessage] {
        all.compactMap { $0.readers.contains(role) ? .setting($0) : nil }
    }

    /// The message's frame, and the descriptor that travels with it.
    package func encoded() -> (frame: [UInt8], passing: Descriptor?) {
        switch self {
        case .hello(let role):
            var writer = WireWriter.hello
            writer.u8(role.rawValue)
            return (writer.bytes, nil)
        case .journal(let form, let descriptor):
            var writer = WireWriter(kind: 2)
            writer.u8(form.rawValue)
            return (writer.bytes, descriptor)
        case .setting(let setting):
            var writer = WireWriter(kind: 3)
            writer.data(setting.encoded())
            return (writer.bytes, nil)
        case .listener(let listener, let socket):
            var writer = WireWriter(kind: 4)
            writer.advertised(listener.advertised)
            writer.u8(listener.index)
            writer.u8(listener.side.rawValue)
            writer.endpoint(listener.endpoint)
            return (writer.bytes, socket)
        case .peer(let role, let socket):
            var writer = WireWriter(kind: 5)
            writer.u8(role.rawValue)
            return (writer.bytes, socket)
        case .file(let kind, let file, let place):
            var writer = WireWriter(kind: 6)
            writer.u8(kind.rawValue)
            writer.u8(place)
            return (writer.bytes, file)
        case .secret(let bytes):
            var writer = WireWriter(kind: 7)
            writer.data(bytes)
            return (writer.bytes, nil)
        case .table(let name):
            var writer = WireWriter(kind: 13)
            writer.string(name)
            return (writer.bytes, nil)
        case .ways(let ways):
            var writer = WireWriter(kind: 21)
            writer.ways(ways)
            return (writer.bytes, nil)
        case .begin: return (WireWriter(kind: 8).bytes, nil)
        case .reload: return (WireWriter(kind: 9).bytes, nil)
        case .renew(let place):
            var writer = WireWriter(kind: 20)
            writer.u8(place)
            return (writer.bytes, nil)
        case .client(let request, let socket):
            var writer = WireWriter(kind: 10)
            writer.data(request.encoded())
            return (writer.bytes, socket)
        case .stop: return (WireWriter(kind: 11).bytes, nil)
        case .connection(let connection, let socket):
            var writer = WireWriter(kind: 12)
            connection.write(to: &writer)
            return (writer.bytes, socket)
        }
    }

    /// The message of a frame and of the descriptor that came with it.
    package init(decoding frame: Span<UInt8>, passed: Descriptor?) throws(WireError) {
        var reader = WireReader(frame)
        let kind = try reader.u8()
        let carriesDescriptor = [2, 4, 5, 6, 10, 12].contains(kind)
        guard carriesDescriptor == (passed != nil) else { throw .descriptor }
        switch (kind, passed) {
        case (1, _):
            try reader.version()
            self = .hello(try reader.choice("role"))
        case (2, let descriptor?): self = .journal(try reader.choice("form"), descriptor)
        case (3, _):
            let setting = try reader.data("setting", limit: 8192)
            self = .setting(try Setting(decoding: setting.span))
        case (4, let socket?):
            let advertised = try reader.advertised()
            let index = try reader.listener()
            let side = try reader.choice("side", of: Side.self)
            let listener = Listener(
                index: index, side: side, endpoint: try reader.endpoint(), advertised: advertised)
            self = .listener(listener, socket)
        case (5, let socket?): self = .peer(try reader.choice("role"), socket)
        case (6, let file?):
            let kind = try reader.choice("file", of: FileKind.self)
            self = .file(kind, file, place: try Self.place(from: &reader))
        case (7, _):
            let bytes = try reader.data("secret", limit: Self.secretLength)
            guard bytes.count == Self.secretLength else { throw .badValue("secret") }
            self = .secret(bytes)
        case (8, _): self = .begin
        case (9, _): self = .reload
        case (20, _): self = .renew(try Self.place(from: &reader))
        case (21, _): self = .ways(try reader.ways())
        case (10, let socket?):
            let request = try reader.data("request", limit: 1024)
            self = .client(try ControlRequest(decoding: request.span), socket)
        case (11, _): self = .stop
        case (12, let socket?): self = .connection(try KeptConnection(from: &reader), socket)
        case (13, _):
            let name = try reader.string("table", limit: FirewallTable.longest)
            guard FirewallTable.isSafe(name) else { throw .badValue("table") }
            self = .table(name)
        default: throw .unknownKind(kind)
        }
        try reader.finish()
    }

    /// A certificate's place in the settings.
    private static func place(from reader: inout WireReader) throws(WireError) -> UInt8 {
        let place = try reader.u8()
        guard place < Bounds.mostCertificates else { throw .badValue("place") }
        return place
    }
}

/// What a child tells the supervisor: sd_notify's words, after a hello.
package enum ChildMessage: Equatable, Sendable {
    /// The first frame: the version spoken, and who the child takes itself for.
    case hello(Role)
    /// Initialised, confined, and serving (READY=1); also the answer to a reload.
    case ready
    /// Still going round its loop (WATCHDOG=1); sent once a second.
    case watchdog
    /// One line for a person, at most 800 bytes (STATUS=).
    case status(String)
    /// Ending in good order (STOPPING=1).
    case stopping
    /// The new settings cannot be used and the old ones stay; why, at most 1,600 bytes.
    case refused(String)
    /// A phone is registered by this connection, whose descriptor comes with it: the supervisor
    /// retains it for the next sip-router.
    case retain(KeptConnection)
    /// A kept connection is over.
    case letGo(ConnectionHandle)
    /// All that is wrong with the child now, in place of what it told before; the first `Condition.most`.
    case conditions([Condition])
    /// Something of the set of a reload is not used, and `ready` follows for the rest; what and why, at most
    /// 1,600 bytes.
    case unused(String)
    /// The end of a new link to a peer was lost on its way, for want of descriptors: another one is wanted.
    case lostLink(Role)
    /// A peer that may wait, and so may hang, has answered nothing for too long: it is to be replaced.
    case hangs(Role)
    /// Which certificates are served by the pair that was handed over last; the answer of
    /// tls-terminator to each set of files.
    ///
    /// It has a bit for each place, the lowest for the first.
    case inUse(UInt32)

    private static let statusLimit = 800
    private static let refusalLimit = 1600

    /// Whether a descriptor may come with the message.
    package var carriesDescriptor: Bool { if case .retain = self { true } else { false } }

    /// The message's frame.
    package func encoded() -> [UInt8] {
        switch self {
        case .hello(let role):
            var writer = WireWriter.hello
            writer.u8(role.rawValue)
            return writer.bytes
        case .ready: return WireWriter(kind: 2).bytes
        case .watchdog: return WireWriter(kind: 3).bytes
        case .status(let text):
            var writer = WireWriter(kind: 4)
            writer.string(text, cutTo: Self.statusLimit)
            return writer.bytes
        case .stopping: return WireWriter(kind: 5).bytes
        case .refused(let why):
            var writer = WireWriter(kind: 6)
            writer.string(why, cutTo: Self.refusalLimit)
            return writer.bytes
        case .lostLink(let role):
            var writer = WireWriter(kind: 11)
            writer.u8(role.rawValue)
            return writer.bytes
        case .hangs(let role):
            var writer = WireWriter(kind: 12)
            writer.u8(role.rawValue)
            return writer.bytes
        case .retain(let connection):
            var writer = WireWriter(kind: 9)
            connection.write(to: &writer)
            return writer.bytes
        case .letGo(let handle):
            var writer = WireWriter(kind: 10)
            writer.u64(handle.raw)
            return writer.bytes
        case .inUse(let places):
            var writer = WireWriter(kind: 20)
            writer.u32(places)
            return writer.bytes
        case .conditions(let conditions):
            var writer = WireWriter(kind: 7)
            let first = conditions.prefix(Condition.most)
            writer.u8(UInt8(first.count))
            for condition in first { condition.write(to: &writer) }
            return writer.bytes
        case .unused(let what):
            var writer = WireWriter(kind: 8)
            writer.string(what, cutTo: Self.refusalLimit)
            return writer.bytes
        }
    }

    /// The message of a frame.
    package init(decoding frame: Span<UInt8>) throws(WireError) {
        var reader = WireReader(frame)
        switch try reader.u8() {
        case 1:
            try reader.version()
            self = .hello(try reader.choice("role"))
        case 2: self = .ready
        case 3: self = .watchdog
        case 4: self = .status(try reader.string("status", limit: Self.statusLimit))
        case 5: self = .stopping
        case 6: self = .refused(try reader.string("refused", limit: Self.refusalLimit))
        case 11: self = .lostLink(try reader.choice("role"))
        case 12: self = .hangs(try reader.choice("role"))
        case 9: self = .retain(try KeptConnection(from: &reader))
        case 10: self = .letGo(ConnectionHandle(raw: try reader.u64()))
        case 20: self = .inUse(try reader.u32())
        case 7:
            let count = try reader.u8()
            guard count <= Condition.most else { throw .badValue("conditions") }
            var conditions: [Condition] = []
            for _ in 0..<count { conditions.append(try Condition(from: &reader)) }
            self = .conditions(conditions)
        case 8: self = .unused(try reader.string("unused", limit: Self.refusalLimit))
        case let kind: throw .unknownKind(kind)
        }
        try reader.finish()
    }
}
