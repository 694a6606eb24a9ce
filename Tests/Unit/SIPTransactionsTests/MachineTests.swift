import SIPTransactions
import Sys
import Testing

@Suite struct InviteClientTests {
    typealias State = InviteClient.State

    /// A machine in a state.
    private func machine(in state: State, reliable: Bool = false) -> InviteClient {
        var machine = InviteClient(reliable: reliable)
        switch state {
        case .calling: break
        case .proceeding: _ = machine.handle(.response(180))
        case .accepted: _ = machine.handle(.response(200))
        case .completed: _ = machine.handle(.response(486))
        case .terminated: _ = machine.handle(.timeout)
        }
        #expect(machine.state == state)
        return machine
    }

    /// RFC 3261 figure 5 with RFC 6026 figure 1, over UDP.
    static let table: [(State, ClientEvent, ClientAction, State)] = [
        (.calling, .response(100), .provisional, .proceeding),
        (.calling, .response(200), .final(endAfter: Timers.giveUp, ack: false), .accepted),
        (.calling, .response(486), .final(endAfter: Timers.d, ack: true), .completed),
        (.calling, .retransmit, .resend(next: Milliseconds(1000)), .calling),
        (.calling, .timeout, .timedOut, .terminated),
        (.proceeding, .response(183), .provisional, .proceeding),
        (.proceeding, .response(299), .final(endAfter: Timers.giveUp, ack: false), .accepted),
        (.proceeding, .response(300), .final(endAfter: Timers.d, ack: true), .completed),
        (.proceeding, .retransmit, .none, .proceeding),
        (.proceeding, .timeout, .none, .proceeding),
        (.accepted, .response(180), .none, .accepted),
        (.accepted, .response(200), .again, .accepted),
        (.accepted, .response(486), .none, .accepted),
        (.accepted, .retransmit, .none, .accepted),
        (.accepted, .timeout, .terminate, .terminated),
        (.completed, .response(180), .none, .completed),
        (.completed, .response(200), .none, .completed),
        (.completed, .response(486), .acknowledge, .completed),
        (.completed, .retransmit, .none, .completed),
        (.completed, .timeout, .terminate, .terminated),
        (.terminated, .response(200), .none, .terminated),
        (.terminated, .retransmit, .none, .terminated),
        (.terminated, .timeout, .none, .terminated),
    ]

    @Test("every event in every state", arguments: table)
    func transitions(_ from: State, _ event: ClientEvent, _ action: ClientAction, _ to: State) {
        var machine = machine(in: from)
        #expect(machine.handle(event) == action)
        #expect(machine.state == to)
    }

    @Test("timer A doubles without a bound")
    func timerA() {
        var machine = InviteClient(reliable: false)
        #expect(machine.firstInterval == Milliseconds(500))
        for next in [1000, 2000, 4000, 8000, 16_000] {
            #expect(machine.handle(.retransmit) == .resend(next: Milliseconds(Int64(next))))
        }
    }

    @Test("over a stream nothing is sent again, and a failure is over at once")
    func reliable() {
        var machine = InviteClient(reliable: true)
        #expect(machine.firstInterval == nil)
        #expect(
            machine.handle(.response(486)) == .final(endAfter: Milliseconds(0), ack: true))
    }
}

@Suite struct OtherClientTests {
    typealias State = OtherClient.State

    /// RFC 3261 figure 6, over UDP.
    static let table: [(State, ClientEvent, ClientAction, State)] = [
        (.trying, .response(100), .provisional, .proceeding),
        (.trying, .response(200), .final(endAfter: Timers.t4, ack: false), .completed),
        (.trying, .retransmit, .resend(next: Milliseconds(1000)), .trying),
        (.trying, .timeout, .timedOut, .terminated),
        (.proceeding, .response(180), .provisional, .proceeding),
        (.proceeding, .response(404), .final(endAfter: Timers.t4, ack: false), .completed),
        (.proceeding, .retransmit, .resend(next: Timers.t2), .proceeding),
        (.proceeding, .timeout, .timedOut, .terminated),
        (.completed, .response(200), .none, .completed),
        (.completed, .retransmit, .none, .completed),
        (.completed, .timeout, .terminate, .terminated),
        (.terminated, .response(200), .none, .terminated),
        (.terminated, .retransmit, .none, .terminated),
        (.terminated, .timeout, .none, .terminated),
    ]

    @Test("every event in every state", arguments: table)
    func transitions(_ from: State, _ event: ClientEvent, _ action: ClientAction, _ to: State) {
        var machine = OtherClient(reliable: false)
        switch from {
        case .trying: break
        case .proceeding: _ = machine.handle(.response(100))
        case .completed: _ = machine.handle(.response(200))
        case .terminated: _ = machine.handle(.timeout)
        }
        #expect(machine.state == from)
        #expect(machine.handle(event) == action)
        #expect(machine.state == to)
    }

    @Test("timer E doubles up to T2")
    func timerE() {
        var machine = OtherClient(reliable: false)
        for next in [1000, 2000, 4000, 4000, 4000] {
            #expect(machine.handle(.retransmit) == .resend(next: Milliseconds(Int64(next))))
        }
    }

    @Test("over a stream the answer ends it at once")
    func reliable() {
        var machine = OtherClient(reliable: true)
        #expect(machine.firstInterval == nil)
        #expect(
            machine.handle(.response(200)) == .final(endAfter: Milliseconds(0), ack: false))
    }
}

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
