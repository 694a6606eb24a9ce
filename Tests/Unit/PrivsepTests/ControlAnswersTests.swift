import Messages
import Privsep
import Reactor
import ServiceHarness
import Sys
import Testing

@Suite("ControlAnswers")
struct ControlAnswersTests {
    /// Answers to callers, and the poller that tells of room.
    private final class Answers {
        var answers = ControlAnswers(tokenKind: 1)
        var poller: Poller
        init() throws { poller = try Poller() }

        func answer(_ rows: some Sequence<ControlReply>, to caller: Descriptor) {
            answers.answer(rows, to: caller, poller)
        }

        /// Goes on with what has room now.
        func goOn() {
            let count = poller.wait(Milliseconds(0))
            for index in 0..<count { answers.flush(poller.event(index).token) }
        }
    }

    private static func rows(_ count: Int) -> [ControlReply] {
        (0..<count).map { .failed("row \($0) " + String(repeating: "x", count: 200)) } + [.done]
    }

    /// Everything that a caller gets, up to the end of the link.
    private func all(_ caller: PlainLink, _ answers: Answers) throws -> [ControlReply] {
        var came: [ControlReply] = []
        let deadline = Clock.monotonic + .seconds(30)
        while came.last != .done, Clock.monotonic < deadline {
            answers.goOn()
            while let rows = try caller.rows() { came += rows }
        }
        return came
    }

    @Test("a short answer is there at once")
    func short() throws {
        let answers = try Answers()
        let (caller, its) = try Socket.seqpacketPair()
        answers.answer(Self.rows(3), to: its)
        #expect(try PlainLink(caller).rows() == Self.rows(3))
    }

    @Test("rows are made as the caller takes them, and come whole and in order")
    func slowCaller() throws {
        let answers = try Answers()
        let (caller, its) = try Socket.seqpacketPair()
        var made = 0
        let wanted = Self.rows(20_000)
        let rows = AnyIterator { () -> ControlReply? in
            guard made < wanted.count else { return nil }
            made += 1
            return wanted[made - 1]
        }
        answers.answer(rows, to: its)
        for _ in 0..<100 { answers.goOn() }
        // A caller that reads nothing has cost what the socket takes and a frame.
        #expect(made < wanted.count / 2)
        let came = try all(PlainLink(caller), answers)
        #expect(came == wanted)
    }

    @Test("a caller that goes in the middle of its answer, and one too many, harm no other")
    func manyCallers() throws {
        let answers = try Answers()
        let wanted = Self.rows(20_000)
        var callers: [PlainLink] = []
        for _ in 0..<17 {
            let (caller, its) = try Socket.seqpacketPair()
            answers.answer(wanted, to: its)
            callers.append(PlainLink(caller))
        }
        callers[0].close()
        answers.goOn()
        // Sixteen are served at a time: the last one finds the end of its link.
        while let frame = try callers[16].next(), !frame.isEmpty {}
        #expect(try callers[16].next() == [])
        #expect(try all(callers[15], answers) == wanted)
        let (next, its) = try Socket.seqpacketPair()
        answers.answer(wanted, to: its)
        #expect(try all(PlainLink(next), answers) == wanted)
    }
}
