import Glibc
import Sys
import Testing

@Suite struct SocketTests {
    private let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)

    @Test("a port that is taken is reported as such, for UDP and TCP", arguments: [true, false])
    func taken(_ isDatagram: Bool) throws {
        let kind: SocketKind = isDatagram ? .datagram : .stream
        let first = try Socket.bound(kind, to: loopback)
        let address = try Socket.localAddress(first.raw)
        do {
            _ = try Socket.bound(kind, to: address)
            Issue.record("the port was bound twice")
        } catch {
            #expect(error.code == Errno.addressInUse)
            #expect("\(error)".contains("\(address)"))
        }
    }

    @Test("an inherited socket is known by its kind and address, another descriptor is not one")
    func adopted() throws {
        let socket = try Socket.bound(.stream, to: loopback)
        let found = try #require(Socket.adopted(socket.raw))
        #expect(found.kind == .stream)
        #expect(try found.address == Socket.localAddress(socket.raw))
        let pair = try Socket.seqpacketPair()
        #expect(Socket.adopted(pair.0.raw) == nil)
        #expect(Socket.adopted(-1) == nil)
    }

    @Test("a socket at [::] that also takes IPv4 is not taken for an endpoint of IPv6")
    func bothFamilies() throws {
        let every = SocketAddress(IPAddress(high: 0, low: 0), port: 0)
        let socket = try Socket.bound(.datagram, to: every)
        #expect(try Socket.adopted(socket.raw)?.address == Socket.localAddress(socket.raw))
        let both = Descriptor(owning: Glibc.socket(AF_INET6, Int32(SOCK_DGRAM.rawValue), 0))
        var any = sockaddr_in6()
        any.sin6_family = sa_family_t(AF_INET6)
        let bound = unsafe withUnsafePointer(to: &any) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(both.raw, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        #expect(bound == 0 && Socket.adopted(both.raw) == nil)
    }

    @Test("the machine's addresses, and which of them the way to another begins at")
    func own() throws {
        #expect(Socket.ownAddresses().contains(loopback.ip))
        #expect(Socket.source(toward: SocketAddress(loopback.ip, port: 9)) == loopback.ip)
        #expect(Socket.source(toward: SocketAddress(IPAddress(v4: 0xFFFF_FFFF), port: 9)) == nil)
    }

    @Test("a connection tells both ends each other's address")
    func connection() throws {
        let listener = try Socket.bound(.stream, to: loopback)
        let address = try Socket.localAddress(listener.raw)
        let client = try Socket.connecting(from: loopback, to: address)
        var accepted: (connection: Descriptor, peer: SocketAddress)?
        while accepted == nil { accepted = try Socket.accept(listener.raw) }
        #expect(try accepted?.peer == Socket.localAddress(client.raw))
        #expect(Socket.pendingError(client.raw) == 0)
    }

    @Test("the other end of a Unix socket has our own user")
    func credentials() throws {
        let pair = try Socket.seqpacketPair()
        let ours = try Socket.peerCredentials(pair.0.raw)
        let theirs = try Socket.peerCredentials(pair.1.raw)
        #expect(ours.uid == theirs.uid && ours.pid == theirs.pid && ours.pid > 0)
    }
}

@Suite struct FrameTests {
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    @Test("a frame comes out whole, with the descriptor that went with it")
    mutating func passes() throws {
        let (a, b) = try Socket.seqpacketPair()
        let (inner, other) = try Socket.seqpacketPair()
        let frame: [UInt8] = [1, 2, 3]
        #expect(try Frame.send(frame.span, passing: inner, on: a.raw))
        guard case .frame(3, let passed?) = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("no frame with a descriptor")
            return
        }
        #expect(Array(buffer[..<3]) == frame)
        // What was passed is the same socket: its other end hears it.
        #expect(try Frame.send(frame.span, on: passed.raw))
        guard case .frame(3, nil) = try Frame.receive(into: &buffer, on: other.raw) else {
            Issue.record("the passed descriptor is another")
            return
        }
    }

    @Test("no frame, and the end, are told apart")
    mutating func ends() throws {
        let (a, b) = try Socket.seqpacketPair()
        guard case .nothing = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("a frame out of nothing")
            return
        }
        a.close()
        guard case .ended = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("the end was not seen")
            return
        }
        let frame: [UInt8] = [1]
        #expect(throws: SystemError.self) { try Frame.send(frame.span, on: b.raw) }
    }

    @Test("a frame longer than the buffer is an error, not a part of it")
    func tooLong() throws {
        let (a, b) = try Socket.seqpacketPair()
        let frame = [UInt8](repeating: 7, count: 100)
        #expect(try Frame.send(frame.span, on: a.raw))
        var small = [UInt8](repeating: 0, count: 10)
        #expect(throws: SystemError("receive frame", code: Errno.tooLong)) {
            try Frame.receive(into: &small, on: b.raw)
        }
    }

    @Test("a full socket says so, and loses nothing")
    mutating func full() throws {
        let (a, b) = try Socket.seqpacketPair()
        var sent: UInt8 = 0
        while sent < 255 {
            let frame = [UInt8](repeating: sent, count: 60_000)
            guard try Frame.send(frame.span, on: a.raw) else { break }
            sent += 1
        }
        #expect(sent > 0 && sent < 255)
        for expected in 0..<sent {
            guard case .frame(60_000, nil) = try Frame.receive(into: &buffer, on: b.raw) else {
                Issue.record("frame \(expected) is lost")
                return
            }
            #expect(buffer[0] == expected && buffer[59_999] == expected)
        }
    }
}

@Suite struct StreamTests {
    @Test("a pipe carries bytes, would block when empty, and ends")
    func pipe() throws {
        let (reading, writing) = try Stream.pipe()
        var buffer = [UInt8](repeating: 0, count: 8)
        #expect(Stream.read(reading.raw, into: &buffer, at: 0) == .wouldBlock)
        writing.close()
        #expect(Stream.read(reading.raw, into: &buffer, at: 0) == .ended)
    }
}

@Suite struct TimeTests {
    @Test("spans add, compare and round down to seconds")
    func spans() {
        #expect(Milliseconds.seconds(2) + Milliseconds(999) == Milliseconds(2999))
        #expect(Milliseconds(2999).seconds == 2)
        #expect(Milliseconds(1) < .seconds(1))
    }

    @Test("random bytes differ")
    func random() {
        #expect(Random.bytes(32) != Random.bytes(32))
        #expect(Random.bytes(0).isEmpty)
    }
}
