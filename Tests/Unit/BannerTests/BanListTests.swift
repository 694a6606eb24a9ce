internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

/// An address of a test's own text.
func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// A network of a test's own text.
func net(_ text: String) throws -> Network { try #require(Network(text)) }

/// A ban from the moment 0 to another, in seconds.
func row(_ text: String, until: Int64, level: UInt32 = 1) throws -> BanRow {
    BanRow(
        source: try net(text), reason: "x", since: .seconds(0), until: .seconds(until),
        firstSeen: .seconds(0), lastSeen: .seconds(0), count: 1, level: level)
}

@Suite("BanList")
struct BanListTests {
    @Test("an IPv6 ban covers the /64, an IPv4 ban the address, a roll-up all its neighbours")
    func sources() throws {
        var list = BanList()
        list.insert(try row("2001:db8:1:2::/64", until: 60))
        list.insert(try row("198.18.0.7", until: 60))
        list.insert(try row("198.18.9.0/24", until: 60))
        #expect(list.ban(covering: try ip("2001:db8:1:2::9")) != nil)
        #expect(list.ban(covering: try ip("198.18.0.8")) == nil)
        #expect(list.ban(covering: try ip("198.18.9.200"))?.source == (try net("198.18.9.0/24")))
    }

    @Test("bans end at their moment, one by one, and a prolonged one at its new moment")
    func expiry() throws {
        var list = BanList()
        list.insert(try row("198.18.0.1", until: 10))
        list.insert(try row("198.18.0.2", until: 20))
        list.insert(try row("198.18.0.3", until: 20))
        list.insert(try row("198.18.0.3", until: 30))
        #expect(list.expire(now: .seconds(9)).isEmpty)
        #expect(list.expire(now: .seconds(10)).map(\.source) == [try net("198.18.0.1")])
        #expect(list.expire(now: .seconds(25)).map(\.source) == [try net("198.18.0.2")])
        #expect(list.expire(now: .seconds(30)).map(\.source) == [try net("198.18.0.3")])
        #expect(list.count == 0)
    }

    @Test("a ban that has ended is held against its source for 30 days, one that was lifted never")
    func memory() throws {
        var list = BanList()
        let source = try net("198.18.0.1")
        list.insert(try row("198.18.0.1", until: 10, level: 3))
        _ = list.expire(now: .seconds(10))
        #expect(list.level(of: source, now: .seconds(20)) == 3)
        #expect(list.level(of: source, now: .seconds(10 + 31 * 86_400)) == 0)
        list.restore(try row("198.18.0.2", until: 5, level: 2), now: .seconds(10))
        #expect(list.level(of: try net("198.18.0.2"), now: .seconds(20)) == 2)
        _ = list.lift(source)
        #expect(list.level(of: source, now: .seconds(20)) == 0)
    }

    @Test("a full list takes no more sources, and still prolongs those it has")
    func full() throws {
        var list = BanList()
        for index in 0..<UInt32(BanList.capacity) {
            var ban = try row("10.0.0.0", until: 60)
            ban.source = Network(IPAddress(v4: 0x0A00_0000 + index), prefix: 32)
            list.insert(ban)
        }
        #expect(!list.hasRoom(for: try net("11.0.0.0")))
        #expect(list.hasRoom(for: try net("10.0.0.0")))
    }

    @Test("so many neighbourhoods are banned at a time and no more; single sources still are")
    func fullOfNeighbourhoods() throws {
        var list = BanList()
        for index in 0..<UInt32(BanList.rollUpCapacity) {
            var ban = try row("10.0.0.0/24", until: 60)
            ban.source = Network(IPAddress(v4: 0x0A00_0000 + index << 8), prefix: 24)
            list.insert(ban)
        }
        #expect(!list.hasRoom(for: try net("198.18.0.0/24")))
        #expect(list.hasRoom(for: try net("198.18.0.7")))
        _ = list.lift(try net("10.0.5.0/24"))
        #expect(list.hasRoom(for: try net("198.18.0.0/24")))
    }

    @Test("eight banned neighbours within a day are enough, fewer or older ones are not")
    func neighbours() throws {
        var neighbours = Neighbours()
        for host in 1...6 {
            #expect(!neighbours.add(try net("198.18.0.\(host)"), now: .seconds(0)))
        }
        #expect(!neighbours.add(try net("198.18.1.1"), now: .seconds(0)))
        for host in 7...13 {
            #expect(!neighbours.add(try net("198.18.0.\(host)"), now: .seconds(86_401)))
        }
        #expect(neighbours.add(try net("198.18.0.14"), now: .seconds(86_401)))
        #expect(neighbours.members(of: try net("198.18.0.0/24")).count == 8)
    }
}

@Suite("AddressRanges")
struct AddressRangesTests {
    @Test("networks that touch or overlap are one range, each family by itself")
    func merging() throws {
        let networks = [
            "198.18.0.0/24", "198.18.1.0/24", "198.18.0.128/25", "255.255.255.255", "2001:db8::/32",
            "2001:db8:1::/48", "::/0",
        ]
        let ranges = AddressRanges(try networks.map { try net($0) })
        #expect(ranges.v4.count == 2 && ranges.v6.count == 1)
        #expect(ranges.v4.first?.next == (try ip("198.18.2.0")))
        #expect(ranges.v4.last?.next == nil && ranges.v6.first?.next == nil)
        #expect(ranges.contains(try ip("198.18.1.255")))
        #expect(!ranges.contains(try ip("198.18.2.0")))
        #expect(ranges.contains(try ip("2001:db9::")))
    }
}

@Suite("Differences of ranges")
struct DifferenceTests {
    private func ranges(_ texts: [String]) throws -> [AddressRange] {
        AddressRanges(try texts.map { try net($0) }).v4
    }

    @Test(
        "what goes and what comes makes the one list of the other",
        arguments: [
            ([], []), ([], ["10.0.0.0/8"]), (["10.0.0.0/8"], []),
            (["10.0.0.0/8", "12.0.0.0/8"], ["10.0.0.0/9", "12.0.0.0/8", "14.0.0.0/8"]),
            (["10.0.0.0/9", "12.0.0.0/8"], ["8.0.0.0/8", "10.0.0.0/8"]),
        ] as [([String], [String])])
    func difference(_ lists: ([String], [String])) throws {
        let (old, new) = (try ranges(lists.0), try ranges(lists.1))
        let (gone, come) = AddressRange.difference(from: old, to: new)
        #expect(Set(old).subtracting(gone).union(come) == Set(new))
        #expect(Set(gone).isSubset(of: old) && Set(come).isDisjoint(with: old))
        let kept = old.filter { !gone.contains($0) }
        #expect(AddressRange.digest(kept + come) == AddressRange.digest(new))
    }
}

@Suite("TableText")
struct TableTextTests {
    @Test("no table but its own is ever named")
    func ownTable() throws {
        let outside = Endpoint(.tls, try #require(SocketAddress("203.0.113.5:5061")))
        let text =
            TableText("rempart").removal + TableText("rempart").make(TablePlan(outside: [outside]))
        for line in text.split(separator: "\n")
        where ["add", "delete", "table", "flush"].contains(line.prefix { $0 != " " }) {
            #expect(line.contains("inet rempart"))
        }
        #expect(text.contains("203.0.113.5 . tcp . 5061"))
    }

    @Test(
        "observing, no rule drops; without countries, none asks for one; without limits, none limits"
    )
    func plans() {
        let watching = TableText("rempart").make(TablePlan(mode: .observe, hasCountries: true))
        #expect(!watching.contains("drop"))
        #expect(watching.contains("saddr != @country4"))
        let bare = TableText("rempart").make(TablePlan(packets: 0, connections: 0))
        #expect(!bare.contains("saddr != @country4") && !bare.contains("limit rate"))
    }
}

@Suite("BlockLists")
struct BlockListTests {
    @Test("a network a line, with comments and blank lines")
    func reading() throws {
        let text = "# shared\n198.18.0.0/24 ; why\n\n\t2001:db8::/32\r\n198.18.9.9 # one"
        #expect(
            try BlockLists.content(Array(text.utf8), room: 9).networks
                == ["198.18.0.0/24", "2001:db8::/32", "198.18.9.9"].map { try net($0) })
    }

    @Test("a byte order mark is skipped, and a line that is no network costs itself and is counted")
    func brokenLines() throws {
        let text = "198.18.0.0/24\nbogus\n198.18.0.1/33\n198.18.9.9\n"
        let content = try BlockLists.content([0xEF, 0xBB, 0xBF] + Array(text.utf8), room: 9)
        #expect(content.networks == [try net("198.18.0.0/24"), try net("198.18.9.9")])
        #expect(content.broken == 2 && content.firstBroken == 2)
    }

    @Test(
        "a network that is too wide, or more than there is room for, refuses the whole list",
        arguments: [
            ("0.0.0.0/0", "0.0.0.0/0"), ("198.18.1.0/2", "line 1 would shut out 192.0.0.0/2"),
            ("198.18.0.0/24\n0.0.0.0/1\n128.0.0.0/1", "line 2 would"), ("8.0.0.0/7", "/8"),
            ("::/0", "would shut out"), ("2000::/3", "would"), ("2001:db8::/15", "wider than"),
            ("192.0.0.0/3", "wider than"), ("198.18.0.1\n198.18.0.2\n198.18.0.3", "more than"),
        ])
    func faults(_ text: String, _ word: String) {
        do throws(BlockListFault) {
            _ = try BlockLists.content(Array(text.utf8), room: 2)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.message.contains(word), "\(error.message)")
        }
    }

    @Test(
        "what nobody on the Internet has may be as wide as lists write it",
        arguments: [
            "10.0.0.0/8", "9.0.0.0/8", "224.0.0.0/3", "224.0.0.0/4", "240.0.0.0/4", "::/8",
            "8000::/1",
            "4000::/2", "fc00::/7", "2001::/16",
        ])
    func wide(_ text: String) throws {
        #expect(
            try BlockLists.content(Array(text.utf8), room: 2).networks == [try net(text)])
    }
}
