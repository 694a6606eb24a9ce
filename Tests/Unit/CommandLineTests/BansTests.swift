import Messages
import Sys
import Testing

@testable import rempart

@Suite struct BansTests {
    @Test("bans have the fixed JSON shape, and a table told from now")
    func bans() throws {
        let row = BanRow(
            source: try #require(Network("198.18.1.9")), reason: "wrong-password",
            evidence: "5 wrong passwords for 1001", profile: "phones", since: .seconds(1000),
            until: .seconds(1300), firstSeen: .seconds(990), lastSeen: .seconds(999), count: 5,
            level: 2)
        #expect(
            try listed([row], json: true)
                == #"[{"address":"198.18.1.9","reason":"wrong-password","#
                + #""evidence":"5 wrong passwords for 1001","profile":"phones","since":1000,"#
                + #""until":1300,"firstSeen":990,"lastSeen":999,"count":5,"level":2}]"# + "\n")
        let table = try listed([row])
        #expect(table.contains("1m ago"))
        #expect(table.hasSuffix("4m       5 wrong passwords for 1001\n"))
        #expect(try listed([]) == "No address is banned.\n")
        #expect(try listed([], json: true) == "[]\n")
    }

    @Test("what an administrator wrote as a reason can neither move a cursor nor break the JSON")
    func hostileReason() throws {
        var row = BanRow(
            source: try #require(Network("2001:db8:1::/48")), reason: "a\"b\\\u{1B}[2J é",
            since: .seconds(1), until: .seconds(2), firstSeen: .seconds(1), lastSeen: .seconds(1),
            count: 0)
        #expect(try listed([row], json: true).contains(##""a\"b\\\u001b[2J é""##))
        #expect(try listed([row]).contains(##"2001:db8:1::/48  a"b\\u{1B}[2J é  "##))
        row.reason = ""
        #expect(try listed([row]).contains("2001:db8:1::/48  -  "))
    }

    private func listed(_ rows: [BanRow], json: Bool = false) throws -> String {
        var list = BanList(json: json, now: .seconds(1060))
        for row in rows {
            let frame = ControlReply.ban(row).encoded()
            list.add(try PackedBan(frame.span))
        }
        var bytes: [UInt8] = []
        list.rest { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }
}
