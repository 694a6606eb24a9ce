import Messages
import Privsep
import RouterHarness
import ServiceHarness
import Sys
import Testing
import Wire

@testable import sip_router

/// The whole of sip-router but its confinement, in the test's own process: its sockets and links are real, the
/// other children are the test.
final class TestRouter {
    let supervisor: TestSupervisor
    let process: RouterProcess
    /// Where it accepts TCP.
    let address: SocketAddress
    private(set) var terminator: PlaintextEnd
    let directory: PlainLink
    let banner: PlainLink
    private let time = Time()

    static let tcp: UInt8 = 0
    static let tls: UInt8 = 1

    private final class Time {
        var now = Clock.monotonic
    }

    /// A router that takes over connections of an earlier one.
    init(keeping connections: [(connection: KeptConnection, socket: Descriptor)] = []) throws {
        supervisor = try TestSupervisor(.router)
        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let stream = try Socket.bound(.stream, to: loopback)
        let datagram = try Socket.bound(.datagram, to: loopback)
        address = try Socket.localAddress(stream.raw)
        var set = StartSet()
        set.settings = [
            .sides.domains("example.com"), .accounts.realm("example.com"),
            .sides.outside(OutsideEndpoint(Endpoint(.tcp, address))),
            .sides.outside(OutsideEndpoint(Endpoint(.tls, address))),
            .sides.inside(Endpoint(.udp, try Socket.localAddress(datagram.raw))),
            .sides.asterisks(SocketAddress(IPAddress(v4: 0x7F00_000A), port: 9)),
        ]
        let listeners = Listener.numbered(set.settings.compactMap(\.told.router))
        set.listeners = [(listeners[0], stream), (listeners[2], datagram)]
        set.secret = [UInt8](repeating: 1, count: SupervisorMessage.secretLength)
        set.connections = connections
        let (directory, toDirectory) = try Socket.seqpacketPair()
        let (banner, toBanner) = try Socket.seqpacketPair()
        self.directory = PlainLink(directory)
        self.banner = PlainLink(banner)
        let time = time
        let loop = try ServiceLoop(supervisor.supervision, clock: { time.now })
        process = try RouterProcess(loop, set)
        let (terminator, toTerminator) = try PlaintextEnd.make()
        self.terminator = terminator
        loop.begin(
            process,
            [.directory: toDirectory, .banner: toBanner, .terminator: toTerminator])
        let hello = PlaintextMessage(kind: .hello, connection: 0, payload: [messagesVersion])
        let first = terminator.next()
        #expect(first == hello)
        for link in [self.directory, self.banner] {
            #expect(try link.next() == [1, messagesVersion])
        }
    }

    // MARK: Time

    /// Lets the process work for a turn.
    func turn() {
        do {
            let goesOn = try process.loop.turn(process, longest: Milliseconds(5))
            #expect(goesOn)
        } catch {
            Issue.record(error)
        }
    }

    /// Lets time pass, second by second.
    func pass(seconds: Int64) {
        for _ in 0..<seconds {
            time.now = time.now + .seconds(1)
            turn()
        }
    }

    /// Lets time pass at once.
    func leap(_ span: Milliseconds) {
        time.now = time.now + span
        turn()
    }

    /// Lets the process work until the condition gives a value.
    func wait<Value>(_ what: String, for condition: () throws -> Value?) throws -> Value {
        let deadline = Clock.monotonic + .seconds(30)
        while Clock.monotonic < deadline {
            if let value = try condition() { return value }
            turn()
        }
        Issue.record("never came: \(what)")
        throw SystemError(what, code: 0)
    }

    // MARK: TCP

    /// A phone's connection from an address of the loopback.
    func connect(from address: String = "127.0.0.7") throws -> TestStream {
        let own = try #require(SocketAddress("\(address):0"))
        let before = process.streams.all.count
        let stream = TestStream(try Socket.connecting(from: own, to: self.address))
        _ = try wait("the accept") {
            process.streams.all.count > before || stream.isEnded ? true : nil
        }
        return stream
    }

    /// The next whole message that comes by a connection.
    func answer(_ stream: TestStream) throws -> Message {
        try wait("an answer") { Message(stream.read()) }
    }

    /// Waits until a connection is ended.
    func waitForEnd(_ stream: TestStream) throws {
        _ = try wait("the end") { stream.isEnded ? true : nil }
    }

    // MARK: tls-terminator

    /// A new tls-terminator comes in place of the one before.
    func restartTerminator(hello: Bool = true) throws {
        let (end, its) = try PlaintextEnd.make(hello: hello)
        terminator = end
        supervisor.end.send(.peer(.terminator, its))
        its.close()
        let first = try wait("a hello") { end.next() }
        #expect(first.kind == .hello)
    }

    /// tls-terminator tells of a connection, whose handle this is.
    @discardableResult
    func open(
        _ handle: ConnectionHandle = ConnectionHandle(.tls, place: 1),
        from peer: String = "198.51.100.7:40000", listener: UInt8 = TestRouter.tls
    ) throws -> ConnectionHandle {
        let payload = OpenedPayload(
            listener: listener, peer: try #require(SocketAddress(peer)), own: address)
        terminator.send(.opened, handle.raw, payload.encoded())
        _ = try wait("the connection") {
            process.tlsPeers[handle.raw] != nil || terminator.hasMore ? true : nil
        }
        return handle
    }

    // MARK: directory and banner

    /// What has come by a link since, message for message.
    static func messages(_ link: PlainLink) throws -> [[UInt8]] {
        var messages: [[UInt8]] = []
        while let frame = try link.next() {
            try Parcel.forEach(in: frame.span) { message throws(WireError) in
                messages.append(message.indices.map { message[$0] })
            }
        }
        return messages
    }

    /// banner says something.
    func tell(_ message: BannerToRouter) {
        let bytes = message.encoded()
        var parcel = Parcel()
        let isAdded = parcel.add(bytes.span)
        #expect(isAdded)
        let frame = parcel.frame
        banner.send(frame.indices.map { frame[$0] })
    }
}

/// A phone's end of a TCP connection.
final class TestStream {
    private let socket: Descriptor
    private var bytes: [UInt8] = []
    private(set) var isOver = false

    init(_ socket: Descriptor) { self.socket = socket }

    func write(_ bytes: [UInt8]) {
        let outcome = Stream.write(socket.raw, bytes.span)
        #expect(outcome == .moved(bytes.count))
    }

    /// All that has come so far.
    func read() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while !isOver {
            switch Stream.read(socket.raw, into: &buffer, at: 0) {
            case .moved(let count): bytes += buffer[..<count]
            case .wouldBlock: return bytes
            case .ended, .failed: isOver = true
            }
        }
        return bytes
    }

    /// Whether the other end has closed it.
    var isEnded: Bool {
        _ = read()
        return isOver
    }
}

/// An OPTIONS of a phone that asks the edge itself.
func options(_ number: Int = 1, via transport: String = "TCP", _ extra: [String] = []) -> [UInt8] {
    wire(
        [
            "OPTIONS sip:example.com SIP/2.0",
            "Via: SIP/2.0/\(transport) 192.168.1.7:5060;branch=z9hG4bKoptions\(number);rport",
            "Max-Forwards: 70", "From: <sip:1003@example.com>;tag=a\(number)",
            "To: <sip:example.com>", "Call-ID: options-\(number)", "CSeq: \(number) OPTIONS",
        ] + extra)
}
