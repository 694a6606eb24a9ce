import COpenSSL
import Messages
import Reactor
import ServiceHarness
import Sys
import Testing

@testable import tls_terminator

@Suite("Terminator")
struct TerminatorTests {
    @Test("bytes pass both ways", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func bothWays(version: Int32) throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected(version: version)
        #expect(handle != 0)
        #expect(client.write(Array("OPTIONS".utf8)) == 7)
        let frame = try edge.nextFrame()
        #expect(frame.kind == .data)
        #expect(frame.connection == handle)
        #expect(frame.text == "OPTIONS")
        edge.router.send(.data, handle, Array("SIP/2.0 200 OK".utf8))
        #expect(try edge.nextText(client) == "SIP/2.0 200 OK")
    }

    @Test("TLS 1.1 is refused, the router and the journal hear of it, others go on")
    func oldVersion() throws {
        let edge = try TestEdge()
        let (other, handle) = try edge.connected()
        let client = try TestClient(edge.address, version: TLS1_1_VERSION)
        let frame = try edge.wait("handshakeFailed") {
            _ = client.handshake()
            return edge.router.next()
        }
        #expect(frame.kind == .handshakeFailed)
        let failed = try HandshakeFailedPayload(decoding: frame.payload.span)
        #expect(failed.reason == .protocolError)
        let record = try #require(edge.journal.next())
        #expect(record.contains("unsupported protocol"))
        #expect(record.contains("REMPART_REASON=tls-handshake-failed"))
        #expect(other.write(Array("still here".utf8)) == 10)
        #expect(
            try edge.nextFrame()
                == PlaintextMessage(
                    kind: .data, connection: handle, payload: Array("still here".utf8)))
    }

    @Test("SIP without TLS ends at once")
    func garbage() throws {
        let edge = try TestEdge()
        let client = try TestClient(edge.address)
        client.writeRaw(Array("OPTIONS sip:example.com SIP/2.0\r\n\r\n".utf8))
        #expect(try edge.nextFrame().kind == .handshakeFailed)
        _ = try edge.wait("the end") { client.isClosed ? true : nil }
    }

    @Test("a client that says nothing is closed when its time is over, not before")
    func silence() throws {
        let edge = try TestEdge()
        let client = try TestClient(edge.address)
        _ = try edge.wait("the accept") { edge.terminator.sources.handshakes == 1 ? true : nil }
        edge.clock.now = edge.clock.now + Milliseconds(4_999)
        edge.turn(longest: Milliseconds(0))
        #expect(edge.router.next() == nil)
        edge.clock.now = edge.clock.now + Milliseconds(1)
        let frame = try edge.nextFrame()
        let failed = try HandshakeFailedPayload(decoding: frame.payload.span)
        #expect(failed.reason == .timeout)
        let local = try Socket.localAddress(client.socket.raw)
        #expect(failed.peer == local)
        _ = try edge.wait("the end") { client.isClosed ? true : nil }
        #expect(edge.terminator.table.count == 0)
    }

    @Test("a client that leaves during the handshake is reported as gone")
    func abandoned() throws {
        let edge = try TestEdge()
        let client = try TestClient(edge.address)
        _ = try edge.wait("the accept") { edge.terminator.sources.handshakes == 1 ? true : nil }
        client.socket.close()
        let frame = try edge.nextFrame()
        let failed = try HandshakeFailedPayload(decoding: frame.payload.span)
        #expect(failed.reason == .closed)
    }

    @Test("one source has a bounded number of handshakes at a time, which its end frees")
    func handshakesPerSource() throws {
        var limits = Limits()
        limits.handshakesPerSource = 2
        let edge = try TestEdge(limits: limits)
        let first = try TestClient(edge.address)
        let second = try TestClient(edge.address)
        _ = try edge.wait("two handshakes") { edge.terminator.sources.handshakes == 2 ? true : nil }
        let third = try TestClient(edge.address)
        _ = try edge.wait("the refusal") { third.isClosed ? true : nil }
        #expect(edge.journal.next()?.contains("REMPART_REASON=tls-limit") == true)
        #expect(!second.isClosed)
        first.socket.close()
        #expect(try edge.nextFrame().kind == .handshakeFailed)
        _ = try edge.connected()
    }

    @Test("a full table refuses new connections and keeps those that stand")
    func fullTable() throws {
        var limits = Limits()
        limits.connections = 1
        let edge = try TestEdge(limits: limits)
        let (client, handle) = try edge.connected()
        let second = try TestClient(edge.address)
        _ = try edge.wait("the refusal") { second.isClosed ? true : nil }
        #expect(client.write([65]) == 1)
        #expect(try edge.nextFrame().connection == handle)
    }

    @Test("a client's close_notify ends the connection for the router")
    func clientCloses() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        client.sendCloseNotify()
        #expect(
            try edge.nextFrame() == PlaintextMessage(kind: .closed, connection: handle, payload: [])
        )
        #expect(client.isFinished)
        #expect(edge.terminator.table.count == 0)
    }

    @Test("what the router sent before its close arrives, then close_notify and the end")
    func routerCloses() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        edge.router.send(.data, handle, Array("bye".utf8))
        edge.router.send(.closed, handle)
        #expect(try edge.nextText(client) == "bye")
        _ = try edge.wait("close_notify") { client.isFinished ? true : nil }
        client.socket.close()
        _ = try edge.wait("an empty table") { edge.terminator.table.count == 0 ? true : nil }
        #expect(edge.router.next() == nil)
    }

    @Test("a client that never ends its side after the router's close is dropped in time")
    func lingering() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        edge.router.send(.closed, handle)
        _ = try edge.wait("close_notify") { client.isFinished ? true : nil }
        #expect(edge.terminator.table.count == 1)
        edge.clock.now = edge.clock.now + .seconds(2)
        _ = try edge.wait("an empty table") { edge.terminator.table.count == 0 ? true : nil }
    }

    @Test("a stop says good-bye to every client")
    func stop() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        edge.terminator.stop()
        #expect(client.isFinished)
        #expect(
            try edge.nextFrame() == PlaintextMessage(kind: .closed, connection: handle, payload: [])
        )
    }

    @Test("a new certificate serves new handshakes and leaves standing connections alone")
    func newContext() throws {
        let edge = try TestEdge()
        let (old, oldHandle) = try edge.connected()
        let renewed = TestIdentity("renewed.example.com")
        #expect(try edge.reload(renewed.pem, renewed.keyPEM) == nil)
        let (new, _) = try edge.connected()
        #expect(new.serverName == "/CN=renewed.example.com")
        #expect(old.serverName == "/CN=sip.example.com")
        #expect(old.write([65]) == 1)
        #expect(try edge.nextFrame().connection == oldHandle)
    }

    @Test("out of descriptors new clients wait, those that are there go on, and it is said once")
    func outOfDescriptors() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        // More than any limit.
        edge.terminator.acceptance.kept = 1 << 30
        let waiting = try TestClient(edge.address)
        let record = try edge.wait("the record") { edge.journal.next() }
        #expect(record.contains("no more TLS connections are accepted"))
        #expect(record.contains("raise LimitNOFILE="))
        for _ in 0..<3 {
            edge.clock.now = edge.clock.now + .seconds(1)
            edge.turn(longest: Milliseconds(0))
        }
        #expect(edge.journal.next() == nil)
        #expect(client.write(Array("still here".utf8)) == 10)
        #expect(
            try edge.nextFrame()
                == PlaintextMessage(
                    kind: .data, connection: handle, payload: Array("still here".utf8)))
        edge.terminator.acceptance.kept = 1
        edge.clock.now = edge.clock.now + .seconds(1)
        let opened = try edge.wait("opened") {
            _ = waiting.handshake()
            return edge.router.next()
        }
        #expect(opened.kind == .opened)
        edge.clock.now = edge.clock.now + .seconds(10)
        let over = try edge.wait("the end") { edge.journal.next() }
        #expect(over.contains("TLS connections are accepted again"))
    }
}
