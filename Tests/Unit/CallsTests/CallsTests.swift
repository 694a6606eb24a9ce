import BenchHarness
import Messages
import ProxyBench
import Sys
import Testing

import class CoreHarness.CoreBench
import struct RouterHarness.Message

/// The calls that are under way, and who may make more.
@Suite struct CallsTests {
    // MARK: Beginning and finding

    @Test("a call is counted and shown from its INVITE on, until it is over")
    func life() throws {
        let bench = CallBench()
        let alice = bench.account("alice")
        let invite = bench.made("100", alice)
        #expect(bench.count(of: alice) == 1)
        let ringing = try #require(bench.rows.first)
        #expect(ringing.account == "alice" && ringing.peer == "100" && ringing.callID == "c")
        #expect(ringing.direction == .made && !ringing.isAnswered)
        #expect(
            ringing.asterisk == CoreBench.asterisk.peer && ringing.phone == CoreBench.phone.peer)
        bench.answer(invite, 200)
        #expect(bench.rows.map(\.isAnswered) == [true])
        bench.advance(.seconds(5))
        let bye = bench.say("BYE", alice, ["Reason: Q.850;cause=16"])
        #expect(bench.count == 0 && bench.count(of: alice) == 0 && bench.rows.isEmpty)
        bench.answer(bye, 200)
        #expect(
            bench.takeSentences() == [
                "call from alice to 100 answered",
                "call from alice to 100 ended by phone after 5 s",
            ])
    }

    @Test("a call is found by its caller's tag, then by both tags, from either end")
    func find() {
        let bench = CallBench()
        let invite = bench.made("100", bench.account("alice"), callID: "c@phone")
        func found(_ callID: String, from: String, to: String) -> Bool {
            bench.find(
                CoreBench.request("INFO", callID: callID, toTag: to).replacing(
                    "tag=1", with: "tag=\(from)")) != nil
        }
        #expect(found("c@phone", from: "1", to: "") && found("c@phone", from: "2", to: "1"))
        #expect(!found("c@phone", from: "3", to: "2"))
        bench.answer(invite, 200)
        #expect(found("c@phone", from: "1", to: "2") && found("c@phone", from: "2", to: "1"))
        // The host of a Call-ID differs between the sides.
        #expect(found("c@10.0.0.1", from: "2", to: "1"))
        #expect(!found("d@phone", from: "1", to: "2") && !found("c@phone", from: "1", to: "3"))
    }

    // MARK: Judging

    @Test("so many calls at once; a retransmission is judged as its original, and a failure frees")
    func atOnce() {
        let bench = CallBench([.atOnce(1)])
        let (alice, bob) = (bench.account("alice"), bench.account("bob"))
        let invite = bench.made("100", alice)
        #expect(bench.call("200", alice, callID: "d") == .refuseCall(.callsAtOnce))
        #expect(bench.call("200", alice, callID: "d") == .refuseCall(nil))
        #expect(bench.call("200", bob, callID: "e") == .pass)
        bench.answer(invite, 486)
        #expect(bench.count(of: alice) == 0)
        #expect(bench.call("200", alice, callID: "f") == .pass)
    }

    @Test("a transfer is judged as a call to its target, and what calls nobody passes")
    func transfers() {
        let bench = CallBench([.never("0900")])
        let alice = bench.account("alice")
        #expect(bench.judge("MESSAGE", alice, []) == .pass)
        #expect(bench.judge("REFER", alice, ["Refer-To: <sip:200@example.com>"]) == .pass)
        let never = bench.judge("REFER", alice, ["Refer-To: <sip:0900123@example.com>"])
        #expect(never == .refuseCall(.numberNever))
        let odd = bench.judge("REFER", alice, ["Refer-To: <sip:1%26SIP@example.com>"])
        #expect(odd == .refuse(.transferTarget))
    }

    // MARK: Bars

    private let barring: [CallRule] = [
        .never("0900"), .tripNever(Limit(3, in: .seconds(60))),
    ]

    /// Has alice call numbers that nobody calls until she is barred.
    private func bar(_ bench: CallBench, _ alice: AccountID) -> [Judged] {
        (1...3).map { bench.call("090012\($0)", alice, callID: "never\($0)") }
    }

    @Test("a bar ends the calls of its account, answered and ringing, and no others")
    func bars() {
        let bench = CallBench(barring)
        let (alice, bob) = (bench.account("alice"), bench.account("bob"))
        bench.answer(bench.made("100", alice, callID: "answered"), 200)
        let ringing = bench.made("101", alice, callID: "ringing")
        bench.answer(ringing, 180)
        bench.answer(bench.made("102", bob, callID: "bob"), 200)
        _ = bench.takeRequests()
        let judged = bar(bench, alice)
        #expect(judged.last == .refuseCall(.numberNever, barring: 3))
        #expect(judged.dropLast().allSatisfy { $0 == .refuseCall(.numberNever) })
        let sent = bench.takeRequests()
        #expect(sent.map(\.message.method).sorted() == ["BYE", "BYE", "CANCEL"])
        let byes = sent.filter { $0.message.method == "BYE" }.map(\.to)
        #expect(Set(byes) == [CoreBench.phone.peer, CoreBench.asterisk.peer])
        bench.answer(ringing, 487)
        #expect(bench.count(of: alice) == 0 && bench.count(of: bob) == 1)
        #expect(bench.call("100", alice, callID: "after") == .refuseCall(.accountBarred))
    }

    @Test("directory keeps a bar until somebody releases the account")
    func release() throws {
        let bench = CallBench(barring)
        let alice = bench.account("alice")
        _ = bar(bench, alice)
        let kept = try #require(bench.takeKept().last)
        #expect(kept.account == "alice" && kept.reason == Refusal.numberNever.code)
        #expect(kept.barredSince.count > 0 && bench.standings == [kept])
        #expect(bench.release("alice"))
        #expect(bench.takeKept().map(\.barredSince.count) == [0] && bench.standings.isEmpty)
        #expect(bench.call("100", alice, callID: "after") == .pass)
        #expect(!bench.release("alice") && !bench.release("nobody"))
    }

    @Test("while the defence observes nobody is barred, and the journal says who would be")
    func observing() {
        let bench = CallBench(barring, isObserving: true)
        let alice = bench.account("alice")
        #expect(bar(bench, alice).allSatisfy { $0 == .observed(.numberNever) })
        #expect(bench.count(of: alice) == 3 && bench.standings.isEmpty)
        let would = bench.takeSentences().filter { $0.contains("would be barred") }
        #expect(would.count == 1)
    }

    @Test("a bar that directory has holds from the start, and is told to one that has lost it")
    func restored() throws {
        let bench = CallBench()
        let alice = bench.account("alice")
        let standing = AccountStanding(
            account: "alice", countries: "", heldUntil: Milliseconds(0),
            barredSince: .seconds(1_600_000_000), reason: "number-never", evidence: "seen")
        bench.restore(standing)
        bench.restored()
        #expect(bench.takeKept().isEmpty && bench.standings == [standing])
        #expect(bench.call("100", alice) == .refuseCall(.accountBarred))
        bench.restored()
        #expect(bench.takeKept() == [standing])
    }

    // MARK: Ends

    @Test("a call that nobody answers is recorded with who has ended it, and why")
    func failures() {
        let bench = CallBench()
        let alice = bench.account("alice")
        bench.answer(bench.made("100", alice), 486)
        let invite = bench.made("100", alice, callID: "d")
        bench.answer(invite, 503)
        #expect(
            bench.takeSentences() == [
                "call from alice to 100 not answered: 486 by asterisk",
                "call from alice to 100 not answered: 500 by edge",
            ])
    }

    @Test("a call that its caller has cancelled was ended by its phone")
    func cancelled() {
        let bench = CallBench()
        let invite = bench.made("100", bench.account("alice"))
        bench.answer(invite, 180)
        bench.cancel(["Reason: SIP;cause=200"])
        #expect(bench.count == 1)
        bench.answer(invite, 487)
        #expect(
            bench.takeSentences() == ["call from alice to 100 not answered: 487 by phone"])
    }

    @Test("an administrator ends a call by its Call-ID, also one that is answered too late")
    func byHand() {
        let bench = CallBench()
        let alice = bench.account("alice")
        let invite = bench.made("100", alice)
        bench.answer(invite, 180)
        #expect(!bench.end("another") && bench.end("c"))
        #expect(bench.takeRequests().map(\.message.method) == ["CANCEL"] && bench.count == 1)
        bench.answer(invite, 200)
        #expect(bench.takeRequests().map(\.message.method) == ["BYE", "BYE"] && bench.count == 0)
        #expect(
            bench.takeSentences() == [
                "call from alice to 100 answered",
                "call from alice to 100 ended by administrator after 0 s",
            ])
    }

    @Test("a 481 inside a dialog ends its call, and nobody else's")
    func unknownDialog() {
        let bench = CallBench()
        let (alice, bob) = (bench.account("alice"), bench.account("bob"))
        bench.answer(bench.made("100", alice), 200)
        bench.answer(bench.say("INFO", bob), 481)
        #expect(bench.count(of: alice) == 1)
        bench.answer(bench.say("UPDATE", alice), 404)
        #expect(bench.count(of: alice) == 1)
        bench.answer(bench.say("INFO", alice, callID: "c"), 481)
        #expect(bench.count(of: alice) == 0)
        #expect(
            bench.takeSentences().last == "call from alice to 100 ended by asterisk after 0 s")
    }

    @Test(
        "a call whose answer nobody acknowledges is over, and one that was silent for eight hours")
    func sweep() {
        let bench = CallBench()
        let alice = bench.account("alice")
        bench.answer(bench.made("100", alice), 200)
        bench.answer(bench.made("200", alice, callID: "d"), 200)
        bench.hear("d")
        bench.leap(.seconds(33))
        bench.sweep()
        #expect(bench.rows.map(\.callID) == ["d"])
        #expect(bench.takeSentences().last == "call from alice to 100 ended by edge after 33 s")
        bench.leap(.seconds(4 * 3600))
        bench.hear("d")
        bench.leap(.seconds(4 * 3600 + 60))
        bench.sweep()
        #expect(bench.count == 1)
        bench.leap(.seconds(4 * 3600))
        bench.sweep()
        #expect(bench.count == 0)
        // For how long they talked nobody knows.
        #expect(bench.takeSentences() == ["call from alice to 200 ended by edge"])
    }
}

extension [UInt8] {
    /// The bytes with another text in place of the first one.
    fileprivate func replacing(_ text: String, with other: String) -> [UInt8] {
        let part = Array(text.utf8)
        for start in 0...(count - part.count)
        where self[start..<start + part.count].elementsEqual(part) {
            return Array(self[..<start]) + Array(other.utf8) + Array(self[(start + part.count)...])
        }
        return self
    }
}
