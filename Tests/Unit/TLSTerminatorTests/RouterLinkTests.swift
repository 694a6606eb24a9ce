import Messages
import Privsep
import ServiceHarness
import Sys
import Testing

@testable import tls_terminator

@Suite("RouterLink")
struct RouterLinkTests {
    @Test("connections outlive the router and keep their handles")
    func restart() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        try edge.restartRouter()
        let opened = try edge.nextFrame()
        #expect(opened.kind == .opened)
        #expect(opened.connection == handle)
        edge.router.send(.data, handle, Array("hello again".utf8))
        #expect(try edge.nextText(client) == "hello again")
    }

    @Test("bytes that come while there is no router wait for the next, after its connections")
    func bytesWait() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        try edge.restartRouter(hello: false)
        #expect(client.write(Array("early".utf8)) == 5)
        _ = try edge.wait("parking") { edge.terminator.parked.isEmpty ? nil : true }
        #expect(edge.router.next() == nil)
        edge.router.send(.hello, 0, [messagesVersion])
        #expect(try edge.nextFrame().kind == .opened)
        #expect(
            try edge.nextFrame()
                == PlaintextMessage(
                    kind: .data, connection: handle, payload: Array("early".utf8)))
    }

    @Test("a handshake done while there is no router is announced to the next")
    func handshakeWithoutRouter() throws {
        let edge = try TestEdge()
        try edge.restartRouter(hello: false)
        let client = try TestClient(edge.address)
        _ = try edge.wait("the handshake") { client.handshake() ? true : nil }
        _ = try edge.wait("its end here") { edge.terminator.sources.handshakes == 0 ? true : nil }
        edge.router.send(.hello, 0, [messagesVersion])
        #expect(try edge.nextFrame().kind == .opened)
    }

    @Test("a router that does not read stops the clients, and loses nothing when it reads again")
    func slowRouter() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        let total = 8 << 20
        let block = 1 << 14
        func value(at place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place / block) }
        var written = 0
        func push() {
            while written < total {
                let count = client.write(
                    [UInt8](repeating: value(at: written), count: block - written % block))
                guard count > 0 else { return }
                written += count
            }
        }
        // Without a reader the client comes to a stop long before its end.
        _ = try edge.wait("a full link") {
            push()
            return edge.terminator.parked.isEmpty ? nil : true
        }
        #expect(written < total)
        var received = 0
        while received < total {
            let frame = try edge.wait("data") {
                push()
                return edge.router.next()
            }
            #expect(frame.connection == handle)
            let last = received + frame.payload.count - 1
            #expect(frame.kind == .data && frame.payload.first == value(at: received))
            #expect(frame.payload.last == value(at: last))
            received = last + 1
        }
        #expect(received == total)
    }

    @Test("records that lie in one client's socket together all come, in order")
    func readAhead() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        let sent = (0..<40).map { "record \($0);" }
        for text in sent { #expect(client.write(Array(text.utf8)) == text.utf8.count) }
        var received = ""
        while received.utf8.count < sent.joined().utf8.count {
            let frame = try edge.nextFrame()
            #expect(frame.kind == .data && frame.connection == handle)
            received += frame.text
        }
        #expect(received == sent.joined())
    }

    @Test(
        "bytes that were read ahead of a router come after its hello, without any more of the client"
    )
    func readAheadOfRouter() throws {
        let edge = try TestEdge()
        let (client, _) = try edge.connected()
        try edge.restartRouter(hello: false)
        let sent = (0..<40).map { "record \($0);" }
        for text in sent { #expect(client.write(Array(text.utf8)) == text.utf8.count) }
        _ = try edge.wait("parking") { edge.terminator.parked.isEmpty ? nil : true }
        edge.router.send(.hello, 0, [messagesVersion])
        #expect(try edge.nextFrame().kind == .opened)
        var received = ""
        while received.utf8.count < sent.joined().utf8.count {
            received += try edge.nextFrame().text
        }
        #expect(received == sent.joined())
    }

    @Test(
        "what several clients send in one turn comes in one frame, and what it holds goes to each")
    func parcels() throws {
        let edge = try TestEdge()
        let clients = try (0..<8).map { _ in try edge.connected() }
        for (client, _) in clients { #expect(client.write([65, 66]) == 2) }
        var count = 0
        var frames = 0
        while count < clients.count {
            count += try edge.wait("a frame") {
                let parcel = edge.router.parcel()
                return parcel.isEmpty ? nil : parcel
            }.count
            frames += 1
        }
        #expect(count == clients.count && frames < clients.count)
        var answer = PlaintextParcel()
        for (_, handle) in clients {
            answer.add(.data, connection: handle, ([67] as [UInt8]).span)
            answer.add(.data, connection: handle, ([68] as [UInt8]).span)
        }
        let bytes = answer.frame
        edge.router.sendRaw(bytes.indices.map { bytes[$0] })
        for (client, _) in clients { #expect(try edge.nextText(client) == "CD") }
    }

    @Test("a client that does not read is closed when more than its share waits")
    func slowClient() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        let (other, otherHandle) = try edge.connected()
        let payload = [UInt8](repeating: 65, count: PlaintextHeader.maximumPayload)
        var sent = 0
        let frame = try edge.wait("closed") {
            if sent < 1000 { edge.router.send(.data, handle, payload) }
            sent += 1
            return edge.router.next()
        }
        #expect(frame == PlaintextMessage(kind: .closed, connection: handle, payload: []))
        #expect(client.socket.raw >= 0)
        #expect(other.write([65]) == 1)
        #expect(try edge.nextFrame().connection == otherHandle)
    }

    @Test(
        "a router that breaks the contract loses its link, and clients keep their connections",
        arguments: [
            [], [1, 2, 3], [99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
            [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, messagesVersion],
        ])
    func brokenContract(frame: [UInt8]) throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        edge.router.sendRaw(frame)
        _ = try edge.wait("the end of the link") {
            edge.terminator.router.peer.link == nil ? true : nil
        }
        try edge.restartRouter()
        #expect(try edge.nextFrame().connection == handle)
        #expect(client.write([65]) == 1)
        #expect(try edge.nextFrame().kind == .data)
    }

    @Test("frames of a connection that is over are taken for what they are")
    func staleFrames() throws {
        let edge = try TestEdge()
        let (client, handle) = try edge.connected()
        client.sendCloseNotify()
        #expect(try edge.nextFrame().kind == .closed)
        edge.router.send(.data, handle, [65])
        edge.router.send(.closed, handle)
        let (_, next) = try edge.connected()
        #expect(next != handle)
    }

    @Test("a terminator that is started anew gives no connection a handle that was given before")
    func lives() throws {
        var handles: Set<UInt64> = []
        for _ in 0..<2 {
            let edge = try TestEdge()
            for _ in 0..<4 {
                let (client, handle) = try edge.connected()
                #expect(handles.insert(handle).inserted)
                #expect(ConnectionHandle(raw: handle).transport == .tls)
                client.sendCloseNotify()
                #expect(try edge.nextFrame().kind == .closed)
            }
        }
    }
}
