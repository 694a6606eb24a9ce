internal import Foundation
internal import Messages
internal import Privsep
internal import Sys
internal import TemporaryFolder
internal import Testing
internal import Wire

@testable internal import banner

/// An order of sip-router, at the bench's first moment.
func order(_ text: String, atLeast span: Int64 = 0) throws -> RouterToBanner {
    .ban(
        BanOrder(
            address: try ip(text), reason: "wrong-password",
            evidence: "5 wrong passwords for 1001", count: 5, firstSeen: .seconds(999_990),
            lastSeen: .seconds(1_000_000), profile: "phones", atLeast: .seconds(span)))
}

@Suite("BannerService")
struct BannerServiceTests {
    private func banned(_ text: String, until: Int64) throws -> BannerToRouter {
        .banned(try net(text), until: .seconds(until))
    }

    @Test("hello is answered with every ban in force, then the end")
    func hello() throws {
        let bench = try Bench()
        _ = bench.ask(.ban(try ip("198.18.0.7"), .seconds(60), "noisy"))
        try bench.tell(.hello)
        #expect(try bench.heard() == [try banned("198.18.0.7", until: 1_000_060), .all])
    }

    @Test("all bans of one turn reach the kernel by one transaction, and come back to sip-router")
    func batch() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        _ = try bench.heard()
        bench.firewall.transactions = []
        try bench.tell(try order("198.18.0.7"), try order("2001:db8::7"))
        #expect(bench.firewall.transactions.count == 1)
        let steps = Set(bench.firewall.transactions[0].map { "\($0)" })
        let wanted: [ElementChange] = [
            .add(.banned4, try ip("198.18.0.7"), .seconds(60)),
            .add(.banned6, try ip("2001:db8::"), .seconds(60)),
        ]
        #expect(steps == Set(wanted.map { "\($0)" }))
        #expect(bench.firewall.ended == [try net("198.18.0.7"), try net("2001:db8::/64")])
        #expect(
            try bench.heard() == [
                try banned("198.18.0.7", until: 1_000_060),
                try banned("2001:db8::/64", until: 1_000_060),
            ])
    }

    @Test("the kernel drops a source before anybody is told of it and before the disk has it")
    func kernelFirst() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        _ = try bench.heard()
        let file = "\(bench.folder.path)/bans"
        var heard: [BannerToRouter]?
        var kept: String?
        bench.firewall.onChange = {
            heard = try? bench.heard()
            kept = try? String(contentsOfFile: file, encoding: .utf8)
        }
        try bench.tell(try order("198.18.0.7"))
        #expect(heard == [] && kept?.contains("198.18.0.7") == false)
        #expect(try bench.heard() == [try banned("198.18.0.7", until: 1_000_060)])
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("198.18.0.7"))
    }

    @Test("orders that come in one frame are all carried out, by one transaction")
    func parcel() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        bench.firewall.transactions = []
        var parcel = Parcel()
        for host in 1...3 {
            let message = try order("198.18.\(host).7").encoded()
            let isIn = parcel.add(message.span)
            #expect(isIn)
        }
        let frame = parcel.frame
        try bench.service.receive(frame.span, from: .router)
        bench.service.endOfTurn()
        #expect(bench.firewall.transactions.map(\.count) == [3])
        #expect(bench.rows().count == 3)
    }

    @Test("bans are listed in the order in which they began, also when most have ended since")
    func orderOfList() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        for number in 0..<3000 {
            let address = "10.\(number / 200).\(number % 200).1"
            try bench.tell(try order(address, atLeast: number % 5 == 0 ? 600 : 0))
        }
        bench.clock.now = .seconds(1_000_060)
        bench.second()
        try bench.tell(try order("198.18.0.7"))
        let names = bench.rows().map(\.source.name)
        let wanted = stride(from: 0, to: 3000, by: 5).map { "10.\($0 / 200).\($0 % 200).1" }
        #expect(names == wanted + ["198.18.0.7"])
    }

    @Test("each ban of a source is longer than the one before: 5 minutes, 1 hour, 1 day, 7 days")
    func growth() throws {
        let bench = try Bench([])
        try bench.tell(.hello)
        for span: Int64 in [300, 3600, 86_400, 604_800, 604_800] {
            try bench.tell(try order("198.18.0.7"))
            let row = try #require(bench.rows().first)
            #expect(row.until - bench.clock.now == .seconds(span))
            bench.clock.now = row.until
            bench.second()
            #expect(bench.rows().isEmpty)
        }
        bench.clock.now = bench.clock.now + .seconds(31 * 86_400)
        try bench.tell(try order("198.18.0.7"))
        #expect(bench.rows().first?.level == 1)
    }

    @Test(
        "an order's own span holds when it is longer, and a ban is never shortened by another order"
    )
    func atLeast() throws {
        let bench = try Bench()
        try bench.tell(.hello, try order("198.18.0.7", atLeast: 86_400), try order("198.18.0.7"))
        let row = try #require(bench.rows().first)
        #expect(row.until == .seconds(1_086_400))
        #expect(row.count == 10 && row.level == 1)
        #expect(row.evidence == "5 wrong passwords for 1001" && row.profile == "phones")
        #expect(row.firstSeen == .seconds(999_990))
    }

    @Test("a ban by hand lasts as long as it says, or as long as defence.ban says")
    func byHand() throws {
        let bench = try Bench([.ban(.seconds(120))])
        let address = try ip("198.18.0.7")
        guard case .ban(let ban)? = bench.ask(.ban(address, Milliseconds(0), "noisy\tphone")).first
        else {
            Issue.record("no ban")
            return
        }
        #expect(ban.reason == "noisy phone" && ban.until == .seconds(1_000_120))
        _ = bench.ask(.ban(address, .seconds(10), ""))
        #expect(bench.rows().first?.until == .seconds(1_000_010))
    }

    @Test("a ban is lifted by hand, in the kernel and at sip-router; a second time says it is none")
    func unban() throws {
        let bench = try Bench()
        try bench.tell(.hello, try order("198.18.0.7"))
        _ = try bench.heard()
        #expect(bench.ask(.unban(try ip("198.18.0.7"))) == [.done])
        #expect(try bench.heard() == [.unbanned(try net("198.18.0.7"))])
        #expect(bench.firewall.kept[.banned4] == [:])
        guard case .failed(let why)? = bench.ask(.unban(try ip("198.18.0.7"))).first else {
            Issue.record("expected a failure")
            return
        }
        #expect(why.contains("198.18.0.7 is not banned"))
    }

    @Test("all bans are lifted together, and stay lifted over a restart")
    func clear() throws {
        let folder = try TemporaryFolder()
        do {
            let bench = try Bench(folder: folder)
            try bench.tell(.hello, try order("198.18.0.7"))
            _ = try bench.heard()
            #expect(bench.ask(.unban(nil)) == [.done])
            #expect(try bench.heard() == [.cleared])
            #expect(bench.ask(.bans) == [.kernelBans(true, ""), .done])
            #expect(bench.firewall.kept[.banned4] == [:])
            bench.service.stop()
        }
        #expect(try Bench(folder: folder).rows().isEmpty)
    }

    @Test("an allowed network is refused with the setting's name, and freed by a reload")
    func allowed() throws {
        let bench = try Bench([.allow(try net("198.18.0.0/24"))])
        try bench.tell(.hello, try order("198.18.0.7"))
        #expect(try bench.heard() == [.all, .unbanned(try net("198.18.0.7"))])
        guard case .failed(let why)? = bench.ask(.ban(try ip("198.18.0.7"), .seconds(1), "")).first
        else {
            Issue.record("expected a failure")
            return
        }
        #expect(why.contains("defence.allow holds 198.18.0.0/24"))
        _ = bench.ask(.ban(try ip("198.18.9.9"), .seconds(60), ""))
        #expect(bench.reload([.defence.allow(try net("198.18.9.0/24"))]) == nil)
        #expect(
            try bench.heard() == [
                try banned("198.18.9.9", until: 1_000_060), .unbanned(try net("198.18.9.9")),
            ])
    }

    @Test(
        "a trunk is never banned, nor its neighbourhood, and whoever asks is told which trunk it is"
    )
    func trunk() throws {
        let server = SocketAddress(try ip("198.18.0.200"), port: 5060)
        let bench = try Bench([
            .trunk("telco", .server(server)), .trunk("telco", .network(try net("198.18.9.0/28"))),
        ])
        bench.endTurn()
        for network in ["198.18.0.200", "198.18.9.0/28"] {
            let range = AddressRange(try net(network))
            #expect(bench.firewall.ranges[.allowed4]?.contains(range) == true)
        }
        try bench.tell(.hello, try order("198.18.0.200"), try order("198.18.9.15"))
        #expect(bench.rows().isEmpty)
        for host in 1...9 { try bench.tell(try order("198.18.0.\(host)")) }
        #expect(bench.rows().count == 9)
        guard
            case .failed(let why)? = bench.ask(.ban(try ip("198.18.9.7"), .seconds(1), "")).first
        else {
            Issue.record("expected a failure")
            return
        }
        #expect(why.contains("198.18.9.0/28 belongs to the trunk telco"))
        #expect(
            try bench.findings("198.18.0.200")["verdict"]
                == "allowed: it belongs to the trunk telco")
        #expect(
            try bench.findings("198.18.9.7")["verdict"]
                == "allowed: 198.18.9.0/28 belongs to the trunk telco")
        #expect(try bench.findings("198.18.9.16")["verdict"]?.hasPrefix("passes") == true)
    }

    @Test("the table names Asterisks, inside and outside addresses as those nobody outside has")
    func ownAddresses() throws {
        let inside = SocketAddress(try ip("10.0.0.1"), port: 5060)
        let outside = SocketAddress(try ip("2001:db8::1"), port: 5060)
        let settings: [BannerSetting] = [
            .outside(Endpoint(.tls, outside)), .inside(Endpoint(.udp, inside)),
            .inside(Endpoint(.tcp, SocketAddress(try ip("127.0.0.1"), port: 5060))),
            .outside(Endpoint(.udp, SocketAddress(try ip("::1"), port: 5060))),
            .asterisk(SocketAddress(try ip("10.0.0.10"), port: 5060)),
            .trunk("telco", .inside(Endpoint(.udp, SocketAddress(try ip("10.0.0.2"), port: 5071)))),
            .trunk("telco", .server(SocketAddress(try ip("198.18.0.7"), port: 5060))),
        ]
        let bench = try Bench(settings)
        let text = try #require(bench.firewall.commands.last)
        #expect(text.contains("add element inet rempart own4 { 10.0.0.1, 10.0.0.10, 10.0.0.2 }"))
        #expect(text.contains("add element inet rempart own6 { 2001:db8::1 }"))
        let first = try #require(text.range(of: "ip saddr @own4 meta l4proto udp"))
        let allowed = try #require(text.range(of: "ip saddr @allowed4 return"))
        #expect(first.lowerBound < allowed.lowerBound)
        let said = "by UDP to outside"
        #expect(try bench.findings("10.0.0.10")[said]?.hasPrefix("dropped") == true)
        #expect(try bench.findings("127.0.0.1")[said] == nil)
        #expect(try bench.findings("198.18.0.7")[said] == nil)
        let observing = try Bench(settings + [.mode(.observe)])
        #expect(observing.firewall.commands.last?.contains("@outside4 counter drop") == false)
    }

    @Test("a source that becomes a trunk's by a reload is let in")
    func trunkByReload() throws {
        let bench = try Bench()
        try bench.tell(.hello, try order("198.18.0.7"))
        _ = try bench.heard()
        let server = SocketAddress(try ip("198.18.0.7"), port: 5060)
        #expect(bench.reload([.trunks.servers(server, of: "telco")]) == nil)
        #expect(try bench.heard() == [.unbanned(try net("198.18.0.7"))])
    }

    @Test("what the administrator allows is freed, not banned again, kept, and can be taken back")
    func allowedByHand() throws {
        let folder = try TemporaryFolder()
        do {
            let bench = try Bench(folder: folder)
            try bench.tell(.hello, try order("198.18.0.7"))
            #expect(bench.ask(.allow(try net("198.18.0.7"), true)) == [.done])
            #expect(bench.rows().isEmpty)
            bench.service.stop()
        }
        let bench = try Bench(folder: folder)
        try bench.tell(.hello, try order("198.18.0.7"))
        #expect(bench.rows().isEmpty)
        #expect(try bench.findings("198.18.0.7")["verdict"]?.contains("allowed by hand") == true)
        #expect(bench.ask(.allow(try net("198.18.0.7"), false)) == [.done])
        try bench.tell(try order("198.18.0.7"))
        #expect(bench.rows().count == 1)
    }

    @Test("a protected source is banned by the administrator alone, and by no roll-up")
    func protected() throws {
        let bench = try Bench()
        try bench.tell(
            .hello, .protect(try ip("198.18.0.200"), until: .seconds(1_003_600)),
            try order("198.18.0.200"))
        for host in 1...9 { try bench.tell(try order("198.18.0.\(host)")) }
        #expect(bench.rows().count == 9)
        #expect(try bench.findings("198.18.0.200")["verdict"]?.contains("registrations") == true)
        #expect(bench.firewall.kept[.protected4]?.count == 1)
        _ = bench.ask(.ban(try ip("198.18.0.200"), .seconds(60), ""))
        #expect(bench.rows().count == 10)
    }

    @Test("the eighth banned neighbour bans the /24, and one of it is let in with all of it")
    func rollUp() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        for host in 1...8 { try bench.tell(try order("198.18.0.\(host)")) }
        #expect(try bench.heard().last == (try banned("198.18.0.0/24", until: 1_000_060)))
        #expect(bench.firewall.kept[.wide4] == [try ip("198.18.0.0"): .seconds(60)])
        #expect(try bench.findings("198.18.0.99")["evidence"]?.contains("8 banned") == true)
        #expect(bench.ask(.unban(try ip("198.18.0.99"))) == [.done])
        #expect(bench.firewall.kept[.wide4] == [:])
    }

    @Test("the eighth banned /64 of an IPv6 /48 bans the /48")
    func rollUpOfV6() throws {
        let bench = try Bench()
        try bench.tell(.hello)
        for net in 1...8 { try bench.tell(try order("2001:db8:7:\(net)::1")) }
        #expect(try bench.heard().last == (try banned("2001:db8:7::/48", until: 1_000_060)))
        #expect(bench.firewall.kept[.wide6] == [try ip("2001:db8:7::"): .seconds(60)])
    }

    @Test("observing, bans are listed and nothing is told to sip-router until the mode changes")
    func observe() throws {
        let bench = try Bench([.mode(.observe), .ban(.seconds(60))])
        try bench.tell(.hello, try order("198.18.0.7"))
        #expect(try bench.heard() == [.all])
        #expect(bench.rows().count == 1)
        #expect(bench.firewall.ended.isEmpty)
        #expect(try bench.findings("198.18.0.7")["verdict"] == "would be banned")
        #expect(bench.reload() == nil)
        #expect(
            try bench.heard() == [.cleared, try banned("198.18.0.7", until: 1_000_060), .all])
    }

    @Test("a ban ends by itself, here and at sip-router")
    func expiry() throws {
        let bench = try Bench()
        try bench.tell(.hello, try order("198.18.0.7"))
        _ = try bench.heard()
        bench.clock.now = .seconds(1_000_060)
        #expect(bench.second() == "0 bans, the kernel drops them")
        #expect(try bench.heard() == [.unbanned(try net("198.18.0.7"))])
        #expect(try bench.findings("198.18.0.7")["times banned"] == "1")
    }

    @Test("bans outlive the process, and the table is never without them")
    func restart() throws {
        let folder = try TemporaryFolder()
        do {
            let bench = try Bench(folder: folder)
            try bench.tell(.hello, try order("198.18.0.7"), try order("2001:db8::7"))
        }
        let bench = try Bench(folder: folder)
        try bench.tell(.hello)
        #expect(try bench.heard().count == 3)
        #expect(bench.firewall.commands.first?.contains("delete table") == false)
        #expect(bench.firewall.transactions.count == 1)
        #expect(bench.firewall.kept[.banned4] == [try ip("198.18.0.7"): .seconds(60)])
    }

    @Test("a damaged bans' file costs the damaged lines alone")
    func damagedFile() throws {
        let folder = try TemporaryFolder()
        let good = "\t1\t2000000000\t1\t1\t3\t2\tphones\tdigest\tfive"
        let lines = [
            "rempart bans 2", "+\t198.18.0.7/32\(good)", "+\t198.18.0.8/32\t1\tx\t1\t1",
            "garbage", "+\t198.18.0.0/20\(good)",
        ]
        try Data(lines.joined(separator: "\n").utf8).write(
            to: URL(fileURLWithPath: "\(folder.path)/bans"))
        let bench = try Bench(folder: folder)
        #expect(bench.rows().map(\.evidence) == ["five"])
    }

    @Test("without the kernel the bans are kept and told all the same, and the reason is shown")
    func noKernel() throws {
        let bench = try Bench(failure: "Operation not permitted")
        try bench.tell(.hello, try order("198.18.0.7"))
        #expect(try bench.heard().contains(try banned("198.18.0.7", until: 1_000_060)))
        #expect(bench.ask(.bans).contains(.kernelBans(false, "Operation not permitted")))
        #expect(bench.second().contains("Operation not permitted"))
        bench.firewall.failure = nil
        #expect(bench.reload() == nil)
        #expect(bench.firewall.kept[.banned4]?.count == 1)
        #expect(bench.ask(.bans).contains(.kernelBans(true, "")))
    }

    @Test(
        "a table that somebody else changed is put right within a second; another table is not ours"
    )
    func changedTable() throws {
        let bench = try Bench()
        try bench.tell(.hello, try order("198.18.0.7"))
        bench.firewall.commands = []
        bench.firewall.number += 1
        bench.second()
        #expect(bench.firewall.commands.isEmpty)
        bench.firewall.number += 1
        bench.firewall.kept[.banned4] = [:]
        bench.second()
        #expect(bench.firewall.commands.first?.contains("delete table inet rempart") == true)
        #expect(bench.firewall.kept[.banned4]?.count == 1)
        bench.firewall.number += 1
        bench.firewall.print = nil
        bench.second()
        #expect(bench.firewall.commands.count == 2)
    }

    @Test("the table goes at a clean stop only if it is asked for")
    func cleanup() throws {
        let bench = try Bench()
        bench.service.stop()
        #expect(bench.firewall.commands.last != TableText("rempart").removal)
        let tidy = try Bench([.cleanup(true)])
        tidy.service.stop()
        #expect(tidy.firewall.commands.last == TableText("rempart").removal)
    }

    @Test(
        "a block list that is replaced is taken up, and one that shuts out too much leaves the old in force"
    )
    func blockList() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/list")
        try Data("198.18.0.0/24\n".utf8).write(to: url, options: .atomic)
        let bench = try Bench([.blockList(url.path)], folder: folder)
        #expect(try bench.findings("198.18.0.9")["block list"] == url.path)
        try Data("198.18.5.0/24\n".utf8).write(to: url, options: .atomic)
        bench.second()
        #expect(try bench.findings("198.18.0.9")["block list"] == nil)
        for bad in ["198.18.0.0/2\n", "", "<html>\nnot found\n"] {
            try Data(bad.utf8).write(to: url, options: .atomic)
            bench.second()
            #expect(try bench.findings("198.18.5.9")["verdict"]?.contains("block list") == true)
            #expect(try bench.findings("198.18.0.9")["block list"] == nil)
        }
    }

    @Test("of a block list that is replaced the kernel is told the differences alone")
    func differences() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/list")
        try Data("198.18.0.0/24\n198.18.5.0/24\n2001:db8::/32\n".utf8).write(to: url)
        let bench = try Bench([.blockList(url.path)], folder: folder)
        bench.firewall.transactions = []
        try Data("198.18.5.0/24\n198.18.0.0/25\n2001:db8::/32\n".utf8).write(to: url)
        bench.second()
        func range(_ text: String) throws -> [AddressRange] { [AddressRange(try net(text))] }
        #expect(
            try bench.firewall.transactions == [
                [
                    .removeRanges(.blocked4, range("198.18.0.0/24")),
                    .ranges(.blocked4, range("198.18.0.0/25")),
                ]
            ])
        bench.firewall.number += 1
        bench.firewall.ranges[.blocked6] = []
        bench.second()
        #expect(bench.firewall.ranges[.blocked6] == (try range("2001:db8::/32")))
    }

    @Test("a message before hello, a second hello and a bad frame are refused")
    func protocolErrors() throws {
        let bench = try Bench()
        #expect(throws: WireError.notPermitted) { try bench.tell(try order("198.18.0.7")) }
        try bench.tell(.hello)
        #expect(throws: WireError.notPermitted) { try bench.tell(.hello) }
        let frame: [UInt8] = [2, 0]
        #expect(throws: WireError.truncated) {
            try bench.service.receive(frame.span, from: .router)
        }
    }
}
