import Messages
import Privsep
import Reactor
import ServiceHarness
import Sys
import Testing

@Suite("ServiceLoop")
struct ServiceLoopTests {
    @Test("a peer's frames come whole and in order")
    func frames() throws {
        let service = try TestService()
        let peer = try service.begin()
        #expect(service.count("linked sip-router") == 1)
        for number in 1...5 { peer.send([UInt8](repeating: UInt8(number), count: number)) }
        try service.turn()
        #expect(service.frames == (1...5).map { [UInt8](repeating: UInt8($0), count: $0) })
    }

    @Test(
        "a peer that breaks the protocol loses its link, is told of once, and may come back",
        arguments: [false, true])
    func broken(withDescriptor: Bool) throws {
        let service = try TestService()
        let peer = try service.begin()
        peer.send([1])
        let stray = try Stream.pipe().reading
        peer.send(withDescriptor ? [2] : [0xFF], passing: withDescriptor ? stray : nil)
        peer.send([3])
        try service.turn()
        #expect(service.frames == [[1]])
        #expect(try peer.next() == [])
        let records = service.supervisor.journal.records()
        #expect(records.count == 1)
        #expect(records.first?.contains("sip-router broke the protocol of its link") == true)
        #expect(records.first?.contains("rempart restart sip-router") == true)
        let other = try service.relink()
        other.send([4])
        try service.turn()
        try service.turn()
        #expect(service.frames == [[1], [4]])
        #expect(service.count("linked sip-router") == 2)
    }

    @Test("what waits for a peer goes on when it reads, in order")
    func waiting() throws {
        let service = try TestService()
        let peer = try service.begin()
        try service.turn()
        let sent = (0..<100).map { [UInt8](repeating: UInt8($0), count: 60_000) }
        for frame in sent { service.router.send(frame) }
        #expect(service.router.isWaiting)
        var came: [[UInt8]] = []
        let deadline = Clock.monotonic + .seconds(30)
        while came.count < sent.count, Clock.monotonic < deadline {
            try service.turn()
            while let frame = try peer.next() { came.append(frame) }
        }
        #expect(came == sent && !service.router.isWaiting)
    }

    @Test("a link that is replaced while frames wait takes them with it, both ways")
    func replaced() throws {
        let service = try TestService()
        let old = try service.begin()
        try service.turn()
        while !service.router.isWaiting {
            service.router.send([UInt8](repeating: 1, count: 60_000))
        }
        service.router.gather(([2] as [UInt8]).span)
        // Both are there when the loop looks: the old link's event is one of a generation that is over.
        let new = try service.relink()
        old.send([9])
        try service.turn()
        try service.turn()
        #expect(service.frames.isEmpty || service.frames == [[9]])
        service.router.sendGathered()
        service.router.send([3])
        try service.turn()
        #expect(try new.next() == [3])
        #expect(try new.next() == nil)
        new.send([4])
        try service.turn()
        #expect(service.frames.last == [4])
        // The old end finds the link's end, before or after what the kernel had.
        var found: [[UInt8]] = []
        while !found.contains([]), let frame = try old.next() { found.append(frame) }
        #expect(found.contains([]) && !found.contains([3]))
    }

    @Test("an event of a link that was replaced in the same turn is nobody's")
    func staleEvent() throws {
        let service = try TestService()
        let old = try service.begin()
        try service.turn()
        // The supervisor's frame is there first, so its event is.
        let new = try service.relink()
        old.send([0xFF])
        try service.turn()
        new.send([1])
        try service.turn()
        #expect(service.frames == [[1]])
        #expect(service.supervisor.journal.next() == nil)
    }

    @Test("a peer that sends without end keeps nobody else waiting")
    func fairness() throws {
        let service = try TestService(framesPerTurn: 8)
        let peer = try service.begin()
        for _ in 0..<20 { peer.send([1]) }
        service.supervisor.end.send(.reload)
        service.supervisor.end.send(.begin)
        try service.turn()
        #expect(service.frames.count == 8 && service.count("reload 0") == 1)
        try service.turn()
        try service.turn()
        #expect(service.frames.count == 20)
    }

    @Test("a frame that was its sender's last is followed by the next turn's")
    func leastFull() throws {
        let service = try TestService(leastFull: 100)
        let peer = try service.begin()
        for length in [100, 99, 100, 1] { peer.send([UInt8](repeating: 1, count: length)) }
        try service.turn()
        #expect(service.frames.map(\.count) == [100, 99])
        try service.turn()
        #expect(service.frames.map(\.count) == [100, 99, 100, 1])
    }

    @Test("once a second comes a heartbeat; a status and conditions only when they are others")
    func second() throws {
        let service = try TestService()
        _ = try service.begin()
        #expect(try service.supervisor.end.said() == [.hello(.directory)])
        try service.turn()
        #expect(try service.supervisor.end.said() == [.status("idle"), .watchdog])
        service.time.now = service.time.now + Milliseconds(999)
        try service.turn()
        #expect(try service.supervisor.end.said().isEmpty)
        service.time.now = service.time.now + Milliseconds(1)
        try service.turn()
        #expect(try service.supervisor.end.said() == [.watchdog])
        let trouble = [Condition(.state, "the disk is full")]
        (service.line, service.conditions) = ("busy", trouble)
        service.time.now = service.time.now + .seconds(1)
        try service.turn()
        #expect(
            try service.supervisor.end.said() == [.status("busy"), .conditions(trouble), .watchdog])
        service.conditions = []
        service.time.now = service.time.now + .seconds(1)
        try service.turn()
        #expect(try service.supervisor.end.said() == [.conditions([]), .watchdog])
        #expect(service.count("second") == 4)
    }

    @Test("a reload is answered by ready, or by why it is refused")
    func reload() throws {
        let service = try TestService()
        _ = try service.begin()
        try service.turn()
        _ = try service.supervisor.end.said()
        let set: [SupervisorMessage] = [.reload, .setting(.sides.domains("example.com")), .begin]
        for message in set { service.supervisor.end.send(message) }
        try service.turn()
        #expect(try service.supervisor.end.said() == [.ready])
        service.refusal = "no"
        for message in set { service.supervisor.end.send(message) }
        try service.turn()
        #expect(try service.supervisor.end.said() == [.refused("no")])
        #expect(service.count("reload 1") == 2)
    }

    @Test("a caller is answered after the turn that carried out what it asked")
    func caller() throws {
        let service = try TestService()
        _ = try service.begin()
        try service.turn()
        let (caller, its) = try Socket.seqpacketPair()
        service.supervisor.end.send(.client(.phones, its))
        its.close()
        let before = service.count("end of turn")
        try service.turn()
        #expect(service.count("answer") == 1 && service.count("end of turn") == before + 2)
        #expect(try PlainLink(caller).rows() == [.done])
    }

    @Test(
        "an answer that is not known yet is given in the turn that completes it, and keeps nobody waiting"
    )
    func lateAnswer() throws {
        let service = try TestService()
        let peer = try service.begin()
        try service.turn()
        let late = LateAnswer()
        service.late = late
        let (caller, its) = try Socket.seqpacketPair()
        service.supervisor.end.send(.client(.accounts(after: ""), its))
        its.close()
        try service.turn()
        let link = PlainLink(caller)
        #expect(try link.rows() == nil)
        #expect(service.count("answer") == 0)
        peer.send([1])
        try service.turn()
        #expect(service.frames == [[1]])
        #expect(try link.rows() == nil)
        late.complete([.failed("why")])
        late.complete([.done])
        try service.turn()
        #expect(try link.rows() == [.failed("why")])
        try service.turn()
        #expect(try link.rows() == nil)
    }

    @Test("a descriptor of the service's own is the service's to handle")
    func ownDescriptor() throws {
        let service = try TestService()
        _ = try service.begin()
        let pipe = try Stream.pipe()
        let token = Token(kind: ServiceLoop.firstOwnKind, index: 7, generation: 3)
        try service.loop.poller.add(pipe.reading.raw, token, .read)
        try service.turn()
        #expect(service.events.isEmpty)
        pipe.writing.close()
        try service.turn()
        #expect(service.events == [token])
    }

    @Test("told to stop it takes leave before it says that it is about to end")
    func stop() throws {
        let service = try TestService()
        _ = try service.begin()
        service.supervisor.end.send(.stop)
        try service.loop.serve(service)
        #expect(service.calls.last == "stop" && service.count("stop") == 1)
        #expect(try service.supervisor.end.said().last == .stopping)
    }

    @Test("without its supervisor a child ends, and makes durable what is not yet")
    func orphan() throws {
        let service = try TestService()
        _ = try service.begin()
        service.supervisor.end.leave()
        #expect { try service.loop.serve(service) } throws: { error in
            (error as? ChildFailure)?.exitCode == 111
        }
        #expect(service.count("stop") == 1)
    }

    @Test("certificates, links and ways that are not a child's own end it")
    func notItsOwn() throws {
        for role in [Role.banner, .terminator, .directory] {
            let service = try TestService()
            _ = try service.begin()
            service.supervisor.end.send(.peer(role, try Stream.pipe().reading))
            #expect(throws: ChildFailure.self) { try service.turn() }
        }
        let service = try TestService()
        _ = try service.begin()
        service.supervisor.end.send(.renew(0))
        service.supervisor.end.send(.begin)
        #expect(throws: ChildFailure.self) { try service.turn() }
        let other = try TestService()
        _ = try other.begin()
        other.supervisor.end.send(.ways([]))
        #expect(throws: ChildFailure.self) { try other.turn() }
    }
}
