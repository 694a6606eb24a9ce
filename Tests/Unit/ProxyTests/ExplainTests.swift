import Messages
import Proxy
import Sys
import Testing

/// What `rempart explain` is told of an account.
@Suite("Explained accounts") struct ExplainTests {
    /// The rows of one kind.
    private func rows<Row>(
        _ edge: Edge, _ name: String, _ kind: (ControlReply) -> Row?
    ) -> [Row] { edge.router.explain(account: name).compactMap(kind) }

    private func guarded(_ edge: Edge, _ name: String) -> GuardRow? {
        rows(edge, name) { if case .guarded(let row) = $0 { row } else { nil } }.first
    }

    private func refusals(_ edge: Edge, _ name: String) -> [RefusalRow] {
        rows(edge, name) { if case .refusal(let row) = $0 { row } else { nil } }
    }

    private func phones(_ edge: Edge, _ name: String) -> [PhoneRow] {
        rows(edge, name) { if case .phone(let row) = $0 { row } else { nil } }
    }

    @Test("its own phones, registrations and calls are told, and none of another account")
    func own() throws {
        let edge = Edge()
        let alice = Phone(edge, "alice")
        let bob = Phone(edge, "bob", at: "198.51.100.8:40000")
        try alice.register()
        try bob.register()
        edge.advance(.seconds(1))
        try bob.ask("INVITE", "sip:100@example.com", callID: "of-bob")
        Asterisk(edge).call("alice", callID: "of-alice@10.0.0.10")
        #expect(phones(edge, "alice").map(\.address) == [alice.flow.peer])
        #expect(phones(edge, "alice").map(\.presence) == [.there])
        let calls = rows(edge, "alice") { if case .call(let row) = $0 { row } else { nil } }
        #expect(calls.map(\.callID) == ["of-alice@10.0.0.10"])
        let upstream = rows(edge, "alice") {
            if case .upstream(let row) = $0 { row } else { nil }
        }
        #expect(upstream.map(\.address) == [address("10.0.0.10:5060")])
        #expect(upstream.allSatisfy { $0.state != .none })
        #expect(guarded(edge, "alice")?.isKnown == true)
        #expect(refusals(edge, "alice").isEmpty)
    }

    @Test("wrong passwords are told with their reason, and the source that is held for them")
    func held() throws {
        let edge = Edge([.allow(try #require(Network("192.0.2.0/24")))])
        let alice = Phone(edge, "alice")
        try alice.register()
        // Behind a registered phone's address nobody is banned: the pair is held.
        let wrong = Phone(edge, "alice", at: "198.51.100.7:50000", password: "guessed")
        for _ in 0..<6 {
            _ = try? wrong.register()
            edge.advance(.seconds(1))
            _ = wrong.all()
        }
        let told = refusals(edge, "alice")
        #expect(told.contains { $0.reason == Refusal.wrongPassword.code })
        #expect(told.allSatisfy { $0.source == wrong.flow.peer.ip && $0.method == "REGISTER" })
        #expect(refusals(edge, "bob").isEmpty)
        let holds = guarded(edge, "alice")?.holds ?? []
        #expect(holds.map(\.source) == [wrong.flow.peer.ip])
        #expect(holds.allSatisfy { $0.left > Milliseconds(0) })
        #expect(guarded(edge, "bob")?.holds == [])
    }

    @Test("a call that finds no phone is told of the account that it was for")
    func notRegistered() throws {
        let edge = Edge()
        let asterisk = Asterisk(edge)
        asterisk.call("alice", callID: "nobody@10.0.0.10")
        _ = try asterisk.expect(480)
        let told = refusals(edge, "alice")
        #expect(told.map(\.reason) == [Refusal.notRegistered.code])
        #expect(told.map(\.status) == [480])
        #expect(refusals(edge, "300").isEmpty)
    }

    @Test("requests that are used up are told, with how many there may be")
    func usedUp() throws {
        let stage = try Stage([.requests(1)])
        try stage.alice.register()
        #expect(guarded(stage.edge, "alice")?.isUsedUp == false)
        for number in 0..<12 {
            let wanted = "MESSAGE"
            _ = try? stage.alice.ask(wanted, "sip:100@example.com", callID: "m\(number)")
        }
        let row = try #require(guarded(stage.edge, "alice"))
        #expect(row.isUsedUp && row.requests == 1)
        let told = refusals(stage.edge, "alice").map(\.reason)
        #expect(told.contains(Refusal.accountRequests.code))
    }

    @Test("what stands against an account is told, and of a name that nobody has nothing")
    func nobody() throws {
        let edge = Edge()
        #expect(
            edge.router.explain(account: "nobody")
                == [.guarded(GuardRow(isKnown: false, requests: 50))])
    }
}
