import BenchHarness
import Messages
import ProxyBench
import SIP
import SIPTransactions
import Sys
import Testing
import Transactions

import struct RouterHarness.Message
import func RouterHarness.response

/// The requests that we have sent and that are not over.
@Suite struct TransactionsTests {
    // MARK: Matching

    @Test("a response is of the request whose branch and method it has, from where that went")
    func matching() throws {
        let bench = TransactionBench()
        let handle = bench.send(.options)
        let request = try #require(bench.takeSent().first)
        let answer = response(to: request, 200)
        #expect(bench.find(answer) == handle)
        let otherPort = Flow(.udp, listener: 0, peer: address("192.0.2.66:1024"))
        #expect(bench.find(answer, otherPort) == handle)
        let otherHost = Flow(.udp, listener: 0, peer: address("192.0.2.67:5060"))
        let otherSocket = Flow(.udp, listener: 2, peer: address("192.0.2.66:5060"))
        #expect(bench.find(answer, otherHost) == nil && bench.find(answer, otherSocket) == nil)
        for (name, value) in [
            ("CSeq", "7 INVITE"), ("CSeq", "7 CANCEL"),
            ("Via", "SIP/2.0/UDP 203.0.113.5;branch=\(request.branch.dropLast())g"),
        ] {
            var changed = request
            changed.headers = request.headers.map { ($0.name, $0.name == name ? value : $0.value) }
            #expect(bench.find(response(to: changed, 200)) == nil)
        }
        bench.end(handle)
        #expect(bench.find(answer) == nil)
    }

    @Test("by a connection an answer comes by that connection alone")
    func connection() throws {
        let bench = TransactionBench()
        let handle = bench.send(.options, TransactionBench.tcp)
        let request = try #require(bench.takeSent().first)
        let other = Flow(.tcp, listener: 1, peer: address("192.0.2.66:5060"), connection: 8)
        #expect(bench.find(response(to: request, 200), TransactionBench.tcp) == handle)
        #expect(bench.find(response(to: request, 200), other) == nil)
    }

    // MARK: Beginning

    @Test("an account has an eighth of the places, and stays known while it has one")
    func shares() {
        let bench = TransactionBench()
        let party = Party.account(bench.account("alice"))
        let most = Capacity.branches / Shares.parts
        var handles: [Handle] = []
        while let handle = bench.begin(.options, of: party) { handles.append(handle) }
        #expect(handles.count == most && bench.count == most)
        #expect(bench.begin(.options) != nil)
        bench.end(handles.removeLast())
        #expect(bench.begin(.options, of: party).map { bench.end($0) } != nil)
        for handle in handles { bench.end(handle) }
        #expect(!bench.knows("alice") && bench.count == 1)
    }

    @Test("what is longer than a message may be counts as a 513, and is not sent")
    func tooLong() {
        let bench = TransactionBench()
        _ = bench.send(.options, padding: 70_000)
        #expect(bench.outcome == "failed(513)" && bench.takeSent().isEmpty)
    }

    // MARK: CANCEL

    @Test("a CANCEL waits for the first provisional response, and the first reason counts")
    func cancelEarly() throws {
        let bench = TransactionBench()
        let handle = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        bench.cancel(handle, "SIP;cause=200")
        bench.cancel(handle, "SIP;cause=600")
        #expect(bench.takeSent().isEmpty)
        #expect(bench.answer(invite, 180) == "provisional")
        let sent = bench.takeSent()
        let cancel = try #require(sent.first)
        #expect(sent.count == 1 && cancel.start == "CANCEL sip:alice@192.0.2.66 SIP/2.0")
        #expect(cancel["Via"] == invite["Via"] && cancel["To"] == invite["To"])
        #expect(cancel["CSeq"] == "7 CANCEL" && cancel["Reason"] == "SIP;cause=200")
        bench.answer(invite, 180)
        #expect(bench.takeSent().isEmpty)
    }

    @Test("a CANCEL is sent again until it is answered, and the INVITE has 32 seconds to end")
    func cancelLate() throws {
        let bench = TransactionBench()
        let handle = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        bench.answer(invite, 180)
        bench.cancel(handle)
        let cancel = try #require(bench.takeSent().first)
        bench.advance(Milliseconds(1600))
        #expect(bench.takeSent().map(\.method) == ["CANCEL", "CANCEL"])
        #expect(bench.answer(cancel, 200) == "none")
        bench.advance(.seconds(30))
        #expect(bench.takeSent().isEmpty && bench.failures.isEmpty)
        bench.advance(.seconds(1))
        #expect(bench.failures == [handle: 408] && bench.timers == 0)
    }

    @Test("nothing but an INVITE without a final response is cancelled")
    func notCancelled() throws {
        let bench = TransactionBench()
        let options = bench.send(.options)
        let invite = bench.send(.invite)
        let sent = bench.takeSent()
        bench.answer(sent[0], 100)
        bench.answer(sent[1], 200)
        bench.cancel(options)
        bench.cancel(invite)
        #expect(bench.takeSent().isEmpty)
    }

    // MARK: Final responses

    @Test("a 2xx is handed on each time that it comes, for 32 seconds, without its request")
    func again() throws {
        let bench = TransactionBench()
        let handle = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        #expect(bench.stores(handle))
        #expect(bench.answer(invite, 200) == "final" && !bench.stores(handle))
        bench.advance(.seconds(31))
        #expect(bench.answer(invite, 200) == "again" && bench.takeSent().isEmpty)
        bench.advance(.seconds(2))
        #expect(bench.answer(invite, 200) == "" && bench.count == 0 && bench.timers == 0)
    }

    @Test("a failure is acknowledged each time that it comes, and handed on once")
    func failure() throws {
        let bench = TransactionBench()
        _ = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        #expect(bench.answer(invite, 486) == "final" && bench.answer(invite, 486) == "none")
        let acks = bench.takeSent()
        #expect(acks.map(\.method) == ["ACK", "ACK"] && acks.map(\.toTag) == ["2", "2"])
        #expect(acks[0]["Via"] == invite["Via"] && acks[0]["CSeq"] == "7 ACK")
        bench.advance(.seconds(33))
        #expect(bench.count == 0 && bench.failures.isEmpty)
    }

    @Test("the place of any other request is free as soon as its answer was handled")
    func other() throws {
        let bench = TransactionBench()
        _ = bench.send(.options)
        let options = try #require(bench.takeSent().first)
        #expect(bench.answer(options, 100) == "provisional")
        #expect(bench.answer(options, 404) == "final" && bench.answer(options, 404) == "")
        #expect(bench.count == 0 && bench.timers == 0)
    }

    @Test("a 2xx that cannot be passed on is acknowledged each time, and its call ended once")
    func unreadable() throws {
        let bench = TransactionBench()
        _ = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        #expect(bench.answer(invite, 200, isReadable: false) == "unreadable")
        let sent = bench.takeSent()
        #expect(sent.map(\.method) == ["ACK", "BYE"] && sent.map(\.sequence) == [7, 8])
        #expect(sent.allSatisfy { $0.uri == "sip:alice@192.0.2.66:1024" && $0.toTag == "2" })
        #expect(Set(sent.map(\.branch) + [invite.branch]).count == 3)
        #expect(bench.answer(sent[1], 200) == "final")
        // Though it is readable now, nobody waits for it.
        #expect(bench.answer(invite, 200) == "none")
        #expect(bench.takeSent().map(\.method) == ["ACK"])
    }

    @Test("inside a dialog such a 2xx is acknowledged alone")
    func unreadableInside() throws {
        let bench = TransactionBench()
        _ = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        bench.answer(invite, 200, isReadable: false, endsCall: false)
        #expect(bench.takeSent().map(\.method) == ["ACK"] && bench.count == 1)
    }

    // MARK: Timers

    @Test("by UDP a request is sent again until it fails after 32 seconds")
    func timers() {
        for (method, times) in [(Method.invite, 6), (.options, 10)] {
            let bench = TransactionBench()
            let handle = bench.send(method)
            bench.advance(.seconds(31))
            #expect(bench.takeSent().count == times && bench.failures.isEmpty)
            bench.advance(Milliseconds(1100))
            #expect(bench.failures == [handle: 408] && bench.count == 0 && bench.timers == 0)
        }
    }

    @Test("by a connection it is sent once, and lost with the connection unless its end was told")
    func stream() {
        let bench = TransactionBench()
        let first = bench.send(.options, TransactionBench.tcp)
        let second = bench.send(.invite, TransactionBench.tcp)
        _ = bench.send(.options)
        bench.advance(Milliseconds(400))
        #expect(bench.takeSent().count == 3)
        bench.advance(Milliseconds(200))
        #expect(bench.takeSent().count == 1)
        #expect(bench.report(second) && !bench.report(second))
        bench.closed(TransactionBench.tcp)
        #expect(bench.takeLost() == [first] && bench.takeLost().isEmpty)
    }

    @Test("an INVITE that rings is neither sent again nor given up")
    func ringing() throws {
        let bench = TransactionBench()
        let handle = bench.send(.invite)
        let invite = try #require(bench.takeSent().first)
        bench.answer(invite, 180)
        bench.ringing(handle)
        bench.advance(.seconds(120))
        #expect(bench.takeSent().isEmpty && bench.contains(handle) && bench.failures.isEmpty)
    }

    @Test(
        "one that gets no more than Trying is given up for another: cancelled at once, or when it rings after all"
    )
    func givenUp() throws {
        let bench = TransactionBench()
        let silent = bench.send(.invite)
        let tried = bench.send(.invite)
        let ringing = bench.send(.invite)
        let sent = bench.takeSent()
        for handle in [silent, tried, ringing] { bench.watch(handle, .seconds(3)) }
        bench.answer(sent[1], 100)
        bench.answer(sent[2], 180)
        bench.advance(Milliseconds(3100))
        #expect(Set(bench.unanswered) == [silent, tried])
        #expect(bench.isUnanswered(silent) && !bench.isUnanswered(tried))
        _ = bench.takeSent()
        bench.giveUp(tried)
        #expect(bench.takeSent().map(\.method) == ["CANCEL"])
        bench.answer(sent[1], 487)
        _ = bench.takeSent()
        bench.giveUp(silent)
        bench.advance(.seconds(20))
        #expect(bench.takeSent().isEmpty)
        bench.answer(sent[0], 180)
        #expect(bench.takeSent().map(\.method) == ["CANCEL"])
        // Its end was told when it was given up.
        #expect(!bench.report(silent))
    }
}
