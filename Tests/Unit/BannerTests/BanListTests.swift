internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

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
}
