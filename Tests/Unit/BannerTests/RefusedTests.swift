internal import Foundation
internal import Glibc
internal import Journal
internal import Messages
internal import Sys
internal import Testing
internal import Wire

@testable internal import banner

/// What sip-router asks of banner beyond measure, and what the kernel refuses.
@Suite("banner and what cannot be")
struct RefusedTests {
    private func protect(_ text: String, _ until: Milliseconds) throws -> RouterToBanner {
        .protect(try ip(text), until: until)
    }

    @Test("a protection lasts no longer than a registration may, whatever sip-router says")
    func longProtection() throws {
        let bench = try Bench()
        try bench.tell(.hello, try protect("198.18.0.7", Bounds.lastMoment))
        let kept = try #require(bench.firewall.kept[.protected4]?[try ip("198.18.0.7")])
        // The kernel hears of it for ten minutes more, so that a renewal need not be told.
        #expect(kept == Bounds.longestProtection + .seconds(600))
    }

    @Test("a protection until the year 3000 costs sip-router its link, and bans by hand go on")
    func year3000() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        var frame = RouterToBanner.protect(try ip("198.18.0.7"), until: Bounds.lastMoment).encoded()
        for index in 0..<8 {
            frame[frame.count - 1 - index] = UInt8(
                truncatingIfNeeded: Int64(32_503_680_000_000) >> Int64(8 * index))
        }
        #expect(throws: WireError.badValue("until")) {
            try bench.service.receive(frame.span, from: .router)
        }
        let banned = try ip("198.18.0.9")
        _ = bench.ask(.ban(banned, .seconds(60), ""))
        #expect(bench.firewall.kept[.banned4]?.keys.contains(banned) == true)
        _ = bench.ask(.unban(banned))
        #expect(bench.firewall.kept[.banned4]?.isEmpty == true)
    }

    @Test("a protection of an earlier banner that is too long is cut when it is taken over")
    func keptProtection() throws {
        let firewall = RecordingFirewall()
        firewall.kept[.protected4] = [try ip("198.18.0.7"): Milliseconds(.max)]
        let kernel = KernelBans(firewall, Journal(process: "banner", socket: nil))
        let now = Milliseconds.seconds(1_000_000)
        #expect(
            kernel.keptProtections(now: now)
                == [try net("198.18.0.7"): now + Bounds.longestProtection])
    }

    @Test("sources are protected as far as there is room, and those whose time is over make some")
    func crowd() {
        var exceptions = Exceptions()
        let now = Milliseconds.seconds(1_000_000)
        func protect(_ number: Int, _ now: Milliseconds) -> Bool {
            exceptions.protect(
                IPAddress(v4: UInt32(0x0A00_0000 + number)), until: now + .seconds(60), now: now)
        }
        let taken = (0..<Exceptions.mostProtected).count { protect($0, now) }
        #expect(taken == Exceptions.mostProtected)
        #expect(!protect(Exceptions.mostProtected, now))
        #expect(protect(0, now + .seconds(2)))
        #expect(exceptions.protections.count == Exceptions.mostProtected)
        #expect(protect(Exceptions.mostProtected, now + .seconds(61)))
        #expect(exceptions.protections.count == 2)
    }

    @Test("an order's moments are never after now, and a source is not banned anew without measure")
    func orders() throws {
        let bench = try Bench()
        var wild = BanOrder(
            address: try ip("198.18.0.7"), reason: "scanner", evidence: "", count: .max,
            firstSeen: Bounds.lastMoment, lastSeen: Bounds.lastMoment, profile: "")
        try bench.tell(.hello, .ban(wild))
        guard case .ban(let row)? = bench.ask(.bans).dropFirst().first else {
            Issue.record("no ban")
            return
        }
        #expect(row.firstSeen == bench.clock.now && row.lastSeen == bench.clock.now)
        #expect(row.count == Bounds.mostOffences)
        wild.count = 1
        for _ in 0..<BannerService.bansPerMinute + 5 {
            let frame = RouterToBanner.ban(wild).encoded()
            try bench.service.receive(frame.span, from: .router)
        }
        bench.endTurn()
        guard case .ban(let later)? = bench.ask(.bans).dropFirst().first else { return }
        #expect(later.count == Bounds.mostOffences + UInt32(BannerService.bansPerMinute))
    }

    @Test("an element that the kernel refuses is left out, and every other order reaches it")
    func leftOut() throws {
        let bench = try Bench()
        let refused = try ip("198.18.0.66")
        bench.firewall.refuses = { step in
            if case .add(.protected4, refused, _) = step { true } else { false }
        }
        let later = Milliseconds.seconds(1_000_600)
        try bench.tell(
            .hello, try protect("198.18.0.66", later), try order("198.18.0.7"),
            try protect("198.18.0.65", later))
        let banned = bench.firewall.kept[.banned4] ?? [:]
        let protected = bench.firewall.kept[.protected4] ?? [:]
        #expect(try Set(banned.keys) == [ip("198.18.0.7")])
        #expect(try Set(protected.keys) == [ip("198.18.0.65")])
        #expect(bench.ask(.bans).first == .kernelBans(true, ""))
        _ = bench.ask(.unban(try ip("198.18.0.7")))
        #expect(bench.firewall.kept[.banned4]?.isEmpty == true)
        // What was left out is not taken for another's change.
        bench.firewall.commands = []
        bench.firewall.number += 1
        bench.second()
        #expect(bench.firewall.commands.isEmpty)
    }

    @Test("a ban that the kernel refuses keeps no other ban from it, nor a later one")
    func refusedBan() throws {
        let bench = try Bench()
        let refused = try ip("198.18.0.66")
        bench.firewall.refuses = { step in
            if case .add(.banned4, refused, _) = step { true } else { false }
        }
        try bench.tell(.hello, try order("198.18.0.66"))
        for host in 1...20 { try bench.tell(try order("198.18.1.\(host)")) }
        #expect(bench.firewall.kept[.banned4]?.count == 20)
        bench.second()
        #expect(bench.ask(.bans).first == .kernelBans(true, ""))
        bench.firewall.refuses = { _ in false }
        _ = bench.reload([.defence.ban(.seconds(60)), .defence.packets(9)])
        #expect(bench.firewall.kept[.banned4]?.count == 21)
    }

    @Test("bans hold although the kernel refuses every protection")
    func noProtections() throws {
        let bench = try Bench()
        bench.firewall.refuses = { step in
            if case .add(.protected4, _, _) = step { true } else { false }
        }
        let later = Milliseconds.seconds(1_000_600)
        let protections = try (0..<200).map { try protect("198.18.2.\($0)", later) }
        try bench.tell(.hello)
        for message in protections {
            let frame = message.encoded()
            try bench.service.receive(frame.span, from: .router)
        }
        try bench.tell(try order("198.18.0.7"))
        #expect(bench.firewall.kept[.banned4]?.count == 1)
        #expect(bench.ask(.bans).first == .kernelBans(true, ""))
    }

    @Test("a kernel that takes no ban at all is not asked for each of them")
    func noBans() throws {
        let bench = try Bench()
        var asked = 0
        bench.firewall.refuses = { step in
            guard case .add(.banned4, _, _) = step else { return false }
            asked += 1
            return true
        }
        try bench.tell(.hello)
        for host in 0..<1000 {
            let frame = try order("198.\(host / 250).1.\(host % 250)").encoded()
            try bench.service.receive(frame.span, from: .router)
        }
        bench.endTurn()
        guard case .kernelBans(let isActive, let why)? = bench.ask(.bans).first else { return }
        #expect(!isActive && why.contains("out of range"))
        #expect(asked < 1000)
    }

    @Test(
        "the kernel itself refuses a moment that is too far, and has every other ban",
        .enabled(if: geteuid() == 0, "only root may make a network namespace"))
    func kernel() async throws {
        let (banned, protected): ([IPAddress], [IPAddress]) = await withCheckedContinuation {
            done in
            // A namespace of a thread of its own, since the change is for the thread alone.
            Thread {
                done.resume(returning: Self.isApart() ? Self.fill() : ([], []))
            }.start()
        }
        #expect(banned == (try [ip("198.18.0.7"), ip("198.18.0.9")]))
        #expect(protected == [try ip("198.18.0.65")])
    }

    /// Gives this thread a network namespace of its own; the C library's Swift module does not show the call.
    private static func isApart() -> Bool {
        typealias Call = @convention(c) (Int32) -> Int32
        guard let symbol = unsafe dlsym(nil, "unshare") else { return false }
        // CLONE_NEWNET (linux/sched.h); the cast is to the C library's own declaration.
        return unsafe unsafeBitCast(symbol, to: Call.self)(0x4000_0000) == 0
    }

    /// A table of bans and protections of which one each is longer than the kernel can count.
    private static func fill() -> ([IPAddress], [IPAddress]) {
        let firewall = Nftables(table: FirewallTable.standard)
        var kernel = KernelBans(firewall, Journal(process: "banner", socket: nil))
        let now = Milliseconds.seconds(1_000_000)
        // Some 600 years: what nobody can order any more.
        let never = Milliseconds.seconds(20_000_000_000)
        var bans = BanList()
        kernel.rebuild(bans, Exceptions(), now: now)
        for (host, until) in [(7, now + .seconds(60)), (8, never), (9, now + .seconds(60))] {
            let row = BanRow(
                source: .source(of: IPAddress(v4: UInt32(0xC612_0000 + host))), reason: "",
                since: now, until: until, firstSeen: now, lastSeen: now, count: 1)
            bans.insert(row)
            kernel.touch(row.source)
        }
        var exceptions = Exceptions()
        let resident = IPAddress(v4: 0xC612_0041)
        _ = exceptions.protect(resident, until: now + .seconds(60), now: now)
        kernel.touchProtection(.source(of: resident))
        kernel.carryOut(bans, exceptions, now: now)
        func elements(_ set: KernelSet) -> [IPAddress] {
            (firewall.elements(set) ?? [:]).keys.sorted { $0.isBefore($1) }
        }
        return kernel.isActive ? (elements(.banned4), elements(.protected4)) : ([], [])
    }
}
