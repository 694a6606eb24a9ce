import Glibc
import Messages
import Privsep
import Reactor
import ServiceHarness
import Sys
import Wire

/// A service under a loop that a test turns; its peer is sip-router, in the test's hands.
final class TestService: Service {
    let supervisor: TestSupervisor
    let loop: ServiceLoop
    let router: PeerLink
    /// The moment of the loop's clock.
    let time = TestTime()

    /// What it tells of itself.
    var line = "idle"
    /// The answer that comes later, nil while all are given at once.
    var late: LateAnswer?
    var conditions: [Condition] = []
    /// Why it does not take a reload.
    var refusal: String?
    /// How it answers callers.
    var rows: [ControlReply] = [.done]
    /// What the loop has called, one word each.
    private(set) var calls: [String] = []
    /// The frames that came.
    private(set) var frames: [[UInt8]] = []
    /// The tokens of its own descriptors that were ready.
    private(set) var events: [Token] = []

    final class TestTime {
        var now = Milliseconds(1_000_000)
    }

    init(framesPerTurn: Int = 256, leastFull: Int = 0) throws {
        supervisor = try TestSupervisor(.directory)
        let time = time
        loop = try ServiceLoop(supervisor.supervision, clock: { time.now })
        router = PeerLink(.router, framesPerTurn: framesPerTurn, leastFull: leastFull)
    }

    /// Begins with a link to sip-router, whose other end it returns.
    func begin() throws -> PlainLink {
        let (mine, its) = try Socket.seqpacketPair()
        loop.begin(self, [.router: its])
        return PlainLink(mine)
    }

    /// Has the supervisor hand over a new link, and returns its other end.
    func relink() throws -> PlainLink {
        let (mine, its) = try Socket.seqpacketPair()
        supervisor.end.send(.peer(.router, its))
        its.close()
        return PlainLink(mine)
    }

    /// One turn, which waits for nothing; false when the process shall end.
    @discardableResult
    func turn() throws -> Bool { try loop.turn(self, longest: Milliseconds(0)) }

    /// How often the loop has called something.
    func count(_ call: String) -> Int { calls.count { $0 == call } }

    var peers: [PeerLink] { [router] }

    func linked(_ peer: Role) { calls.append("linked \(peer.name)") }

    func receive(_ frame: Span<UInt8>, from peer: Role) throws(WireError) {
        guard frame[0] != 0xFF else { throw .unknownKind(0xFF) }
        frames.append(frame.indices.map { frame[$0] })
    }

    func handle(_ event: Event) { events.append(event.token) }

    func reload(_ set: StartSet) -> String? {
        calls.append("reload \(set.settings.count)")
        return refusal
    }

    func lateAnswer(to request: ControlRequest) -> LateAnswer? { late }

    func replies(to request: ControlRequest) -> AnyIterator<ControlReply> {
        calls.append("answer")
        return AnyIterator(rows.makeIterator())
    }

    func second() -> String {
        calls.append("second")
        return line
    }

    func endOfTurn() { calls.append("end of turn") }

    func stop() { calls.append("stop") }
}

extension PlainLink {
    /// The rows of the next frame of an answer; nil when none waits, or the link is at its end.
    func rows() throws -> [ControlReply]? {
        guard let frame = try next(), !frame.isEmpty else { return nil }
        var rows: [ControlReply] = []
        try Parcel.forEach(in: frame.span) { row throws(WireError) in
            rows.append(try ControlReply(decoding: row))
        }
        return rows
    }
}
