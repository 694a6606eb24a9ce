internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

/// An address of a test's own text.
func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A network of a test's own text.
func net(_ text: String) throws -> Network { try #require(Network(text)) }

@Suite("BanList")
struct BanListTests {
    @Test("an IPv6 ban covers the /64, an IPv4 ban the address")
    func sources() throws {
        var list = BanList(allowed: [])
        _ = list.ban(
            try ip("2001:db8:1:2:3:4:5:6"), reason: "digest", count: 3, span: .seconds(60),
            now: .seconds(100))
        _ = list.ban(
            try ip("198.18.0.7"), reason: "digest", count: 1, span: .seconds(60), now: .seconds(101)
        )
        #expect(list.rows.map { "\($0.source)" } == ["2001:db8:1:2::/64", "198.18.0.7/32"])
        #expect(list.ban(of: try ip("2001:db8:1:2::9"))?.until == .seconds(160))
        #expect(list.ban(of: try ip("198.18.0.8")) == nil)
    }

    @Test("a second ban prolongs the first, adds its offences and never shortens it")
    func prolong() throws {
        var list = BanList(allowed: [])
        let source = try ip("198.18.0.7")
        _ = list.ban(source, reason: "a", count: 5, span: .seconds(600), now: .seconds(0))
        _ = list.ban(source, reason: "b", count: 2, span: .seconds(10), now: .seconds(30))
        let row = try #require(list.ban(of: source))
        #expect(row.until == .seconds(600) && row.since == .seconds(0))
        #expect(row.count == 7 && row.reason == "b")
        _ = list.ban(
            source, reason: "c", count: .max, span: .seconds(10), exactly: true, now: .seconds(40))
        #expect(list.ban(of: source)?.until == .seconds(50))
        #expect(list.ban(of: source)?.count == .max)
    }

    @Test("an allowed network is never banned, nor is the /64 around an allowed address")
    func allowed() throws {
        let office = try #require(Network("203.0.113.0/24"))
        let admin = try #require(Network("2001:db8::5"))
        var list = BanList(allowed: [office, admin])
        func outcome(_ text: String) throws -> BanList.Outcome {
            list.ban(try ip(text), reason: "", count: 1, span: .seconds(9), now: .seconds(0))
        }
        #expect(try outcome("203.0.113.77") == .allowed(office))
        #expect(try outcome("2001:db8::99") == .allowed(admin))
        #expect(list.count == 0)
        #expect(try outcome("203.0.114.1") != .allowed(office))
    }

    @Test("bans end at their moment, one by one")
    func expiry() throws {
        var list = BanList(allowed: [])
        for (host, span) in [("198.18.0.1", 10), ("198.18.0.2", 20), ("198.18.0.3", 20)] {
            _ = list.ban(
                try ip(host), reason: "", count: 1, span: .seconds(Int64(span)), now: .seconds(0))
        }
        #expect(list.expire(now: .seconds(9)).isEmpty)
        #expect(list.expire(now: .seconds(10)).map { "\($0.source.address)" } == ["198.18.0.1"])
        #expect(list.expire(now: .seconds(25)).count == 2)
        #expect(list.count == 0)
    }

    @Test("a full list takes no more sources, and still prolongs those it has")
    func full() throws {
        var list = BanList(allowed: [])
        for index in 0..<UInt32(BanList.capacity) {
            _ = list.ban(
                IPAddress(v4: 0x0A00_0000 + index), reason: "", count: 1, span: .seconds(1),
                now: .seconds(0))
        }
        func outcome(_ word: UInt32) -> BanList.Outcome {
            list.ban(
                IPAddress(v4: word), reason: "", count: 1, span: .seconds(5), now: .seconds(0))
        }
        #expect(outcome(0x0B00_0000) == .full)
        #expect(outcome(0x0A00_0000) != .full)
    }
}

@Suite("FirewallCommands")
struct FirewallCommandsTests {
    private func row(_ text: String, until: Int64) throws -> BanRow {
        BanRow(
            source: try net(text), reason: "x", since: .seconds(0), until: .seconds(until),
            firstSeen: .seconds(0), lastSeen: .seconds(0), count: 1)
    }

    @Test("a ban is added, deleted and added with its timeout, each family in its own set")
    func ban() throws {
        let rows = [try row("198.18.0.7", until: 90), try row("2001:db8::", until: 100)]
        #expect(
            FirewallCommands.ban(rows, now: .seconds(30)) == """
                add element inet rempart banned4 { 198.18.0.7 }
                add element inet rempart banned6 { 2001:db8:: }
                delete element inet rempart banned4 { 198.18.0.7 }
                delete element inet rempart banned6 { 2001:db8:: }
                add element inet rempart banned4 { 198.18.0.7 timeout 60s }
                add element inet rempart banned6 { 2001:db8:: timeout 70s }

                """)
    }

    @Test("no table but its own is ever named")
    func ownTable() throws {
        let rows = [try row("198.18.0.7", until: 90)]
        let commands =
            FirewallCommands.rebuild(rows, now: .seconds(0))
            + FirewallCommands.ban(rows, now: .seconds(0))
            + FirewallCommands.lift(rows.map(\.source.address))
        for line in commands.split(separator: "\n")
        where ["add", "delete", "table", "flush"].contains(line.prefix { $0 != " " }) {
            #expect(line.contains("inet rempart"))
        }
    }
}
