internal import Foundation
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

/// What the administrator reads: records, the list, and what is said of an address.
@Suite("banner tells")
struct TellingTests {
    @Test("a list with fewer than a tenth of its networks is refused, one with a tenth is taken")
    func shrunk() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/list")
        func write(_ count: Int) throws {
            let text = (0..<count).map { "198.18.\($0).0/24\n" }.joined()
            try Data(text.utf8).write(to: url, options: .atomic)
        }
        try write(100)
        let bench = try Bench([.blockList(url.path)], folder: folder, hearing: true)
        #expect(bench.records("REMPART_COUNT=100").count == 1)
        try write(9)
        bench.second()
        #expect(try bench.findings("198.18.50.9")["block list"] == url.path)
        let told = bench.records("fewer than a tenth of the 100 of before")
        #expect(told.count == 1 && told[0].contains("REMPART_FILE=\(url.path)"))
        #expect(told.first?.contains("its 100 networks of before stay") == true)
        try write(10)
        bench.second()
        #expect(try bench.findings("198.18.50.9")["block list"] == nil)
        #expect(try bench.findings("198.18.9.9")["block list"] == url.path)
    }

    @Test("lines that are no networks are counted in the record, which is a warning then")
    func brokenLines() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/list")
        try Data("198.18.0.0/24\nx\ny\n".utf8).write(to: url)
        let bench = try Bench([.blockList(url.path)], folder: folder, hearing: true)
        let told = bench.records("2 lines are no networks")
        #expect(told.count == 1 && told[0].contains("the first is line 2"))
        #expect(told.first?.contains("PRIORITY=4") == true)
    }

    @Test("one attack that two detectors see is one record and one ban, with what it began with")
    func oneAttack() throws {
        let bench = try Bench(hearing: true)
        func order(_ reason: String, _ span: Int64) throws -> RouterToBanner {
            .ban(
                BanOrder(
                    address: try ip("198.18.0.7"), reason: reason, evidence: "saw \(reason)",
                    count: 5,
                    firstSeen: .seconds(999_990), lastSeen: .seconds(1_000_000), profile: "world",
                    atLeast: .seconds(span)))
        }
        try bench.tell(.hello, try order("names-swept", 3600), try order("wrong-password", 3599))
        bench.clock.now = .seconds(1_000_001)
        try bench.tell(try order("wrong-password", 3599), try order("names-swept", 3600))
        let records = bench.records("REMPART_SECONDS=")
        #expect(
            records.count == 1 && records[0].contains("banned 198.18.0.7 for 3600 s: names-swept"))
        let row = try #require(bench.rows().first)
        #expect(bench.rows().count == 1 && row.reason == "names-swept" && row.count == 20)
        #expect(row.evidence == "saw names-swept; also wrong-password")
        #expect(row.until == .seconds(1_003_601) && row.since == .seconds(1_000_000))
        // What weighs far more is news, by its own reason; the list keeps the first.
        try bench.tell(try order("trap", 86_400))
        let news = bench.records("REMPART_SECONDS=")
        #expect(news.count == 1 && news[0].contains("REMPART_REASON=trap"))
        #expect(news.first?.contains("REMPART_SECONDS=86400") == true)
        #expect(bench.rows().first?.reason == "names-swept")
        #expect(bench.rows().first?.evidence.hasSuffix("; also trap") == true)
    }

    @Test("every record of bans lifted has what the catalogue says of it")
    func unbanAll() throws {
        let bench = try Bench(hearing: true)
        try bench.tell(.hello, try order("198.18.0.7"), try order("198.18.0.8"))
        _ = bench.records("")
        #expect(bench.ask(.unban(nil)) == [.done])
        let told = bench.records("5b0d2c7a41f34c0e9c1e3c6f0a7d1014")
        #expect(told.count == 1 && told[0].contains("\nREMPART_ADDRESS=all\n"))
    }

    @Test("why says which table it has looked at, since another firewall may drop what passes here")
    func otherFirewalls() throws {
        let bench = try Bench()
        let judged = try bench.findings("198.18.0.7")["judged by"]
        #expect(judged?.contains("inet rempart alone") == true)
        #expect(judged?.contains("nft list ruleset") == true)
    }
}
