import Messages
import Privsep
import ServiceHarness
import Sys
import Testing

@Suite("Supervision")
struct SupervisionTests {
    private static let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)

    /// How a child's link ends that was sent these frames.
    private func failure(_ frames: [[UInt8]]) throws -> ChildFailure? {
        let supervisor = try TestSupervisor(.directory)
        for frame in frames { supervisor.end.send(raw: frame) }
        do throws(ChildFailure) {
            _ = try supervisor.supervision.receiveStartSet()
            while try supervisor.supervision.next() != nil {}
            return nil
        } catch {
            return error
        }
    }

    private static let ways = [AsteriskWay(to: loopback.ip, by: 2)]

    private static func frame(_ message: SupervisorMessage) -> [UInt8] { message.encoded().frame }

    @Test("a start set comes as it was sent, whatever else is asked later")
    func startSet() throws {
        let supervisor = try TestSupervisor(.directory)
        #expect(try supervisor.end.said() == [.hello(.directory)])
        let socket = try Socket.bound(.datagram, to: Self.loopback)
        let endpoint = Endpoint(.udp, try Socket.localAddress(socket.raw))
        let listener = Listener(index: 2, side: .inside, endpoint: endpoint)
        let secret = [UInt8](repeating: 7, count: SupervisorMessage.secretLength)
        let messages: [SupervisorMessage] = [
            .hello(.directory), .setting(.sides.domains("a")), .setting(.defence.failures(3)),
            .listener(listener, socket), .peer(.router, try Stream.pipe().reading),
            .file(.state, try Stream.pipe().reading), .secret(secret), .ways(Self.ways), .begin,
        ]
        for message in messages { supervisor.end.send(message) }
        let set = try supervisor.supervision.receiveStartSet()
        #expect(set.settings == [.sides.domains("a"), .defence.failures(3)])
        #expect(set.listeners.map(\.listener) == [listener])
        let own = try Socket.localAddress(try #require(set.listeners.first).socket.raw)
        #expect(own == endpoint.address)
        #expect(Array(set.peers.keys) == [.router] && Array(set.files.keys) == [.state])
        #expect(set.ways == Self.ways)
        #expect(set.secret == secret && set.connections.isEmpty && set.certificates.isEmpty)
    }

    @Test("a hello of another version or for another role, and what comes before it, end the child")
    func hello() throws {
        var version = Self.frame(.hello(.directory))
        version[1] &+= 1
        let wrong: [[[UInt8]]] = [
            [version], [Self.frame(.hello(.router)), Self.frame(.begin)], [Self.frame(.begin)],
            [Self.frame(.setting(.sides.domains("a")))], [Self.frame(.stop)],
        ]
        for frames in wrong {
            let failure = try failure(frames)
            #expect(failure?.exitCode == 111, "\(frames)")
        }
    }

    @Test("a bad frame, a kind that nobody knows and a message out of its turn end the child")
    func badFrames() throws {
        let begun = [Self.frame(.hello(.directory)), Self.frame(.begin)]
        #expect(throws: Never.self) { try failure(begun + [Self.frame(.reload)]) }
        let wrong: [[UInt8]] = [
            [99], Self.frame(.begin), Self.frame(.hello(.directory)), Self.frame(.reload) + [0],
            Self.frame(.setting(.sides.domains("a"))),
            Array(Self.frame(.setting(.sides.domains("a"))).dropLast()),
            // A peer without its descriptor.
            Self.frame(.peer(.router, try Stream.pipe().reading)),
        ]
        for frame in wrong {
            let failure = try failure(begun + [frame])
            #expect(failure?.exitCode == 111, "\(frame)")
        }
    }

    /// A child that has its start set.
    private func begun(_ role: Role = .directory) throws -> TestSupervisor {
        let supervisor = try TestSupervisor(role)
        supervisor.end.send(.hello(role))
        supervisor.end.send(.begin)
        _ = try supervisor.supervision.receiveStartSet()
        _ = try supervisor.end.said()
        return supervisor
    }

    @Test("a reload is a new set, of which nothing is taken before it is whole")
    func reload() throws {
        let supervisor = try begun()
        supervisor.end.send(.reload)
        supervisor.end.send(.setting(.sides.domains("b")))
        #expect(try supervisor.supervision.next() == nil)
        supervisor.end.send(.begin)
        guard case .reload(let set)? = try supervisor.supervision.next() else {
            Issue.record("no reload")
            return
        }
        #expect(set.settings == [.sides.domains("b")])
    }

    @Test("a reload that begins anew forgets the one before it")
    func reloadAnew() throws {
        let supervisor = try begun()
        supervisor.end.send(.reload)
        supervisor.end.send(.setting(.sides.domains("b")))
        supervisor.end.send(.reload)
        supervisor.end.send(.setting(.sides.domains("c")))
        supervisor.end.send(.begin)
        guard case .reload(let set)? = try supervisor.supervision.next() else {
            Issue.record("no reload")
            return
        }
        #expect(set.settings == [.sides.domains("c")])
        #expect(try supervisor.supervision.next() == nil)
    }

    @Test("ways to Asterisks are part of a reload's set, and come by themselves at any time")
    func ways() throws {
        let supervisor = try begun(.router)
        supervisor.end.send(.ways(Self.ways))
        guard case .ways(Self.ways)? = try supervisor.supervision.next() else {
            Issue.record("no ways")
            return
        }
        for message in [SupervisorMessage.reload, .ways(Self.ways), .begin] {
            supervisor.end.send(message)
        }
        guard case .reload(let set)? = try supervisor.supervision.next() else {
            Issue.record("no reload")
            return
        }
        #expect(set.ways == Self.ways)
    }

    @Test("a renewed certificate comes with its files, by its place")
    func renewal() throws {
        let supervisor = try begun(.terminator)
        supervisor.end.send(.renew(3))
        supervisor.end.send(.file(.certificate, try Stream.pipe().reading, place: 3))
        supervisor.end.send(.file(.key, try Stream.pipe().reading, place: 3))
        supervisor.end.send(.begin)
        guard case .renew(3, let files)? = try supervisor.supervision.next() else {
            Issue.record("no renewal")
            return
        }
        #expect(Set(files.keys) == [.certificate, .key])
    }

    @Test("a supervisor that is gone ends the child, at its start and later")
    func gone() throws {
        let early = try TestSupervisor(.directory)
        early.end.leave()
        #expect(throws: ChildFailure.self) { try early.supervision.receiveStartSet() }
        let late = try begun()
        late.end.leave()
        #expect { try late.supervision.next() } throws: { error in
            (error as? ChildFailure)?.exitCode == 111
        }
    }

    @Test(
        "what a start set has no room for ends the child with what to raise; a phone's connection does not"
    )
    func lostAtStart() throws {
        for isConnection in [true, false] {
            let child = try ChildProcess("supervised-child", named: "sip-router")
            #expect(try child.end.hears(.hello(.router)))
            // Standard streams, the link, and what it waits with: nothing more comes in.
            try child.limit(descriptors: 5)
            child.end.send(.hello(.router))
            let socket = try Stream.pipe().reading
            let kept = KeptConnection(
                handle: ConnectionHandle(.tcp, place: 4), listener: 0,
                peer: SocketAddress(IPAddress(v4: 0x7F00_0001), port: 40_000))
            child.end.send(isConnection ? .connection(kept, socket) : .peer(.banner, socket))
            if isConnection {
                #expect(try child.end.hears(.letGo(kept.handle)))
            } else {
                #expect(try child.exitCode() == 100)
            }
        }
    }
}
