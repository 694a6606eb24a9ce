import SIPTransactions
import Sys
import Testing

@Suite struct InviteServerTests {
    typealias State = InviteServer.State

    /// RFC 3261 figure 7 with RFC 6026 figure 3, over UDP.
    static let table: [(State, ServerEvent, ServerAction, State)] = [
        (.proceeding, .requestAgain, .resend, .proceeding),
        (.proceeding, .ack, .none, .proceeding),
        (.proceeding, .send(180), .pass, .proceeding),
        (
            .proceeding, .send(200), .passAndEnd(after: Timers.giveUp, retransmit: nil), .accepted
        ),
        (
            .proceeding, .send(486), .passAndEnd(after: Timers.giveUp, retransmit: Timers.t1),
            .completed
        ),
        (.proceeding, .retransmit, .none, .proceeding),
        (.proceeding, .timeout, .none, .proceeding),
        (.accepted, .requestAgain, .none, .accepted),
        (.accepted, .ack, .none, .accepted),
        (.accepted, .send(180), .none, .accepted),
        (.accepted, .send(200), .pass, .accepted),
        (.accepted, .send(486), .none, .accepted),
        (.accepted, .retransmit, .none, .accepted),
        (.accepted, .timeout, .terminate, .terminated),
        (.completed, .requestAgain, .resend, .completed),
        (.completed, .ack, .endAfter(Timers.t4), .confirmed),
        (.completed, .send(200), .none, .completed),
        (.completed, .retransmit, .resendEvery(Milliseconds(1000)), .completed),
        (.completed, .timeout, .terminate, .terminated),
        (.confirmed, .requestAgain, .none, .confirmed),
        (.confirmed, .ack, .none, .confirmed),
        (.confirmed, .send(200), .none, .confirmed),
        (.confirmed, .retransmit, .none, .confirmed),
        (.confirmed, .timeout, .terminate, .terminated),
        (.terminated, .requestAgain, .none, .terminated),
        (.terminated, .ack, .none, .terminated),
        (.terminated, .send(200), .none, .terminated),
        (.terminated, .retransmit, .none, .terminated),
        (.terminated, .timeout, .none, .terminated),
    ]

    @Test("every event in every state", arguments: table)
    func transitions(_ from: State, _ event: ServerEvent, _ action: ServerAction, _ to: State) {
        var machine = InviteServer(reliable: false)
        switch from {
        case .proceeding: break
        case .accepted: _ = machine.handle(.send(200))
        case .completed: _ = machine.handle(.send(486))
        case .confirmed:
            _ = machine.handle(.send(486))
            _ = machine.handle(.ack)
        case .terminated:
            _ = machine.handle(.send(200))
            _ = machine.handle(.timeout)
        }
        #expect(machine.state == from)
        #expect(machine.handle(event) == action)
        #expect(machine.state == to)
    }

    @Test("timer G doubles up to T2, and a stream needs none")
    func timerG() {
        var machine = InviteServer(reliable: false)
        _ = machine.handle(.send(486))
        for next in [1000, 2000, 4000, 4000] {
            #expect(machine.handle(.retransmit) == .resendEvery(Milliseconds(Int64(next))))
        }
        var stream = InviteServer(reliable: true)
        #expect(
            stream.handle(.send(486)) == .passAndEnd(after: Timers.giveUp, retransmit: nil))
        #expect(stream.handle(.ack) == .endAfter(Milliseconds(0)))
    }
}

@Suite struct OtherServerTests {
    typealias State = OtherServer.State

    /// RFC 3261 figure 8, over UDP; Trying and Proceeding are one state here.
    static let table: [(State, ServerEvent, ServerAction, State)] = [
        (.proceeding, .requestAgain, .resend, .proceeding),
        (.proceeding, .send(100), .pass, .proceeding),
        (
            .proceeding, .send(404), .passAndEnd(after: Timers.giveUp, retransmit: nil), .completed
        ),
        (.proceeding, .ack, .none, .proceeding),
        (.proceeding, .retransmit, .none, .proceeding),
        (.proceeding, .timeout, .none, .proceeding),
        (.completed, .requestAgain, .resend, .completed),
        (.completed, .send(200), .none, .completed),
        (.completed, .ack, .none, .completed),
        (.completed, .retransmit, .none, .completed),
        (.completed, .timeout, .terminate, .terminated),
        (.terminated, .requestAgain, .none, .terminated),
        (.terminated, .send(200), .none, .terminated),
        (.terminated, .timeout, .none, .terminated),
    ]

    @Test("every event in every state", arguments: table)
    func transitions(_ from: State, _ event: ServerEvent, _ action: ServerAction, _ to: State) {
        var machine = OtherServer(reliable: false)
        if from != .proceeding { _ = machine.handle(.send(200)) }
        if from == .terminated { _ = machine.handle(.timeout) }
        #expect(machine.state == from)
        #expect(machine.handle(event) == action)
        #expect(machine.state == to)
    }

    @Test("over a stream the answer ends it at once")
    func reliable() {
        var machine = OtherServer(reliable: true)
        #expect(
            machine.handle(.send(200))
                == .passAndEnd(after: Milliseconds(0), retransmit: nil))
    }
}
