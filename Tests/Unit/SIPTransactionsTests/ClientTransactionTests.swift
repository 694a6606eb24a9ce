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
