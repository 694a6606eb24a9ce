import Messages
import Registrar
import Sys
import Testing

@Suite struct BindingsTests {
    private let flow = Flow(
        .udp, listener: 0, peer: SocketAddress(IPAddress(v4: 0xC633_6407), port: 5060))
    private let now = Milliseconds.seconds(1000)

    private func request(
        _ contacts: [(key: UInt64, seconds: Int64)], sequence: UInt32 = 1, callID: String = "c",
        all: Bool = false
    ) -> RegisterRequest {
        var request = RegisterRequest(
            callID: Array(callID.utf8), sequence: sequence, userAgent: [], flow: flow)
        request.all = all
        request.contacts = contacts.map {
            ContactRequest(
                key: $0.key, contact: Array("sip:a@\($0.key)".utf8), instance: [],
                expires: .seconds($0.seconds), q: 1000)
        }
        return request
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
        _ request: RegisterRequest, to bindings: inout Bindings, _ head: inout Int32,
        limit: Int = 3
    ) -> RegisterRefusal? {
        do {
            _ = try bindings.apply(request, account: 0, head: &head, limit: limit, now: now)
            return nil
        } catch {
            return error
        }
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

@Suite struct NameTableTests {
    @Test("random additions and removals leave what a dictionary would")
    func random() {
        var table = NameTable()
        var expected: [String: Int32] = [:]
        var names: [String] = []
        var word: UInt64 = 88_172_645_463_325_252
        for _ in 0..<20_000 {
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            let number = Int32(word % 700)
            let name = "account-\(number)"
            let hash = NameTable.hash(Array(name.utf8).span)
            if expected[name] == nil {
                table.add(number, hash)
                expected[name] = number
                names.append(name)
            } else if word >> 62 != 0 {
                table.remove(number, hash)
                table.remove(number, hash)
                expected[name] = nil
            }
            let asked = "account-\((word >> 20) % 700)"
            let found = table.find(NameTable.hash(Array(asked.utf8).span)) {
                "account-\($0)" == asked
            }
            #expect(found == expected[asked])
        }
        for name in names {
            let found = table.find(NameTable.hash(Array(name.utf8).span)) {
                "account-\($0)" == name
            }
            #expect(found == expected[name])
        }
    }
}
