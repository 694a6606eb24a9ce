import Glibc
import Messages
import Sys
import Testing

@testable import supervisor

/// What sip-router may have the supervisor keep.
@Suite struct KeptConnectionsTests {
    /// A connection as sip-router has it, the phone's end, and the listener that it came by.
    private func connected() throws -> (
        kept: KeptConnection, socket: Descriptor, phone: Descriptor, listeners: [Listener]
    ) {
        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let listener = try Socket.bound(.stream, to: loopback)
        let address = try Socket.localAddress(listener.raw)
        let listeners = [Listener(index: 1, side: .outside, endpoint: Endpoint(.tcp, address))]
        let phone = try Socket.connecting(from: loopback, to: address)
        let deadline = Clock.monotonic + .seconds(30)
        while Clock.monotonic < deadline {
            guard let accepted = try Socket.accept(listener.raw) else { continue }
            let kept = KeptConnection(
                handle: ConnectionHandle(.tcp, place: 3), listener: 1, peer: accepted.peer)
            return (kept, accepted.connection, phone, listeners)
        }
        throw SystemError("accept", code: 0)
    }

    private func isOpen(_ phone: Descriptor) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1)
        return Stream.read(phone.raw, into: &buffer, at: 0) == .wouldBlock
    }

    @Test("a connection outlives the process that accepted it, until it is let go of")
    func lives() throws {
        let (kept, socket, phone, listeners) = try connected()
        var connections = KeptConnections()
        let copy = Descriptor(owning: dup(socket.raw))
        #expect(connections.store(kept, copy, of: listeners) == nil)
        socket.close()
        #expect(isOpen(phone))
        #expect(connections.messages.count == 1)
        connections.letGo(kept.handle)
        copy.close()
        #expect(connections.messages.isEmpty)
    }

    @Test("sip-router ends a connection for whoever keeps it")
    func ended() throws {
        let (kept, socket, phone, listeners) = try connected()
        var connections = KeptConnections()
        let copy = Descriptor(owning: dup(socket.raw))
        #expect(connections.store(kept, copy, of: listeners) == nil)
        Socket.end(socket.raw)
        let deadline = Clock.monotonic + .seconds(30)
        while isOpen(phone), Clock.monotonic < deadline {}
        #expect(!isOpen(phone))
    }

    @Test("what is no connection, or another one than it says, is a broken protocol")
    func foreign() throws {
        let (kept, socket, _, listeners) = try connected()
        var connections = KeptConnections()
        var peer = kept.peer
        peer.port ^= 1
        let other = KeptConnection(handle: kept.handle, listener: 1, peer: peer)
        #expect(connections.store(other, socket, of: listeners) != nil)
        #expect(connections.messages.isEmpty)
        // A listener that there is not would end every later sip-router.
        let elsewhere = KeptConnection(handle: kept.handle, listener: 2, peer: kept.peer)
        #expect(connections.store(elsewhere, socket, of: listeners) != nil)
        // What was lost on the way is nobody's fault.
        #expect(connections.store(kept, nil, of: listeners) == nil)
        #expect(connections.store(kept, socket, of: listeners) == nil)
        #expect(connections.store(kept, socket, of: listeners) != nil)
    }
}
