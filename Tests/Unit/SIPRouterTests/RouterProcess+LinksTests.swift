import Messages
import Registrar
import RouterHarness
import ServiceHarness
import Sys
import Testing

@testable import sip_router

@Suite("Links")
struct LinksTests {
    @Test("what comes over TLS is answered on its connection")
    func overTLS() throws {
        let router = try TestRouter()
        let first = try router.open(ConnectionHandle(.tls, place: 1))
        let second = try router.open(ConnectionHandle(.tls, place: 2), from: "198.51.100.8:40000")
        let bytes = options(1, via: "TLS")
        router.terminator.send(.data, first.raw, Array(bytes.prefix(100)))
        router.terminator.send(.data, second.raw, options(2, via: "TLS"))
        router.terminator.send(.data, first.raw, Array(bytes.dropFirst(100)))
        var answers: [UInt64: String] = [:]
        while answers.count < 2 {
            let message = try router.wait("an answer") { router.terminator.next() }
            #expect(message.kind == .data)
            answers[message.connection] = message.text
        }
        #expect(answers[first.raw]?.contains("options-1") == true)
        #expect(answers[second.raw]?.contains("options-2") == true)
    }

    @Test("a connection that is over, or was never told of, is nobody's")
    func unknown() throws {
        let router = try TestRouter()
        let handle = try router.open()
        router.terminator.send(.closed, handle.raw)
        router.terminator.send(.data, handle.raw, options(1, via: "TLS"))
        router.terminator.send(.closed, handle.raw)
        router.terminator.send(.data, ConnectionHandle(.tls, place: 9).raw, options(2, via: "TLS"))
        let last = try router.open(ConnectionHandle(.tls, place: 8), from: "198.51.100.8:1")
        #expect(router.terminator.next() == nil)
        #expect(Array(router.process.tlsPeers.keys) == [last.raw])
        #expect(router.process.unproven.count(of: try #require(IPAddress("198.51.100.7"))) == 0)
    }

    @Test("a terminator that breaks the protocol loses its link, and a new one begins anew")
    func brokenTerminator() throws {
        let payload = OpenedPayload(
            listener: TestRouter.tls, peer: try #require(SocketAddress("198.51.100.7:40000")),
            own: try #require(SocketAddress("192.0.2.1:5061"))
        ).encoded()
        let handle = ConnectionHandle(.tls, place: 1).raw
        var elsewhere = payload
        elsewhere[0] = TestRouter.tcp
        let wrong: [[PlaintextMessage]] = [
            [PlaintextMessage(kind: .hello, connection: 0, payload: [messagesVersion &+ 1])],
            // No TLS listener, a handle of TCP, and a handle twice.
            [PlaintextMessage(kind: .opened, connection: handle, payload: elsewhere)],
            [
                PlaintextMessage(
                    kind: .opened, connection: ConnectionHandle(.tcp, place: 1).raw,
                    payload: payload)
            ],
            [
                PlaintextMessage(kind: .opened, connection: handle, payload: payload),
                PlaintextMessage(kind: .opened, connection: handle, payload: payload),
            ],
        ]
        let router = try TestRouter()
        for messages in wrong {
            _ = router.supervisor.journal.records()
            for message in messages {
                router.terminator.send(message.kind, message.connection, message.payload)
            }
            _ = try router.wait("the end of the link") { router.terminator.isEnded ? true : nil }
            let records = router.supervisor.journal.records()
            #expect(records.contains { $0.contains("tls-terminator broke the protocol") })
            try router.restartTerminator()
            #expect(router.process.tlsPeers.isEmpty)
        }
        // 6 was the last kind but one that a version before had.
        router.terminator.sendRaw([6] + [UInt8](repeating: 0, count: 14) + [1])
        _ = try router.wait("the end of the link") { router.terminator.isEnded ? true : nil }
        try router.restartTerminator()
        let again = try router.open()
        router.terminator.send(.data, again.raw, options(1, via: "TLS"))
        #expect(try router.wait("an answer") { router.terminator.next() }.connection == again.raw)
    }

    @Test("a handle is believed with the peer's address alone")
    func address() throws {
        let router = try TestRouter()
        let handle = try router.open(from: "198.51.100.7:40000")
        let flow = try #require(router.process.tlsPeers[handle.raw]).flow
        #expect(router.process.peer(by: flow) != nil)
        // A terminator that is started anew tells of another phone by the same handle.
        try router.restartTerminator()
        #expect(router.process.peer(by: flow) == nil)
        try router.open(handle, from: "198.51.100.8:40000")
        #expect(router.process.tlsPeers.count == 1 && router.process.peer(by: flow) == nil)
        try router.restartTerminator()
        try router.open(handle, from: "198.51.100.7:40001")
        #expect(router.process.peer(by: flow) == nil)
        try router.restartTerminator()
        try router.open(handle, from: "198.51.100.7:40000")
        #expect(router.process.peer(by: flow) != nil)
    }

    @Test("a source's connections over TLS count with those over TCP, and one too many is closed")
    func tooMany() throws {
        let router = try TestRouter()
        router.pass(seconds: 11)
        let streams = try (0..<10).map { _ in try router.connect() }
        for place in 1...10 {
            try router.open(
                ConnectionHandle(.tls, place: UInt16(place)), from: "127.0.0.7:\(place)")
        }
        #expect(router.terminator.next() == nil)
        let handle = try router.open(ConnectionHandle(.tls, place: 11), from: "127.0.0.7:11")
        #expect(router.terminator.next() == PlaintextEnd.closed(handle))
        #expect(try router.connect().isEnded)
        #expect(streams.allSatisfy { !$0.isEnded })
    }

    @Test(
        "directory and banner are greeted anew when they come anew, and lose a link that they break"
    )
    func others() throws {
        for role in [Role.directory, .banner] {
            let router = try TestRouter()
            let (mine, its) = try Socket.seqpacketPair()
            router.supervisor.end.send(.peer(role, its))
            its.close()
            let link = PlainLink(mine)
            let hello = try router.wait("a hello") { try link.next() }
            #expect(hello == [1, messagesVersion])
            link.send([99])
            _ = try router.wait("the end of the link") { try link.next() == [] ? true : nil }
            let records = router.supervisor.journal.records()
            #expect(records.contains { $0.contains("\(role.name) broke the protocol") })
            let phone = try router.connect()
            phone.write(options())
            #expect(try router.answer(phone).status == 200)
        }
    }
}
