import Glibc
import Messages
import Reactor
import Sys
import Testing

@testable import supervisor

@Suite struct SocketsTests {
    /// A datagram socket on this host, and the listener that it serves.
    private func served() throws -> (listener: Listener, socket: Descriptor) {
        let address = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let socket = try Socket.bound(.datagram, to: address)
        let endpoint = Endpoint(.udp, try Socket.localAddress(socket.raw))
        return (Listener(index: 0, side: .outside, endpoint: endpoint), socket)
    }

    @Test("a socket that comes twice, from its unit and from systemd's store, is none too many")
    func twice() throws {
        let (listener, socket) = try served()
        var inherited = [socket, Descriptor(owning: dup(socket.raw))]
        let sockets = try Sockets([listener], taking: &inherited)
        #expect(sockets.surplus == 0)
        #expect(inherited.isEmpty)
    }

    @Test(
        "a socket at every address tells which one is asked, whoever has bound it",
        arguments: [true, false])
    func wildcard(_ isInherited: Bool) throws {
        let every = SocketAddress(IPAddress(v4: 0), port: 0)
        let other = try Socket.bound(.datagram, to: every)
        let endpoint = Endpoint(.udp, try Socket.localAddress(other.raw))
        var inherited = isInherited ? [other] : []
        if !isInherited { other.close() }
        let sockets = try Sockets(
            [Listener(index: 0, side: .outside, endpoint: endpoint)], taking: &inherited)
        let bound = try #require(sockets.bound.first).socket
        let own = IPAddress(v4: 0x7F00_0002)
        var batch = DatagramBatch(slots: 1)
        let words: [UInt8] = [1]
        batch.add(words.span, to: SocketAddress(own, port: endpoint.address.port))
        batch.send(bound.raw)
        #expect(batch.receive(bound.raw, isWildcard: true) == 1)
        let asked = batch.asked(0)
        #expect(asked == own)
    }

    @Test("a socket that serves no endpoint is counted")
    func other() throws {
        let (listener, socket) = try served()
        let (_, another) = try served()
        var inherited = [another, socket]
        let sockets = try Sockets([listener], taking: &inherited)
        #expect(sockets.surplus == 1)
    }
}
