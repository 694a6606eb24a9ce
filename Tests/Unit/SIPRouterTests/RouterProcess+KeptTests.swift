import Messages
import Proxy
import Registrar
import RouterHarness
import ServiceHarness
import Sys
import Testing

@testable import sip_router

@Suite("Kept connections")
struct KeptTests {
    /// A phone's connection that an earlier sip-router had accepted.
    private struct Kept {
        let phone: TestStream
        let connection: KeptConnection
        let socket: Descriptor

        init(place: UInt16) throws {
            let loopback = SocketAddress(IPAddress(v4: 0x7F00_0007), port: 0)
            let listener = try Socket.bound(.stream, to: loopback)
            let raw = try Socket.connecting(
                from: loopback, to: try Socket.localAddress(listener.raw))
            phone = TestStream(raw)
            let deadline = Clock.monotonic + .seconds(30)
            while Clock.monotonic < deadline {
                guard let accepted = try Socket.accept(listener.raw) else { continue }
                socket = accepted.connection
                connection = KeptConnection(
                    handle: ConnectionHandle(.tcp, place: place), listener: TestRouter.tcp,
                    peer: accepted.peer)
                return
            }
            throw SystemError("accept", code: 0)
        }
    }

    private func router(_ kept: [Kept]) throws -> TestRouter {
        try TestRouter(keeping: kept.map { ($0.connection, $0.socket) })
    }

    /// directory tells of the binding of a phone by a connection.
    private func bind(
        _ connection: KeptConnection, at peer: SocketAddress, of router: TestRouter
    ) throws {
        let record = BindingRecord(
            account: "1003", key: 7, contact: "sip:1003@192.168.1.7:5060", instance: "",
            callID: "reg", sequence: 1, userAgent: "",
            expires: Clock.sinceEpoch + .seconds(3600), q: 1000, transport: .tcp,
            listener: connection.listener, address: peer, connection: connection.handle.raw)
        router.directory.send(DirectoryToRouter.binding(record).encoded())
        router.directory.send(DirectoryToRouter.bindings.encoded())
        router.turn()
        router.turn()
    }

    private func flow(_ connection: KeptConnection) -> Flow {
        Flow(
            .tcp, listener: connection.listener, peer: connection.peer,
            connection: connection.handle.raw)
    }

    @Test("a connection that was handed over serves on; its phone is one that has authenticated")
    func served() throws {
        let kept = try Kept(place: 3)
        let router = try router([kept])
        try bind(kept.connection, at: kept.connection.peer, of: router)
        router.pass(seconds: 20)
        #expect(!kept.phone.isEnded)
        kept.phone.write(options())
        #expect(try router.answer(kept.phone).status == 200)
        // The longest silence that a registered phone may have.
        router.leap(.seconds(4 * 3600 + 2))
        try router.waitForEnd(kept.phone)
        #expect(try router.supervisor.end.said().contains(.letGo(kept.connection.handle)))
    }

    @Test("a binding of another peer is not the connection's, whatever its handle")
    func otherPeer() throws {
        let kept = try Kept(place: 3)
        let router = try router([kept])
        var peer = kept.connection.peer
        peer.port ^= 1
        try bind(kept.connection, at: peer, of: router)
        let isKnown = router.process.router.hasAuthenticated(by: flow(kept.connection))
        #expect(!isKnown)
    }

    @Test("the rest of a message that an earlier router began ends the connection, and bans nobody")
    func withinMessage() throws {
        let (within, whole) = (try Kept(place: 1), try Kept(place: 2))
        let router = try router([within, whole])
        within.phone.write(Array("tag=a\r\nContent-Length: 5\r\n\r\nabcde".utf8))
        whole.phone.write(options())
        #expect(try router.answer(whole.phone).status == 200)
        try router.waitForEnd(within.phone)
        #expect(try router.supervisor.end.said().contains(.letGo(within.connection.handle)))
        #expect(try TestRouter.messages(router.banner).isEmpty)
    }

    @Test("a connection whose place is taken is ended and let go of")
    func placeTwice() throws {
        let (first, second) = (try Kept(place: 5), try Kept(place: 5))
        let router = try router([first, second])
        let said = try router.supervisor.end.said()
        let kept = [first, second].filter { !said.contains(.letGo($0.connection.handle)) }
        #expect(kept.count == 1)
        try router.waitForEnd(kept[0].connection == first.connection ? second.phone : first.phone)
        #expect(!kept[0].phone.isEnded)
    }

    @Test("at its end the router ends those whose last message is half written, and no other")
    func halfWritten() throws {
        let (slow, fast) = (try Kept(place: 1), try Kept(place: 2))
        let router = try router([slow, fast])
        let peer = try #require(router.process.streams[flow(slow.connection)])
        let bytes = [UInt8](repeating: 65, count: 100_000)
        while !peer.isWaiting {
            let stands = peer.write(bytes.span)
            #expect(stands)
        }
        router.process.stop()
        #expect(try router.supervisor.end.said().contains(.letGo(slow.connection.handle)))
        try router.waitForEnd(slow.phone)
        #expect(!fast.phone.isEnded)
    }
}
