import Foundation
import Glibc
import Messages
import ServiceHarness
import Sys
import Testing
import Wire

/// The real sip-router as a process of its own, with the test as its supervisor.
final class RouterChild {
    /// Where it accepts TCP.
    let address: SocketAddress
    private let child: ChildProcess
    private var text = ""

    /// Starts it at ports of the loopback, up to its READY.
    init() throws {
        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let sockets = [
            try Socket.bound(.stream, to: loopback), try Socket.bound(.datagram, to: loopback),
        ]
        address = try Socket.localAddress(sockets[0].raw)
        let inside = try Socket.localAddress(sockets[1].raw)
        let settings: [Setting] = [
            .sides.domains("example.com"), .accounts.realm("example.com"),
            .sides.outside(OutsideEndpoint(Endpoint(.tcp, address))),
            .sides.inside(Endpoint(.udp, inside)),
            .sides.asterisks(SocketAddress(IPAddress(v4: 0x7F00_0001), port: 9)),
        ]
        child = try ChildProcess("sip-router")
        try send(.hello(.router))
        for setting in settings { try send(.setting(setting)) }
        for (listener, socket) in zip(
            Listener.numbered(settings.compactMap(\.told.router)), sockets)
        {
            try send(.listener(listener, socket))
        }
        try send(.secret([UInt8](repeating: 1, count: SupervisorMessage.secretLength)))
        try send(.begin)
        try hear(.ready)
    }

    /// Tells it something, as the supervisor does.
    func send(_ message: SupervisorMessage) throws { child.end.send(message) }

    /// Waits until it says something to the supervisor, for at most 30 s.
    func hear(_ wanted: ChildMessage) throws {
        if try !child.end.hears(wanted) { Issue.record("it never said \(wanted): \(text)") }
    }

    /// How often a text stands in its records, once it does at all; 0 after 60 s.
    func says(_ wanted: String) -> Int {
        let deadline = Clock.monotonic + .seconds(60)
        while !text.contains(wanted), isReadable(child.errors.raw, until: deadline) {
            var buffer = [UInt8](repeating: 0, count: 4096)
            guard case .moved(let count) = Stream.read(child.errors.raw, into: &buffer, at: 0)
            else {
                break
            }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        return text.components(separatedBy: wanted).count - 1
    }

    /// Allows it so many descriptors from now on.
    func limit(descriptors count: Int) throws { try child.limit(descriptors: count) }

    /// The rows of its answer to a caller of the control socket; nil when he gets none.
    func ask(_ request: ControlRequest) throws -> [ControlReply]? {
        let (mine, its) = try Socket.seqpacketPair()
        try send(.client(request, its))
        its.close()
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        let deadline = Clock.monotonic + .seconds(30)
        guard isReadable(mine.raw, until: deadline),
            case .frame(let length, _) = try Frame.receive(into: &buffer, on: mine.raw)
        else { return nil }
        var rows: [ControlReply] = []
        let frame = buffer
        try Parcel.forEach(in: frame.span.extracting(0..<length)) { row throws(WireError) in
            rows.append(try ControlReply(decoding: row))
        }
        return rows
    }

    /// A new connection to it.
    func connect() throws -> Descriptor {
        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        return try Socket.connecting(from: loopback, to: address)
    }

    /// Whether a connection answers a keep-alive within 30 s.
    func answers(_ connection: Descriptor) -> Bool {
        let ping = Array("\r\n\r\n".utf8)
        guard Stream.write(connection.raw, ping.span) == .moved(4) else { return false }
        var buffer = [UInt8](repeating: 0, count: 16)
        guard isReadable(connection.raw, until: Clock.monotonic + .seconds(30)) else {
            return false
        }
        return Stream.read(connection.raw, into: &buffer, at: 0) == .moved(2)
    }

    /// The processor time it has used, in clock ticks of 10 ms.
    func ticks() throws -> Int {
        let line = try String(contentsOfFile: "/proc/\(child.pid)/stat", encoding: .utf8)
        let fields = line.components(separatedBy: ") ").last?.split(separator: " ") ?? []
        return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
    }

    private func isReadable(_ raw: Int32, until deadline: Milliseconds) -> Bool {
        var wanted = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        let left = max(deadline - Clock.monotonic, Milliseconds(0))
        return unsafe poll(&wanted, 1, Int32(left.count)) > 0
    }
}
