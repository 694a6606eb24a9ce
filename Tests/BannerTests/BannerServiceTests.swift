internal import Foundation
internal import Messages
internal import Privsep
internal import Sys
internal import Testing
internal import Wire

@testable internal import banner

@Suite("BannerService")
struct BannerServiceTests {
    /// A ban of a minute by sip-router.
    private func ban(_ text: String, span: Int64 = 60) throws -> RouterToBanner {
        .ban(
            BanOrder(
                address: try ip(text), reason: "digest", evidence: "5 wrong passwords for 1001",
                count: 5, firstSeen: .seconds(999_990), lastSeen: .seconds(1_000_000),
                profile: "phones", atLeast: .seconds(span)))
    }

    @Test("hello is answered with every ban in force, then the end")
    func hello() throws {
        let bench = try Bench([.ban(.seconds(60))])
        _ = bench.ask(.ban(try ip("198.18.0.7"), .seconds(60), "noisy"))
        try bench.tell(.hello)
        #expect(
            try bench.heard() == [
                .banned(try net("198.18.0.7"), until: .seconds(1_000_060)), .all,
            ])
    }

    @Test("all bans of one turn reach the kernel by one command, and come back to sip-router")
    func batch() throws {
        let bench = try Bench([.ban(.seconds(60))])
        try bench.tell(.hello)
        _ = try bench.heard()
        bench.firewall.commands = []
        try bench.tell(try ban("198.18.0.7"), try ban("2001:db8::7"))
        #expect(bench.firewall.commands.count == 1)
        #expect(bench.firewall.commands.first?.contains("198.18.0.7 timeout 60s") == true)
        #expect(bench.firewall.commands.first?.contains("2001:db8:: timeout 60s") == true)
        #expect(
            try bench.heard() == [
                .banned(try net("198.18.0.7"), until: .seconds(1_000_060)),
                .banned(try net("2001:db8::/64"), until: .seconds(1_000_060)),
            ])
    }

    @Test("a ban by hand without a span lasts as long as defence.ban says")
    func defaultSpan() throws {
        let bench = try Bench([.ban(.seconds(120))])
        let address = try ip("198.18.0.7")
        let row = BanRow(
            source: try net("198.18.0.7"), reason: "noisy phone", since: .seconds(1_000_000),
            until: .seconds(1_000_120), firstSeen: .seconds(1_000_000),
            lastSeen: .seconds(1_000_000), count: 0)
        #expect(bench.ask(.ban(address, Milliseconds(0), "noisy\tphone")) == [.ban(row), .done])
        #expect(bench.ask(.bans) == [.ban(row), .kernelBans(true, ""), .done])
    }

    @Test("a ban is lifted by hand, in the kernel and at sip-router; a second time says it is none")
    func unban() throws {
        let bench = try Bench([.ban(.seconds(60))])
        try bench.tell(.hello, try ban("198.18.0.7"))
        _ = try bench.heard()
        bench.firewall.commands = []
        #expect(bench.ask(.unban(try ip("198.18.0.7"))) == [.done])
        #expect(
            bench.firewall.commands.first?.contains(
                "delete element inet rempart banned4 { 198.18.0.7 }") == true)
        #expect(try bench.heard() == [.unbanned(try net("198.18.0.7"))])
        guard case .failed(let why)? = bench.ask(.unban(try ip("198.18.0.7"))).first else {
            Issue.record("expected a failure")
            return
        }
        #expect(why.contains("198.18.0.7 is not banned"))
    }

    @Test("all bans are lifted together")
    func clear() throws {
        let bench = try Bench([.ban(.seconds(60))])
        try bench.tell(.hello, try ban("198.18.0.7"))
        _ = try bench.heard()
        #expect(bench.ask(.unban(nil)) == [.done])
        #expect(try bench.heard() == [.cleared])
        #expect(bench.ask(.bans) == [.kernelBans(true, ""), .done])
        #expect(bench.firewall.commands.last?.contains("198.18.0.7") == false)
    }

    @Test("an allowed network is refused with the setting's name, and freed by a reload")
    func allowed() throws {
        let bench = try Bench([.allow(try #require(Network("198.18.0.0/24")))])
        try bench.tell(.hello, try ban("198.18.0.7"))
        #expect(try bench.heard() == [.all])
        guard case .failed(let why)? = bench.ask(.ban(try ip("198.18.0.7"), .seconds(1), "")).first
        else {
            Issue.record("expected a failure")
            return
        }
        #expect(why.contains("defence.allow holds 198.18.0.0/24"))
        _ = bench.ask(.ban(try ip("198.18.9.9"), .seconds(60), ""))
        var set = StartSet()
        set.settings = [.allow(try #require(Network("198.18.9.0/24")))]
        #expect(bench.service.reload(set) == nil)
        #expect(
            try bench.heard() == [
                .banned(try net("198.18.9.9"), until: .seconds(1_000_060)),
                .unbanned(try net("198.18.9.9")),
            ])
    }

    @Test("a ban ends by itself, here and at sip-router")
    func expiry() throws {
        let bench = try Bench([.ban(.seconds(60))])
        try bench.tell(.hello, try ban("198.18.0.7"))
        _ = try bench.heard()
        bench.clock.now = .seconds(1_000_060)
        #expect(bench.service.second() == "0 bans, the kernel drops them")
        #expect(try bench.heard() == [.unbanned(try net("198.18.0.7"))])
    }

    @Test("bans outlive the process: the next one has them, and rebuilds the kernel's table")
    func restart() throws {
        let folder = try TemporaryFolder()
        do {
            let bench = try Bench(folder: folder)
            try bench.tell(.hello, try ban("198.18.0.7"), try ban("2001:db8::7"))
        }
        let bench = try Bench(folder: folder)
        try bench.tell(.hello)
        #expect(try bench.heard().count == 3)
        #expect(bench.firewall.commands.first?.contains("delete table inet rempart") == true)
        #expect(bench.firewall.commands.first?.contains("198.18.0.7 timeout 60s") == true)
    }

    @Test("a damaged bans' file costs the damaged lines alone")
    func damagedFile() throws {
        let folder = try TemporaryFolder()
        let lines = [
            "rempart bans 1", "198.18.0.7\t1\t2000000000\t3\tdigest", "198.18.0.8\t1\tx\t3\tdigest",
            "garbage", "198.18.0.9\t1\t999999000\t3\tended",
        ]
        try Data(lines.joined(separator: "\n").utf8).write(
            to: URL(fileURLWithPath: "\(folder.path)/bans"))
        let bench = try Bench(folder: folder)
        #expect(bench.ask(.bans).count == 3)
    }

    @Test("without the kernel the bans are kept and told all the same, and the reason is shown")
    func noKernel() throws {
        let bench = try Bench(failure: "Operation not permitted")
        try bench.tell(.hello, try ban("198.18.0.7"))
        #expect(
            try bench.heard().contains(.banned(try net("198.18.0.7"), until: .seconds(1_000_060))))
        #expect(bench.ask(.bans).contains(.kernelBans(false, "Operation not permitted")))
        #expect(bench.service.second().contains("Operation not permitted"))
        bench.firewall.failure = nil
        #expect(bench.service.reload(StartSet()) == nil)
        bench.service.endOfTurn()
        #expect(bench.firewall.commands.last?.contains("198.18.0.7 timeout") == true)
        #expect(bench.ask(.bans).contains(.kernelBans(true, "")))
    }

    @Test("a message before hello, a second hello and a bad frame are refused")
    func protocolErrors() throws {
        let bench = try Bench([.ban(.seconds(60))])
        #expect(throws: WireError.notPermitted) { try bench.tell(try ban("198.18.0.7")) }
        try bench.tell(.hello)
        #expect(throws: WireError.notPermitted) { try bench.tell(.hello) }
        let frame: [UInt8] = [2, 0]
        #expect(throws: WireError.truncated) { try bench.service.receive(frame.span) }
    }
}
