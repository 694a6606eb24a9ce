import Glibc
import Messages
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

    @Test("a socket that serves no endpoint is counted")
    func other() throws {
        let (listener, socket) = try served()
        let (_, another) = try served()
        var inherited = [another, socket]
        let sockets = try Sockets([listener], taking: &inherited)
        #expect(sockets.surplus == 1)
    }
}
