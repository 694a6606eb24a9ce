import Messages
import Proxy
import Sys
import Testing

/// What the journal is told of phones that come and go.
@Suite("Registration records") struct RegistrationRecordTests {
    private final class Journal {
        var records: [[Substring: Substring]] = []

        /// The sentences since the last look, each with its count.
        func take() -> [String] {
            defer { records = [] }
            return records.map { record in
                let count = record["REMPART_COUNT"].map { " [\($0)]" } ?? ""
                return String(record["MESSAGE"] ?? "") + count
            }
        }
    }

    private func edge() -> (Edge, Journal) {
        let edge = Edge()
        let journal = Journal()
        edge.observeRecord = { record in
            if record["REMPART_ACCOUNT"] != nil, record["PRIORITY"] == "6" {
                journal.records.append(record)
            }
        }
        return (edge, journal)
    }

    @Test("a phone in a loop is told of every ten seconds, with a count, and its last state")
    func loop() throws {
        let (edge, journal) = edge()
        let alice = Phone(edge, "alice")
        var changes = 0
        for _ in 0..<20 {
            try alice.register()
            try alice.register(expires: 0)
            changes += 2
        }
        #expect(journal.take() == ["alice registered from 198.51.100.7 over udp"])
        edge.advance(.seconds(9))
        #expect(journal.take().isEmpty)
        edge.advance(.seconds(2))
        #expect(
            journal.take() == [
                "alice unregistered from 198.51.100.7 over udp, after \(changes - 2) changes that were"
                    + " left out [\(changes - 2)]"
            ])
        // The span of that record.
        try alice.register()
        #expect(journal.take().isEmpty)
        edge.advance(.seconds(10))
        #expect(journal.records.first?["REMPART_CONTACT"]?.contains("alice@192.168.1.7") == true)
        #expect(journal.take() == ["alice registered from 198.51.100.7 over udp"])
        edge.advance(.seconds(30))
        #expect(journal.take().isEmpty)
        // Nothing was told of for long: at once.
        try alice.register(expires: 0)
        #expect(journal.take() == ["alice unregistered from 198.51.100.7 over udp"])
    }

    @Test("each account has its own ten seconds, and a refresh is no change")
    func accounts() throws {
        let (edge, journal) = edge()
        let phones = ["alice", "bob", "carol"].map { Phone(edge, $0) }
        for phone in phones { try phone.register() }
        #expect(journal.take().count == 3)
        for phone in phones { try phone.register() }
        edge.advance(.seconds(60))
        #expect(journal.take().isEmpty)
    }

    @Test("what is untold when the process ends is told then")
    func last() throws {
        let (edge, journal) = edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        try alice.register(expires: 0)
        _ = journal.take()
        let hasMore = edge.router.reportRegistrations()
        #expect(!hasMore)
        edge.drain()
        #expect(journal.take() == ["alice unregistered from 198.51.100.7 over udp"])
    }

    @Test("a name that was forgotten within its ten seconds is not told of as another one")
    func forgotten() throws {
        let (edge, journal) = edge()
        let alice = Phone(edge, "alice")
        try alice.register()
        try alice.register(expires: 0)
        edge.passwords["alice"] = nil
        edge.update("alice")
        // directory has said that there is none any more, and others come.
        let stranger = Phone(edge, "alice", at: "203.0.113.99:5060", password: "guessed")
        #expect(try stranger.register().status == 401)
        for name in ["bob", "carol"] { try Phone(edge, name, at: "198.51.100.9:5060").register() }
        _ = journal.take()
        edge.advance(.seconds(11))
        #expect(journal.take() == ["alice unregistered from 198.51.100.7 over udp"])
    }
}
