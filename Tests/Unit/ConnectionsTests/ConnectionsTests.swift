import Connections
import Messages
import Sys
import Testing

@Suite struct ConnectionsTests {
    private static func flow(_ transport: Transport, _ connection: UInt64, port: UInt16 = 40_000)
        -> Flow
    {
        Flow(
            transport, listener: 1, peer: SocketAddress(IPAddress(v4: 0xC633_6407), port: port),
            connection: connection)
    }

    private let tcp = flow(.tcp, 7)
    private let tls = flow(.tls, 8)
    private let udp = flow(.udp, 0)

    @Test("a connection stands from its opening to its end, and only with its own peer")
    func live() {
        var connections = Connections()
        let before = connections.isLive(tcp)
        _ = connections.opened(tcp)
        let during = connections.isLive(tcp)
        let other = connections.isLive(Self.flow(.tcp, 7, port: 40_001))
        _ = connections.closed(tcp)
        let after = connections.isLive(tcp)
        #expect(!before && during && !other && !after)
    }

    @Test("a connection that an account has proven itself by counts as proven until it is over")
    func authenticated() {
        var connections = Connections()
        _ = connections.opened(tcp)
        let stranger = connections.hasAuthenticated(by: tcp)
        connections.authenticated(tcp)
        let known = connections.hasAuthenticated(by: tcp)
        let registered = connections.isRegistered(by: tcp)
        _ = connections.closed(tcp)
        let closed = connections.hasAuthenticated(by: tcp)
        #expect(!stranger && known && !registered && !closed)
    }

    @Test("what is sent by UDP proves no flow of it")
    func datagrams() {
        var connections = Connections()
        connections.authenticated(udp)
        let isFirst = connections.attach(3, udp)
        let isProven = connections.hasAuthenticated(by: udp)
        connections.sent(udp)
        _ = connections.closed(udp)
        let lost = connections.takeLost()
        #expect(!isFirst && !isProven && lost.isEmpty)
    }

    @Test("a connection by which a phone has registered gives its bindings back when it is over")
    func bindings() {
        var connections = Connections()
        // A binding that directory had stored comes before its connection.
        _ = connections.attach(3, tcp)
        _ = connections.attach(5, tcp)
        let isKnown = connections.hasAuthenticated(by: tcp) && connections.isRegistered(by: tcp)
        let opened = connections.opened(tcp)
        let closed = connections.closed(tcp)
        let again = connections.closed(tcp)
        let isForgotten = !connections.isRegistered(by: tcp)
        #expect(isKnown && opened == [3, 5] && closed == [3, 5])
        #expect(again.isEmpty && isForgotten)
    }

    @Test("the first binding of a connection of TCP is told of, of TLS none")
    func first() {
        var connections = Connections()
        let ofTCP = [connections.attach(1, tcp), connections.attach(2, tcp)]
        let ofTLS = connections.attach(3, tls)
        #expect(ofTCP == [true, false] && !ofTLS)
        _ = connections.closed(tcp)
        let ofNext = connections.attach(1, tcp)
        #expect(ofNext)
    }

    @Test("a connection that closes with a request under way is lost, once")
    func lost() {
        var connections = Connections()
        connections.sent(tcp)
        connections.sent(tcp)
        connections.ended(tcp)
        connections.sent(tls)
        connections.ended(tls)
        _ = connections.closed(tcp)
        _ = connections.closed(tls)
        let first = connections.takeLost()
        let second = connections.takeLost()
        #expect(first == [tcp] && second.isEmpty)
    }
}
