internal import Glibc
package import Journal
package import Messages
internal import Reactor
package import Sys
internal import Wire

/// Why a child cannot begin or go on; it then exits with the code of the case.
package enum ChildFailure: Error, CustomStringConvertible {
    /// The supervisor is gone, or sent what it may not.
    case supervisor(String)
    /// What was handed over cannot be used, and trying again would not help.
    case setup(String)

    /// What went wrong.
    package var description: String {
        switch self {
        case .supervisor(let text), .setup(let text): text
        }
    }

    /// The exit code that tells the supervisor what to do.
    package var exitCode: Int32 {
        switch self {
        case .supervisor: ChildExit.startAgain
        case .setup: ChildExit.unusable
        }
    }
}

/// What a child is handed before `begin`, at the start and again at each reload.
package struct StartSet {
    /// The settings this child reads.
    package var settings: [Setting] = []
    /// The bound sockets; at the start only.
    package var listeners: [(listener: Listener, socket: Descriptor)] = []
    /// The phones' connections that an earlier process had accepted; at the start only.
    package var connections: [(connection: KeptConnection, socket: Descriptor)] = []
    /// The links to other children; at the start only.
    package var peers: [Role: Descriptor] = [:]
    /// The opened files, but for those of certificates.
    package var files: [FileKind: Descriptor] = [:]
    /// The certificates' files, by their place in the settings.
    package var certificates: [Int: [FileKind: Descriptor]] = [:]
    /// 72 bytes (`SupervisorMessage.secret`), empty for a child that has none.
    package var secret: [UInt8] = []
    /// The name of the firewall's table, for the one child that keeps it.
    package var table = FirewallTable.standard
    /// From which endpoint each Asterisk is called, for the one child that calls them.
    package var ways: [AsteriskWay] = []

    /// An empty set.
    package init() {}
}

/// What the supervisor wants of a running child.
package enum Notice {
    /// Use these settings and files from now on; answer `ready()` or `refused(_:)`.
    case reload(StartSet)
    /// Use the files of the certificate of this place from now on, if they can be used; answer `inUse(_:)`.
    /// What was lost on its way is not among them.
    case renew(Int, [FileKind: Descriptor])
    /// Call the Asterisks from these endpoints from now on.
    case ways([AsteriskWay])
    /// A new link to a peer, in place of an older one.
    case peer(Role, Descriptor)
    /// Answer this request on its socket, with `ControlReply` frames.
    case client(ControlRequest, Descriptor)
    /// End now.
    case stop
}

/// A child's end of its link to the supervisor, which it finds as descriptor 3.
package final class Supervision {
    private let role: Role
    private let link: Link
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
    private var reloading: StartSet?
    /// The place of the certificate that was renewed, when the set that comes in is its files alone.
    private var renewing: Int?
    /// What the reload's set lacks, since there was no room for its descriptor.
    private var lacking: LostDescriptor?
    /// The peers to whom a new link is wanted, for the same reason.
    private var lostLinks: Set<Role> = []
    private var log: Descriptor?
    private var conditions: [Condition] = []
    private var nextTelling = Milliseconds(0)

    /// Where records go: standard error until the supervisor has handed over something else.
    package let journal: Journal

    /// The descriptor number a child finds its link at.
    package static let descriptor: Int32 = 3

    /// Takes over its end of the link, which the supervisor leaves as descriptor 3, and says hello.
    package init(
        role: Role, link end: Descriptor = Descriptor(owning: Supervision.descriptor)
    ) {
        self.role = role
        link = Link(end)
        journal = Journal(process: role.name, socket: nil)
        send(.hello(role))
    }

    /// The descriptor to watch for reading.
    package var raw: Int32 { link.descriptor.raw }

    /// Waits for the start set; the supervisor sends it whole, at once.
    package func receiveStartSet() throws(ChildFailure) -> StartSet {
        var poller = try Self.poller(watching: raw)
        var set = StartSet()
        var greeted = false
        while true {
            let next = try receive { lost throws(ChildFailure) in
                // The others go on without it, and its phone connects again.
                if case .connection(let handle) = lost { return letGo(handle) }
                throw .setup("\(lost.name) is lost: \(Self.wantOfDescriptors)")
            }
            guard let message = next else {
                _ = poller.wait(nil)
                continue
            }
            switch message {
            case .hello(let named):
                guard named == role else { throw .supervisor("started as \(named.name)") }
                greeted = true
            case .begin where greeted: return set
            case .listener(let listener, let socket) where greeted:
                set.listeners.append((listener, socket))
            case .connection(let connection, let socket) where greeted:
                set.connections.append((connection, socket))
            case .peer(let peer, let socket) where greeted: set.peers[peer] = socket
            case .journal(let form, let descriptor) where greeted:
                log = descriptor
                switch form {
                case .native: journal.use(descriptor.raw)
                case .json: journal.use(json: descriptor.raw)
                }
            case _ where greeted && set.take(message): break
            case .stop: throw .supervisor("stopped before the start set was complete")
            default: throw .supervisor("the supervisor sent a message that is not permitted yet")
            }
        }
    }

    private static let wantOfDescriptors = SystemError(
        "receive a descriptor", code: Errno.tooManyFiles
    ).withRemedy

    private static func poller(watching raw: Int32) throws(ChildFailure) -> Poller {
        do {
            let poller = try Poller(capacity: 1)
            try poller.add(raw, Token(kind: 0), .read)
            return poller
        } catch {
            throw .supervisor("\(error)")
        }
    }

    /// The next thing the supervisor wants, or nil when it has said nothing more.
    package func next() throws(ChildFailure) -> Notice? {
        while let message = try receive(lose) {
            switch message {
            case .reload: (reloading, lacking, renewing) = (StartSet(), nil, nil)
            case .renew(let place): (reloading, lacking, renewing) = (StartSet(), nil, Int(place))
            case .begin:
                guard let set = reloading else { throw Self.unpermitted }
                reloading = nil
                // One that has lost a file is tried again by the supervisor.
                if let place = renewing { return .renew(place, set.certificates[place] ?? [:]) }
                guard let lacking else { return .reload(set) }
                refused("\(lacking.name) is lost: \(Self.wantOfDescriptors)")
            case .peer(let peer, let socket):
                lostLinks.remove(peer)
                return .peer(peer, socket)
            case .client(let request, let socket): return .client(request, socket)
            case .ways(let ways) where reloading == nil: return .ways(ways)
            case .stop: return .stop
            default:
                guard reloading?.take(message) == true else { throw Self.unpermitted }
            }
        }
        return nil
    }

    private static let unpermitted = ChildFailure.supervisor(
        "the supervisor sent a message that is not permitted in this state")

    /// A message has come without its descriptor: whoever sent it keeps to the protocol, and we serve on.
    private func lose(_ lost: LostDescriptor) {
        switch lost {
        case .peer(let role): lostLinks.insert(role)
        case .file: lacking = lost
        case .journal, .listener, .client, .connection: break
        }
        let now = Clock.monotonic
        guard now >= nextTelling else { return }
        nextTelling = now + .seconds(60)
        journal.write(
            .degraded, .error, "\(lost.name) is lost: \(Self.wantOfDescriptors)",
            [(.component, role.name)])
    }

    /// The next message of the supervisor; `lose` is told of those that have lost their descriptor.
    private func receive(
        _ lose: (LostDescriptor) throws(ChildFailure) -> Void
    ) throws(ChildFailure) -> SupervisorMessage? {
        while true {
            do {
                switch try link.receive(into: &buffer) {
                case .nothing: return nil
                case .ended: throw ChildFailure.supervisor("the supervisor is gone")
                case .frame(let length, let passed): return try decode(length, passed)
                case .cut(let length): try lose(try decodeCut(length))
                }
            } catch let error as ChildFailure {
                throw error
            } catch {
                throw .supervisor("bad frame from the supervisor: \(error)")
            }
        }
    }

    // `frame` holds the same storage, uncopied: a span of a class's property may not be lent to a
    // call that throws.
    private func decode(
        _ length: Int, _ passed: Descriptor?
    ) throws(WireError) -> SupervisorMessage {
        let frame = buffer
        return try SupervisorMessage(decoding: frame.span.extracting(0..<length), passed: passed)
    }

    private func decodeCut(_ length: Int) throws(WireError) -> LostDescriptor {
        let frame = buffer
        return try LostDescriptor(decoding: frame.span.extracting(0..<length))
    }

    /// Says that the child is initialised, confined, and serving; or has taken a reload.
    package func ready() { send(.ready) }

    /// Says that the loop still goes round; to be called from the loop itself, once a second.
    package func heartbeat() {
        send(.watchdog)
        for role in lostLinks { send(.lostLink(role)) }
    }

    /// Says that a peer has answered nothing for too long; it is replaced.
    package func hangs(_ role: Role) { send(.hangs(role)) }

    /// Sets the child's line in `rempart status`.
    package func status(_ text: String) { send(.status(text)) }

    /// Says what is wrong with the child now: all of it, each time; told when it differs from the last time.
    package func report(_ now: [Condition]) {
        guard now != conditions else { return }
        conditions = now
        send(.conditions(Condition.worst(of: now)))
    }

    /// Says which certificates are served by the pair that was handed over last, a bit for each place.
    package func inUse(_ places: UInt32) { send(.inUse(places)) }

    /// Says what of a reload is not used, and why; `ready()` follows for the rest.
    package func unused(_ what: String) { send(.unused(what)) }

    /// Says why the settings of a reload cannot be used; the old ones stay in force.
    package func refused(_ why: String) { send(.refused(why)) }

    /// Says that the child is about to end, and writes the records that wait.
    package func stopping() {
        send(.stopping)
        journal.finish()
    }

    /// Ends the process, which cannot go on, with the exit code of the failure.
    package func fail(_ failure: ChildFailure) -> Never {
        journal.write(.daemonFailed, .critical, "\(failure)")
        journal.finish()
        exit(failure.exitCode)
    }

    /// Has the supervisor keep a connection for the next process.
    package func retain(_ connection: KeptConnection, _ socket: Descriptor) {
        send(.retain(connection), passing: socket)
    }

    /// Says that a kept connection is over.
    package func letGo(_ handle: ConnectionHandle) { send(.letGo(handle)) }

    private func send(_ message: ChildMessage, passing descriptor: Descriptor? = nil) {
        // A supervisor that does not read is as good as gone, which the next receive finds.
        if link.isWaiting { _ = link.flush() }
        _ = link.send(message.encoded(), passing: descriptor)
    }
}

extension StartSet {
    /// Takes a message that may stand in a start set and in a reload alike; false for any other.
    fileprivate mutating func take(_ message: SupervisorMessage) -> Bool {
        switch message {
        case .setting(let setting): settings.append(setting)
        case .file(.state, let file, _): files[.state] = file
        case .file(.secret, let file, _): files[.secret] = file
        case .file(let kind, let file, let place):
            certificates[Int(place), default: [:]][kind] = file
        case .secret(let bytes): secret = bytes
        case .table(let name): table = name
        case .ways(let ways): self.ways = ways
        default: return false
        }
        return true
    }
}
