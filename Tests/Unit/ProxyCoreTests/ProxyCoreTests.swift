import BenchHarness
import Digest
import Messages
import ProxyBench
import ProxyCore
import SIP
import Sys
import Testing

import class CoreHarness.CoreBench
import struct RouterHarness.Message

/// The response contexts of requests, and what their branches come to.
@Suite struct ProxyCoreTests {
    // MARK: Opening

    @Test("an INVITE is answered with 100 at once, without a tag, and nothing else is")
    func trying() throws {
        let bench = CoreStage()
        let invite = bench.open(CoreBench.request("INVITE"))
        let sent = bench.takeSent()
        let trying = try #require(sent.first?.message)
        #expect(trying.start == "SIP/2.0 100 Trying" && trying.toTag.isEmpty)
        #expect(bench.isOpen(invite.handle))
        _ = bench.open(CoreBench.request("OPTIONS", callID: "o"))
        #expect(bench.takeSent().isEmpty && bench.count == 2)
    }

    @Test("the same request by another way is refused as merged while the first is under way")
    func merged() {
        let bench = CoreStage()
        let other = CoreBench.request("INVITE", branch: "z9hG4bK2")
        let first = bench.open(CoreBench.request("INVITE"), unmerged: true)
        #expect(bench.open(other, unmerged: true).refusal == .merged)
        // It is not looked for where it is not asked for: phones of one account may be called alike.
        #expect(bench.open(other).refusal == nil)
        bench.finish(first.handle, .temporarilyUnavailable)
        #expect(bench.open(other, unmerged: true).refusal == nil)
    }

    @Test("a body that cannot be read is refused, but for BYE, and inside a dialog")
    func body() {
        let bench = CoreStage()
        // One reader guesses its boundary, another does not.
        let lines = ["Content-Type: multipart/mixed"]
        let invite = CoreBench.request("INVITE", lines: lines, body: "x")
        #expect(bench.open(invite).refusal == .sessionDescription)
        let bye = CoreBench.request("BYE", callID: "b", lines: lines, body: "x")
        #expect(bench.open(bye).refusal == nil)
        #expect(bench.open(invite, in: StringVector()).refusal == nil)
    }

    // MARK: Absorbing

    @Test("a retransmission, a CANCEL and the ACK of a failure belong to their request")
    func absorbed() {
        let bench = CoreStage()
        let invite = CoreBench.request("INVITE")
        let ack = CoreBench.request("ACK")
        #expect(bench.absorb(invite) == .foreign)
        let handle = bench.open(invite).handle
        let trying = bench.takeSent()[0].message
        #expect(bench.absorb(invite) == .again(handle, trying.length))
        #expect(bench.absorb(CoreBench.request("CANCEL")) == .cancels(handle))
        #expect(bench.absorb(ack) == .foreign)
        bench.finish(handle, .temporarilyUnavailable)
        #expect(bench.absorb(ack) == .absorbed)
        bench.advance(.seconds(6))
        #expect(bench.count == 0 && bench.absorb(invite) == .foreign)
    }

    @Test("what differs in branch, Call-ID, CSeq or the sender's address belongs to another one")
    func foreign() {
        let bench = CoreStage()
        let invite = CoreBench.request("INVITE")
        _ = bench.open(invite)
        let others = [
            CoreBench.request("INVITE", branch: "z9hG4bK2"),
            CoreBench.request("INVITE", callID: "d"), CoreBench.request("INVITE", sequence: 2),
            CoreBench.request("OPTIONS"),
        ]
        for other in others { #expect(bench.absorb(other) == .foreign) }
        let elsewhere = Flow(.udp, listener: 0, peer: address("192.0.2.67:5060"))
        #expect(bench.absorb(invite, elsewhere) == .foreign)
        let moved = Flow(.udp, listener: 0, peer: address("192.0.2.66:1024"))
        #expect(bench.absorb(invite, moved) != .foreign)
    }

    // MARK: Branches

    @Test(
        "of what the phones answer the best failure is passed on",
        arguments: [
            ([486, 404, 480], 486), ([404, 486, 480], 404), ([480, 480, 415], 415),
            ([408, 487, 480], 480), ([481, 408, 430], 481), ([500, 404, 500], 404),
            ([503, 503, 486], 486), ([503, 503, 503], 500), ([401, 486, 486], 403),
            ([603, 487, 487], 603), ([486, 600, 487], 600),
        ])
    func best(_ statuses: [Int], _ expected: Int) throws {
        let bench = CoreStage()
        let alice = bench.account("alice")
        for host in 61...63 { bench.register(alice, UInt8(host)) }
        bench.fork(CoreBench.request("INVITE"), to: alice)
        let invites = bench.takeSent().filter {
            $0.message.method == "INVITE" && $0.message.isRequest
        }
        try #require(invites.count == 3)
        for (invite, status) in zip(invites, statuses) {
            #expect(bench.answers.isEmpty)
            bench.answer(invite, status)
        }
        #expect(bench.answers == [expected])
    }

    @Test("who refuses for all, or answers, has the other phones cancelled, which hear why")
    func cancelled() throws {
        for (status, cause) in [(600, "SIP;cause=600"), (200, "SIP;cause=200")] {
            let bench = CoreStage()
            let alice = bench.account("alice")
            for host in 61...62 { bench.register(alice, UInt8(host)) }
            bench.fork(CoreBench.request("INVITE"), to: alice)
            let invites = bench.takeSent().filter { $0.message.isRequest }
            bench.answer(invites[0], 180)
            bench.answer(invites[1], status)
            let sent = bench.takeSent()
            let cancel = try #require(sent.first { $0.message.method == "CANCEL" })
            #expect(cancel.to == invites[0].to && cancel.message["Reason"].hasPrefix(cause))
        }
    }

    @Test("what the final response of a branch asks for is said, and done by somebody else")
    func outcomes() throws {
        let bench = CoreStage()
        for (status, outcome) in [(200, "accepted"), (401, "challenged"), (407, "challenged")] {
            bench.forward(CoreBench.request("INVITE", callID: "i\(status)"))
            bench.answer(try #require(bench.takeInvite()), status)
            #expect(bench.outcomes == [outcome])
        }
        let alice = bench.account("alice")
        bench.register(alice, 61)
        for (method, outcome) in [("INVITE", "redirected"), ("OPTIONS", "handled")] {
            _ = bench.takeSent()
            bench.fork(CoreBench.request(method, callID: "o\(method)"), to: alice)
            let sent = bench.takeSent().filter { $0.message.isRequest }
            bench.answer(try #require(sent.first), 302)
            #expect(bench.outcomes == [outcome])
        }
    }

    // MARK: The next Asterisk

    @Test("a 503 sends a request to the next Asterisk, and the last one's is our own failure")
    func unavailable() throws {
        let bench = CoreStage()
        bench.forward(CoreBench.request("INVITE"))
        let first = try #require(bench.takeInvite())
        bench.answer(first, 503)
        let second = try #require(bench.takeInvite())
        #expect(first.to == CoreBench.asterisk.peer && second.to == CoreBench.second.peer)
        #expect(second.message.uri == "sip:100@10.0.0.20:5060")
        #expect(second.message.branch != first.message.branch && bench.answers.isEmpty)
        bench.answer(second, 503)
        #expect(bench.answers == [500])
    }

    @Test(
        "after three seconds of silence the next Asterisk gets an INVITE, and what rings late ends")
    func silence() throws {
        let bench = CoreStage()
        bench.forward(CoreBench.request("INVITE"))
        let first = try #require(bench.takeInvite())
        bench.advance(Milliseconds(3100))
        let second = try #require(bench.takeInvite { $0 != first.to })
        #expect(second.to == CoreBench.second.peer)
        bench.advance(.seconds(10))
        #expect(bench.takeInvite { $0 == first.to } == nil)
        bench.answer(first, 180)
        let late = bench.takeSent().map(\.message).filter(\.isRequest)
        #expect(late.map(\.method) == ["CANCEL"])
        bench.answer(second, 486)
        #expect(bench.answers == [486])
    }

    @Test("an INVITE is left where it is when that Asterisk has answered, or there is no other")
    func patience() throws {
        for count in 1...2 {
            let bench = CoreStage(asterisks: count)
            bench.forward(CoreBench.request("INVITE"))
            let first = try #require(bench.takeInvite())
            if count == 2 { bench.answer(first, 100) }
            bench.advance(.seconds(20))
            #expect(bench.takeInvite { $0 != first.to } == nil && bench.answers.isEmpty)
        }
    }

    @Test("without an Asterisk a request ends with 503, and the journal says why")
    func none() {
        let bench = CoreStage(asterisks: 0)
        let alice = Party.account(bench.account("alice"))
        bench.forward(CoreBench.request("INVITE"), of: alice)
        #expect(bench.answers == [503])
        #expect(
            bench.takeSentences() == [
                "no Asterisk answers: INVITE from 192.0.2.66 is refused with 503"
            ])
    }

    // MARK: Ends

    @Test("who cancels gets 487 once the branches have ended, and the next Asterisk nothing")
    func cancelling() throws {
        let bench = CoreStage()
        let handle = bench.forward(CoreBench.request("INVITE"))
        let invite = try #require(bench.takeInvite())
        bench.cancel(handle)
        #expect(bench.answers.isEmpty && bench.takeInvite() == nil)
        bench.answer(invite, 503)
        #expect(bench.takeInvite() == nil)
        let other = bench.open(CoreBench.request("INVITE", callID: "d")).handle
        bench.cancel(other)
        #expect(bench.answers.last == 487)
    }

    @Test("what rings for longer than timer C is cancelled, and its caller gets 408")
    func timerC() throws {
        let bench = CoreStage()
        bench.forward(CoreBench.request("INVITE"))
        let invite = try #require(bench.takeInvite())
        bench.answer(invite, 180)
        bench.advance(.seconds(100))
        bench.answer(invite, 180)
        bench.advance(.seconds(184))
        #expect(!bench.answers.contains(408))
        bench.advance(.seconds(2))
        #expect(bench.answers.contains(408))
        #expect(bench.taken.contains { $0.message.method == "CANCEL" && $0.to == invite.to })
    }

    @Test("of a call that fails is told who has said so, and why")
    func failures() throws {
        let bench = CoreStage()
        let call = Handle(index: 5, generation: 1)
        bench.setCall(bench.forward(CoreBench.request("INVITE")), call)
        bench.answer(
            try #require(bench.takeInvite()), 486, ["Reason: Q.850;cause=17;text=\"Busy\""])
        let busy = try #require(bench.nextFailure())
        #expect(busy.call == call && busy.status == 486 && busy.isCallee)
        #expect(busy.cause.code == 17 && busy.cause.isQ850)
        let other = bench.open(CoreBench.request("INVITE", callID: "d")).handle
        bench.setCall(other, call)
        bench.finish(other, .serverInternalError)
        let ours = try #require(bench.nextFailure())
        #expect(ours.status == 500 && !ours.isCallee && ours.cause.code == 0)
        #expect(bench.nextFailure() == nil)
    }
}
