// A terminator between a TLS client and a router that a test plays.

import COpenSSL
import Glibc
import Journal
import Messages
import Privsep
import Reactor
import ServiceHarness
import Sys
import Testing
import Wire

@testable import tls_terminator

/// A TLS client on a socket of its own.
@safe
final class TestClient {
    let socket: Descriptor
    private let context: OpaquePointer?
    private let session: OpaquePointer?

    /// A client that asks for a name, knows signature algorithms of a list alone, or comes back with the ticket of
    /// another one.
    init(
        _ address: SocketAddress, version: Int32? = nil, name: String? = nil,
        algorithms: String? = nil, ticketOf earlier: TestClient? = nil
    ) throws {
        let local = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        socket = try Socket.connecting(from: local, to: address)
        unsafe context = SSL_CTX_new(TLS_client_method())
        // What a full socket did not take is given again from another place.
        unsafe edge_ssl_set_modes(context)
        if let version {
            unsafe edge_ssl_only_version(context, version)
            unsafe SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0")
        }
        unsafe session = SSL_new(context)
        unsafe SSL_set_fd(session, socket.raw)
        unsafe SSL_set_connect_state(session)
        if let name { unsafe edge_ssl_ask_for(session, name) }
        if let algorithms { #expect(unsafe edge_ssl_set_algorithms(session, algorithms) == 1) }
        if let earlier {
            let ticket = unsafe SSL_get1_session(earlier.session)
            unsafe SSL_set_session(session, ticket)
            unsafe SSL_SESSION_free(ticket)
        }
    }

    deinit {
        unsafe SSL_free(session)
        unsafe SSL_CTX_free(context)
    }

    /// Goes on with the handshake; whether it is done.
    func handshake() -> Bool {
        ERR_clear_error()
        return unsafe SSL_do_handshake(session) == 1
    }

    /// The subject of the certificate that the server showed.
    var serverName: String? {
        guard let certificate = unsafe SSL_get1_peer_certificate(session) else { return nil }
        defer { unsafe X509_free(certificate) }
        let subject = unsafe X509_get_subject_name(certificate)
        guard let text = unsafe X509_NAME_oneline(subject, nil, 0) else { return nil }
        defer { unsafe CRYPTO_free(text, "", 0) }
        return unsafe String(cString: text)
    }

    /// Whether it came back with a ticket that was taken.
    var isResumed: Bool { unsafe SSL_session_reused(session) == 1 }

    /// How many bytes were written; 0 when the socket is full.
    func write(_ bytes: [UInt8]) -> Int {
        ERR_clear_error()
        return max(Int(unsafe SSL_write(session, bytes, Int32(bytes.count))), 0)
    }

    /// What can be read now, nil when there is nothing.
    func read() -> [UInt8]? {
        ERR_clear_error()
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = unsafe SSL_read(session, &buffer, 16_384)
        return count > 0 ? Array(buffer[..<Int(count)]) : nil
    }

    /// Whether the server has said good-bye.
    var isFinished: Bool {
        _ = read()
        return unsafe SSL_get_shutdown(session) & SSL_RECEIVED_SHUTDOWN != 0
    }

    func sendCloseNotify() { _ = unsafe SSL_shutdown(session) }

    /// Writes to the socket itself, past TLS.
    func writeRaw(_ bytes: [UInt8]) { _ = Stream.write(socket.raw, bytes.span) }

    /// Whether the server has closed the connection.
    var isClosed: Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            switch Stream.read(socket.raw, into: &buffer, at: 0) {
            case .moved: continue
            case .wouldBlock: return false
            case .ended, .failed: return true
            }
        }
    }
}

/// A clock that a test moves.
final class TestClock {
    var now = Milliseconds(1_000_000)
    /// Since 1970.
    var wall = Clock.sinceEpoch
}

/// A terminator at a loopback port, its router, and its journal.
final class TestEdge {
    let terminator: Terminator
    let clock = TestClock()
    private let supervisor: TestSupervisor
    var journal: TestJournal { supervisor.journal }
    let address: SocketAddress
    private(set) var router: PlaintextEnd
    let identity: TestIdentity

    static let listenerIndex: UInt8 = 3

    /// An edge that shows a certificate, at first, and others; or one whose key is not its own.
    init(
        limits: Limits = Limits(), _ identity: TestIdentity = TestIdentity("sip.example.com"),
        others: [TestIdentity] = [], isUsable: Bool = true
    ) throws {
        self.identity = identity
        let socket = try Socket.bound(
            .stream, to: SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0))
        address = try Socket.localAddress(socket.raw)
        let listener = Listener(
            index: Self.listenerIndex, side: .outside, endpoint: Endpoint(.tls, address))
        supervisor = try TestSupervisor(.terminator)
        let clock = clock
        let loop = try ServiceLoop(supervisor.supervision, clock: { clock.now })
        var certificates = Certificates()
        let set = try Self.set(
            ([identity] + others).map { ($0.pem, isUsable ? $0.keyPEM : TestIdentity("x").keyPEM) })
        _ = certificates.take(
            CertificatePaths.of(set.settings.compactMap(\.told.terminator)), set.certificates,
            at: clock.wall, supervisor.supervision.journal)
        _ = supervisor.journal.records()
        terminator = try Terminator(
            loop, listeners: [(listener, socket)], certificates: certificates, limits: limits,
            wallClock: { clock.wall })
        let (router, theirs) = try PlaintextEnd.make()
        self.router = router
        loop.begin(terminator, [.router: theirs])
        let hello = try nextFrame()
        #expect(hello == PlaintextMessage(kind: .hello, connection: 0, payload: [messagesVersion]))
    }

    /// Lets the terminator work for a turn of its loop.
    func turn(longest: Milliseconds = Milliseconds(5)) {
        do {
            let goesOn = try terminator.loop.turn(terminator, longest: longest)
            #expect(goesOn)
        } catch {
            Issue.record(error)
        }
    }

    /// Lets the terminator work until the condition gives a value.
    func wait<Value>(_ what: String, for condition: () -> Value?) throws -> Value {
        // A turn may find nothing to do while the kernel still carries what was sent, so turns are no
        // measure; the deadline only keeps a test that has failed from hanging.
        let deadline = Clock.monotonic + .seconds(30)
        while Clock.monotonic < deadline {
            if let value = condition() { return value }
            turn()
        }
        Issue.record("never came: \(what)")
        throw TestTimeout()
    }

    struct TestTimeout: Error {}

    /// Lets days pass, in as many turns as there are.
    func pass(days: Int64) {
        for _ in 0..<days {
            clock.now = clock.now + .seconds(86_400)
            clock.wall = clock.wall + .seconds(86_400)
            turn(longest: Milliseconds(0))
        }
    }

    /// Reloads these files; why they are not used, if so.
    func reload(_ certificate: [UInt8]?, _ key: [UInt8]?) throws -> String? {
        terminator.take(try Self.set([(certificate, key)]))
    }

    /// Renews the certificate of a place; nil for a file that was lost on its way.
    func renew(_ place: Int, _ certificate: [UInt8]?, _ key: [UInt8]?) throws {
        let set = try Self.set([(certificate, key)])
        #expect(terminator.renew(place, set.certificates[0] ?? [:]))
    }

    /// The set of a reload with these certificates and keys; nil for a file that is not handed over.
    static func set(_ pairs: [([UInt8]?, [UInt8]?)]) throws -> StartSet {
        var set = StartSet()
        for (place, pair) in pairs.enumerated() {
            set.settings += [.tls.certificate("/\(place).pem"), .tls.key("/\(place).key")]
            set.certificates[place, default: [:]][.certificate] = try pair.0.map(file)
            set.certificates[place, default: [:]][.key] = try pair.1.map(file)
        }
        return set
    }

    /// A file of these bytes, as the supervisor opens it.
    static func file(_ bytes: [UInt8]) throws -> Descriptor {
        let pipe = try Stream.pipe()
        // In bounds: the array's own storage and length.
        #expect(unsafe write(pipe.writing.raw, bytes, bytes.count) == bytes.count)
        return pipe.reading
    }

    /// The records written since that have a text in them; the others are forgotten.
    func records(_ text: String) -> [String] {
        journal.records().filter { $0.contains(text) }
    }

    /// The next frame to the router that is of another kind: clients that a test has let go close theirs.
    private func nextBut(_ kind: PlaintextKind) -> PlaintextMessage? {
        while let frame = router.next() { if frame.kind != kind { return frame } }
        return nil
    }

    /// The next frame to the router that is not the end of a connection.
    func nextLivingFrame() throws -> PlaintextMessage { try wait("a frame") { nextBut(.closed) } }

    /// The next frame to the router.
    func nextFrame() throws -> PlaintextMessage { try wait("a frame") { router.next() } }

    /// A client whose handshake is done, and its handle.
    func connected(
        version: Int32? = nil, name: String? = nil, algorithms: String? = nil,
        ticketOf earlier: TestClient? = nil
    ) throws -> (client: TestClient, handle: UInt64) {
        let client = try TestClient(
            address, version: version, name: name, algorithms: algorithms, ticketOf: earlier)
        let frame = try wait("opened") {
            _ = client.handshake()
            return nextBut(.closed)
        }
        #expect(frame.kind == .opened)
        let opened = try OpenedPayload(decoding: frame.payload.span)
        #expect(opened.listener == Self.listenerIndex)
        let local = try Socket.localAddress(client.socket.raw)
        #expect(opened.peer == local)
        #expect(try opened.own == Socket.peerAddress(client.socket.raw))
        _ = try wait("handshake") { client.handshake() ? true : nil }
        return (client, frame.connection)
    }

    /// Replaces the router by a new one, whose hello has or has not been sent.
    func restartRouter(hello: Bool = true) throws {
        let (router, theirs) = try PlaintextEnd.make(hello: hello)
        self.router = router
        supervisor.end.send(.peer(.router, theirs))
        #expect(try nextFrame().kind == .hello)
    }

    /// The text a client reads next.
    func nextText(_ client: TestClient) throws -> String {
        String(decoding: try wait("bytes to the client") { client.read() }, as: UTF8.self)
    }
}
