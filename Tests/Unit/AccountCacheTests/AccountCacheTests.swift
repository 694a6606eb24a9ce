import AccountCache
import BenchHarness
import Digest
import Messages
import ProxyBench
import Sys
import Testing

/// What directory has said of accounts, what it is being asked, and who waits.
@Suite struct AccountCacheTests {
    private let realm = CacheBench.realm

    // MARK: Asking

    @Test("directory is asked once about an account, however often that is wanted")
    func coalesced() throws {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        #expect(bench.state(alice) == .unasked && !bench.isConfirmed(alice))
        bench.ask(alice)
        bench.ask(alice)
        #expect(bench.state(alice) == .asked && !bench.isConfirmed(alice))
        let questions = bench.takeQuestions()
        #expect(questions.map(\.account) == ["alice"] && questions.map(\.realm) == [realm])
        let found = CacheBench.found(7, authUser: "a1", aor: "line-1")
        let news = try #require(bench.tell(questions[0].id, found))
        #expect(news.account == alice && news.isOurRealm && news.waiting.isEmpty)
        #expect(bench.state(alice) == .found && bench.texts(alice) == ["alice", "a1", "line-1"])
        #expect(bench.ha1(alice, .md5) == 7 && bench.questionCount == 0)
        // The same answer again is of no use.
        #expect(bench.tell(questions[0].id, found) == nil)
    }

    @Test("an answer is used for a minute, and what it said serves while a newer one is asked for")
    func stale() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        bench.advance(.seconds(60))
        #expect(bench.isConfirmed(alice))
        bench.advance(.seconds(1))
        #expect(!bench.isConfirmed(alice))
        bench.ask(alice)
        #expect(bench.state(alice) == .found && bench.ha1(alice, .md5) == 7)
        bench.tell(CacheBench.found(8))
        #expect(bench.isConfirmed(alice) && bench.ha1(alice, .md5) == 8)
    }

    @Test(
        "an answer is as old as directory says, and one that is older than what is known says nothing"
    )
    func aged() throws {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        bench.advance(.seconds(61))
        bench.ask(alice)
        let id = try #require(bench.takeQuestions().first?.id)
        #expect(bench.tell(id, CacheBench.found(6), age: .seconds(100))?.verdict == .nothing)
        #expect(bench.ha1(alice, .md5) == 7 && !bench.isConfirmed(alice) && bench.areUnavailable)
        let bob = bench.taken("bob")
        bench.ask(bob)
        let other = try #require(bench.takeQuestions().first?.id)
        bench.tell(other, CacheBench.found(8), age: .seconds(30))
        #expect(bench.isConfirmed(bob) && bench.areUnavailable)
        bench.advance(.seconds(31))
        #expect(!bench.isConfirmed(bob))
    }

    @Test("what a row has let in unconfirmed stays or is taken back as the source says next")
    func verdicts() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        #expect(bench.update("alice", CacheBench.found(8))?.verdict == .nothing)
        bench.serveUnconfirmed(alice)
        #expect(bench.update("alice", CacheBench.found(8))?.verdict == .confirmed)
        #expect(bench.update("alice", CacheBench.found(9))?.verdict == .nothing)
        bench.serveUnconfirmed(alice)
        let changed = bench.update("alice", CacheBench.found(7))?.verdict
        #expect(changed == .otherwise(hasNewSecret: true))
        bench.serveUnconfirmed(alice)
        #expect(bench.update("alice", .unavailable)?.verdict == .nothing)
        #expect(bench.update("alice", .unknown)?.verdict == .otherwise(hasNewSecret: true))
        #expect(bench.isMourned(alice))
        bench.advance(.seconds(601))
        #expect(!bench.isMourned(alice))
        bench.forgetIfIdle(alice)
        #expect(!bench.knows("alice") && bench.update("alice", .unknown) == nil)
    }

    @Test("what was known serves on while the database cannot be asked")
    func unavailable() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        bench.advance(.seconds(61))
        bench.ask(alice)
        bench.tell(.unavailable)
        #expect(bench.state(alice) == .found && bench.ha1(alice, .md5) == 7)
        #expect(bench.areUnavailable && !bench.isNobodyAsked)
        let bob = bench.known("bob", .unavailable)
        #expect(bench.state(bob) == .unavailable && !bench.isConfirmed(bob))
        _ = bench.known("carol", .unknown)
        #expect(!bench.areUnavailable && !bench.isNobodyAsked)
    }

    @Test("a name stays while a question about it is under way, and its place is nobody else's")
    func questioned() {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        bench.ask(alice)
        bench.ask(alice, asksSource: true)
        let questions = bench.takeQuestions()
        bench.tell(questions[0].id, .unavailable)
        bench.forgetIfIdle(alice)
        let bob = bench.taken("bob")
        #expect(alice != bob && bench.knows("alice"))
        bench.tell(questions[1].id, CacheBench.found(7))
        #expect(bench.ha1(alice, .md5) == 7 && bench.ha1(bob, .md5) == nil)
        let carol = bench.taken("carol")
        bench.ask(carol)
        bench.relink()
        bench.tell(.unknown)
        bench.forgetIfIdle(carol)
        #expect(!bench.knows("carol"))
    }

    @Test(
        "the source itself is asked beside a question that directory may answer, and over a new link too"
    )
    func asksSource() {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        bench.ask(alice)
        bench.ask(alice, asksSource: true)
        bench.ask(alice, asksSource: true)
        #expect(bench.takeQuestions().map(\.asksSource) == [false, true])
        bench.relink()
        let again = bench.takeQuestions()
        #expect(again.map(\.asksSource) == [true])
        let before = bench.now
        bench.tell(again[0].id, CacheBench.found(7), age: Milliseconds(1))
        #expect(bench.isConfirmed(alice) && !bench.isHeard(alice, since: before))
        bench.ask(alice, asksSource: true)
        bench.tell(CacheBench.found(7))
        #expect(bench.isHeard(alice, since: before))
        bench.advance(Milliseconds(1))
        #expect(!bench.isHeard(alice, since: bench.now))
    }

    @Test("another secret of an account has its hashes for other realms forgotten")
    func changed() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        _ = bench.ha1(alice, realm: "asterisk")
        bench.tell(CacheBench.found(9))
        bench.update("alice", CacheBench.found(7))
        #expect(bench.ha1(alice, realm: "asterisk") == .hash(9))
        bench.update("alice", CacheBench.found(8))
        #expect(bench.ha1(alice, .md5) == 8 && bench.ha1(alice, realm: "asterisk") == .asked)
        bench.update("alice", CacheBench.found(5), realm: "asterisk")
        #expect(bench.ha1(alice, realm: "asterisk") == .hash(5))
    }

    @Test("over a new link everything is asked again, and the old link's answers are not believed")
    func relink() {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        bench.ask(alice)
        _ = bench.ha1(alice, realm: "asterisk")
        let old = bench.takeQuestions()
        bench.relink()
        let new = bench.takeQuestions()
        #expect(Set(new.map(\.realm)) == [realm, "asterisk"] && bench.questionCount == 2)
        #expect(Set(old.map(\.id)).isDisjoint(with: new.map(\.id)))
        for question in old { #expect(bench.tell(question.id, CacheBench.found(7)) == nil) }
        #expect(bench.state(alice) == .asked)
        for question in new { bench.tell(question.id, CacheBench.found(7)) }
        #expect(bench.state(alice) == .found && bench.ha1(alice, realm: "asterisk") == .hash(7))
    }

    // MARK: Hashes

    @Test("for an Asterisk's realm directory is asked once, for both algorithms")
    func foreignRealm() throws {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        #expect(bench.ha1(alice, realm: "asterisk") == .asked)
        #expect(bench.ha1(alice, realm: "asterisk", .sha256) == .asked)
        let questions = bench.takeQuestions()
        #expect(questions.map(\.realm) == ["asterisk"])
        bench.park("waits", alice)
        let news = try #require(bench.tell(questions[0].id, CacheBench.found(9)))
        // Who waits for our own realm waits on.
        #expect(!news.isOurRealm && news.waiting.isEmpty && bench.parkedCount == 1)
        #expect(bench.ha1(alice, realm: "asterisk") == .hash(9))
        #expect(bench.ha1(alice, realm: "asterisk", .sha256) == .hash(9))
        #expect(bench.ha1(alice, realm: realm) == .hash(7))
    }

    @Test("a realm that is longer than 128 bytes has no hash, and directory is not asked")
    func longRealm() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        #expect(bench.ha1(alice, realm: String(repeating: "r", count: 129)) == .none)
        #expect(bench.takeQuestions().isEmpty)
        #expect(bench.ha1(alice, realm: String(repeating: "r", count: 128)) == .asked)
    }

    @Test("hashes by SHA-256 are kept from the first use on, for which all are asked for again")
    func sha256() {
        let bench = CacheBench()
        let alice = bench.known("alice", CacheBench.found(7))
        #expect(bench.ha1(alice, .sha256) == nil)
        #expect(bench.ha1(alice, realm: realm, .sha256) == .asked)
        #expect(!bench.useSHA256() && !bench.isConfirmed(alice))
        bench.tell(CacheBench.found(7))
        #expect(bench.ha1(alice, realm: realm, .sha256) == .hash(7) && bench.isConfirmed(alice))
    }

    // MARK: Waiting

    @Test("who has waited is given back in order, with all that was known of its sender")
    func waiting() throws {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        bench.ask(alice)
        bench.park("first", alice, number: 5)
        bench.advance(Milliseconds(30))
        bench.park("second", alice, port: 5070, number: 6, .caller, isRepetition: true)
        bench.park("bob's", bench.taken("bob"))
        #expect(bench.parkedCount == 3)
        let id = try #require(bench.takeQuestions().first?.id)
        let waiting = bench.takeWaiting(try #require(bench.tell(id, .unknown)))
        #expect(waiting.map(\.text) == ["first", "second"] && waiting.map(\.number) == [5, 6])
        #expect(waiting.map(\.flow.peer.port) == [5060, 5070])
        #expect(waiting[1].moment - waiting[0].moment == Milliseconds(30))
        #expect(waiting.map(\.step) == [.credentials, .caller])
        #expect(waiting.map(\.isRepetition) == [false, true])
        #expect(bench.parkedCount == 1)
    }

    @Test("the same bytes by the same flow wait once")
    func retransmission() {
        let bench = CacheBench()
        let alice = bench.taken("alice")
        for _ in 0..<20 { bench.park("same", alice) }
        #expect(bench.parkedCount == 1)
        bench.park("same", alice, port: 5070)
        bench.park("other", alice)
        #expect(bench.parkedCount == 3)
    }

    @Test("sixteen requests of an account wait, and 2,048 of all")
    func room() throws {
        let bench = CacheBench()
        let accounts = (0..<Capacity.parked / Capacity.parkedOfAccount).map {
            bench.taken("account\($0)")
        }
        for account in accounts {
            for number in 0..<Capacity.parkedOfAccount { bench.park("\(number)", account) }
            if account == accounts[0] {
                #expect(bench.park("one more", account) == .tooMany)
                #expect(bench.park("0", account) == .waits)
            }
        }
        #expect(bench.parkedCount == Capacity.parked && bench.isNobodyAsked)
        let late = bench.taken("late")
        #expect(bench.park("late", late) == .noRoom)
        #expect(bench.park("0", accounts[0]) == .waits)
        bench.ask(accounts[0])
        let id = try #require(bench.takeQuestions().first?.id)
        let news = try #require(bench.tell(id, .unknown))
        #expect(bench.takeWaiting(news).count == 16 && !bench.isNobodyAsked)
        #expect(bench.park("late", late) == .waits)
    }

    // MARK: Staying

    @Test("a name that was only tried is forgotten, and its place is free for another")
    func idle() {
        let bench = CacheBench()
        let tried = bench.known("tried", .unknown)
        bench.forgetIfIdle(tried)
        #expect(!bench.knows("tried"))
        let next = bench.taken("next")
        #expect(next == tried && bench.state(next) == .unasked && bench.texts(next)[0] == "next")
        #expect(bench.account(String(repeating: "n", count: Bounds.longestName + 1)) == nil)
    }

    @Test("an account stays while somebody has it, is asked for it, or it was found")
    func stays() {
        let bench = CacheBench()
        let kept = bench.known("kept", .unknown)
        bench.retain(kept)
        bench.retain(kept)
        bench.release(kept)
        bench.forgetIfIdle(kept)
        #expect(bench.knows("kept"))
        bench.release(kept)
        #expect(!bench.knows("kept"))
        let pinned = bench.known("pinned", .unknown)
        bench.pin(pinned)
        let asked = bench.taken("asked")
        bench.ask(asked)
        let found = bench.taken("found")
        bench.ask(found)
        bench.tell(bench.takeQuestions().last?.id ?? 0, CacheBench.found(7))
        for account in [pinned, asked, found] { bench.forgetIfIdle(account) }
        #expect(["pinned", "asked", "found"].allSatisfy { bench.knows($0) })
    }

    /// directory has said for ten minutes that there is no such account any more, and nobody needs its name.
    private func forget(_ account: AccountID, _ bench: CacheBench) {
        bench.advance(.seconds(61))
        bench.ask(account)
        bench.tell(.unknown)
        bench.advance(.seconds(601))
        bench.forgetIfIdle(account)
    }

    @Test("the name that takes a forgotten one's place has none of its hashes")
    func placeOfAnother() {
        let bench = CacheBench()
        let gone = bench.known("gone", CacheBench.found(7))
        _ = bench.ha1(gone, realm: "asterisk")
        bench.tell(CacheBench.found(9))
        forget(gone, bench)
        let next = bench.known("next", CacheBench.found(8))
        #expect(next == gone && bench.ha1(next, realm: "asterisk") == .asked)
    }

    @Test("a name stays while directory is asked for its hash for another realm")
    func askedForHash() {
        let bench = CacheBench()
        let gone = bench.known("gone", CacheBench.found(7))
        _ = bench.ha1(gone, realm: "asterisk")
        bench.relink()
        let late = bench.takeQuestions().suffix(1)
        forget(gone, bench)
        let next = bench.known("next", CacheBench.found(8))
        #expect(bench.knows("gone") && next != gone)
        for question in late { bench.tell(question.id, CacheBench.found(9)) }
        #expect(!bench.knows("gone") && bench.taken("third") == gone)
        #expect(bench.ha1(gone, realm: "asterisk") == .asked)
    }
}
