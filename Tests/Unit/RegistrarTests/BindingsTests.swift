import Messages
import Registrar
import Sys
import Testing

@Suite struct BindingsTests {
    private let flow = Flow(
        .udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0xC633_6407), port: 5060))
    private let now = Milliseconds.seconds(1000)

    /// What a REGISTER asks for.
    private struct Asked {
        var contacts: [(key: UInt64, seconds: Int64)]
        var sequence: UInt32 = 1
        var callID = "c"
        var all = false
        var userAgent = ""
    }

    private func request(
        _ contacts: [(key: UInt64, seconds: Int64)], sequence: UInt32 = 1, callID: String = "c",
        all: Bool = false, userAgent: String = ""
    ) -> Asked {
        Asked(
            contacts: contacts, sequence: sequence, callID: callID, all: all, userAgent: userAgent)
    }

    /// The keys of an account's bindings.
    private func keys(_ bindings: borrowing Bindings, _ head: Int32) -> Set<UInt64> {
        var result: Set<UInt64> = []
        var at = head
        while let binding = bindings[at] {
            result.insert(binding.key)
            at = binding.next
        }
        return result
    }

    /// Carries a request out; the refusal, or nil.
    private func apply(
        _ asked: Asked, to bindings: inout Bindings, _ head: inout Int32, limit: Int = 3
    ) -> RegisterRefusal? {
        var request = RegisterRequest()
        let callID = Array(asked.callID.utf8)
        let userAgent = Array(asked.userAgent.utf8)
        request.begin(
            callID: callID.span, sequence: asked.sequence, userAgent: userAgent.span, flow: flow)
        request.all = asked.all
        for (key, seconds) in asked.contacts {
            let contact = Array("sip:a@\(key)".utf8)
            request.add(
                key: key, contact: contact.span, instance: Span(), regID: Span(),
                expires: .seconds(seconds), q: 1000)
        }
        do {
            try bindings.apply(&request, account: 0, head: &head, limit: limit, now: now)
            return nil
        } catch {
            return error
        }
    }

    private func text(_ bytes: Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    @Test("ten thousand refreshes with texts of changing length keep what the last one said")
    func texts() {
        var bindings = Bindings(capacity: 2)
        var heads: [Int32] = [-1, -1]
        for round in 1...10_000 {
            let length = round * 37 % 128
            let userAgent = String(repeating: "u", count: length)
            let refusal = apply(
                request([(7, 60)], sequence: UInt32(round), userAgent: userAgent), to: &bindings,
                &heads[round & 1])
            #expect(refusal == nil)
            guard let binding = bindings[heads[round & 1]] else {
                Issue.record("the binding is lost")
                return
            }
            #expect(text(bindings.userAgent(binding)) == userAgent)
            #expect(text(bindings.contact(binding)) == "sip:a@7")
            #expect(text(bindings.callID(binding)) == "c")
        }
        #expect(bindings.count == 2)
    }

    @Test("what a change has removed can be read until it is forgotten, and its place serves again")
    func removed() {
        var bindings = Bindings(capacity: 1)
        var head: Int32 = -1
        #expect(apply(request([(1, 60)]), to: &bindings, &head) == nil)
        #expect(apply(request([], sequence: 2, all: true), to: &bindings, &head) == nil)
        guard case .removed(let index) = bindings.changes.first, let old = bindings[index] else {
            Issue.record("nothing was removed")
            return
        }
        #expect(text(bindings.contact(old)) == "sip:a@1" && bindings.count == 0)
        bindings.forgetRemoved()
        #expect(bindings[index] == nil && bindings.indices.isEmpty)
        #expect(apply(request([(2, 60)], sequence: 3), to: &bindings, &head) == nil)
        #expect(head == index)
    }

    @Test("Contacts are added, refreshed and removed")
    func basic() {
        var bindings = Bindings(capacity: 10)
        var head: Int32 = -1
        #expect(apply(request([(1, 60), (2, 60)]), to: &bindings, &head) == nil)
        #expect(keys(bindings, head) == [1, 2])
        #expect(
            apply(request([(1, 0), (2, 90), (3, 60)], sequence: 2), to: &bindings, &head) == nil)
        #expect(keys(bindings, head) == [2, 3] && bindings.count == 2)
        #expect(apply(request([], sequence: 3, all: true), to: &bindings, &head) == nil)
        #expect(head == -1 && bindings.count == 0)
    }

    @Test("a request with one thing too old changes nothing of the rest")
    func allOrNothing() {
        var bindings = Bindings(capacity: 10)
        var head: Int32 = -1
        #expect(apply(request([(1, 60)], sequence: 5), to: &bindings, &head) == nil)
        #expect(
            apply(request([(2, 60), (1, 60)], sequence: 4), to: &bindings, &head) == .outOfOrder)
        #expect(keys(bindings, head) == [1])
        #expect(apply(request([], sequence: 4, all: true), to: &bindings, &head) == .outOfOrder)
        #expect(keys(bindings, head) == [1])
    }

    @Test(
        "the order counts per Call-ID: another one may begin anew, and the same number is a retransmission"
    )
    func order() {
        var bindings = Bindings(capacity: 10)
        var head: Int32 = -1
        #expect(apply(request([(1, 60)], sequence: 5), to: &bindings, &head) == nil)
        #expect(apply(request([(1, 60)], sequence: 5), to: &bindings, &head) == nil)
        #expect(apply(request([(1, 60)], sequence: 1, callID: "d"), to: &bindings, &head) == nil)
        #expect(apply(request([(2, 60)], sequence: 1), to: &bindings, &head) == nil)
    }

    @Test("an account at its limit takes no more, but refreshes, and exchanges one for another")
    func limit() {
        var bindings = Bindings(capacity: 10)
        var head: Int32 = -1
        #expect(apply(request([(1, 60), (2, 60), (3, 60)]), to: &bindings, &head) == nil)
        #expect(apply(request([(4, 60)], sequence: 2), to: &bindings, &head) == .tooMany)
        #expect(apply(request([(3, 60)], sequence: 2), to: &bindings, &head) == nil)
        #expect(apply(request([(1, 0), (4, 60)], sequence: 3), to: &bindings, &head) == nil)
        #expect(keys(bindings, head) == [2, 3, 4])
    }

    @Test("a binding that cannot be reached makes room, unless the request itself refreshes it")
    func unreachable() {
        var bindings = Bindings(capacity: 10)
        var head: Int32 = -1
        #expect(apply(request([(1, 60), (2, 60)]), to: &bindings, &head, limit: 2) == nil)
        guard let first = bindings.find(1, head: head) else {
            Issue.record("the binding is lost")
            return
        }
        bindings.setReachable(first, false)
        let both = request([(1, 60), (3, 60)], sequence: 2)
        #expect(apply(both, to: &bindings, &head, limit: 2) == .tooMany)
        #expect(keys(bindings, head) == [1, 2])
        #expect(apply(request([(3, 60)], sequence: 2), to: &bindings, &head, limit: 2) == nil)
        #expect(keys(bindings, head) == [2, 3])
    }

    @Test("a full table refuses new bindings and keeps the old ones")
    func full() {
        var bindings = Bindings(capacity: 2)
        var head: Int32 = -1
        var other: Int32 = -1
        #expect(apply(request([(1, 60), (2, 60)]), to: &bindings, &head) == nil)
        #expect(apply(request([(3, 60)]), to: &bindings, &other) == .full)
        #expect(other == -1 && keys(bindings, head) == [1, 2])
    }
}
