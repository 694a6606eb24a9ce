import Messages
import ServiceHarness
import Sys
import Testing

@testable import sip_router

@Suite("Defence of the process")
struct DefenceTests {
    @Test(
        "a source that banner has banned loses its connections of either kind; its neighbours keep theirs"
    )
    func banned() throws {
        let router = try TestRouter()
        let (phone, other) = (try router.connect(), try router.connect(from: "127.0.0.8"))
        let secret = try router.open(ConnectionHandle(.tls, place: 1), from: "127.0.0.7:9")
        try router.open(ConnectionHandle(.tls, place: 2), from: "127.0.0.8:9")
        let source = Network.source(of: try #require(IPAddress("127.0.0.7")))
        let until = Clock.sinceEpoch + .seconds(300)
        router.tell(.banned(source, until: until))
        try router.waitForEnd(phone)
        #expect(router.terminator.next() == PlaintextEnd.closed(secret))
        #expect(router.terminator.next() == nil)
        #expect(!other.isEnded && router.process.tlsPeers.count == 1)
    }

    @Test("handshakes that come to nothing are held against their source alone")
    func handshakes() throws {
        let router = try TestRouter()
        let good = try router.open(ConnectionHandle(.tls, place: 2), from: "198.51.100.8:40000")
        let bad = try router.open(ConnectionHandle(.tls, place: 1), from: "198.51.100.7:40000")
        let peer = try #require(SocketAddress("198.51.100.7:50000"))
        let failed = HandshakeFailedPayload(peer: peer, reason: .protocolError).encoded()
        for _ in 0..<20 { router.terminator.send(.handshakeFailed, 0, failed) }
        let closed = try router.wait("the end") { router.terminator.next() }
        #expect(closed == PlaintextEnd.closed(bad))
        let orders = try router.wait("an order") {
            let messages = try TestRouter.messages(router.banner)
            return messages.isEmpty ? nil : messages
        }
        try #require(orders.count == 1)
        let bytes = orders[0]
        guard case .ban(let order) = try RouterToBanner(decoding: bytes.span) else {
            Issue.record("\(orders)")
            return
        }
        #expect(order.address == peer.ip && order.reason == "tls-failures")
        #expect(router.process.tlsPeers[good.raw] != nil)
    }
}
