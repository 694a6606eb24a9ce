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
            #expect(error.code == EADDRINUSE)
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

    @Test("the kernel's way to an address, and the networks that the machine is in")
    func ways() {
        #expect(Socket.way(to: SocketAddress(loopback.ip, port: 9)) == .from(loopback.ip))
        #expect(Socket.way(to: SocketAddress(IPAddress(v4: 0xFFFF_FFFF), port: 9)) == .none)
        #expect(Socket.ownNetworks().contains(Network(loopback.ip, prefix: 8)))
        #expect(Socket.ownNetworks().count == Socket.ownAddresses().count)
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
