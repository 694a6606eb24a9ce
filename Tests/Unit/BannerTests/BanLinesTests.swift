internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite("BanLines")
struct BanLinesTests {
    private func read(_ text: String) -> BanStore.Change? {
        let bytes = Array(text.utf8)
        return BanLines.change(bytes.span)
    }

    @Test("what was written is read again, whatever the columns hold")
    func roundTrip() throws {
        let rows = try ["198.18.0.7", "198.18.0.0/24", "2001:db8::/64", "2001:db8:7::/48"].map {
            BanRow(
                source: try net($0), reason: "grüße \"", evidence: "", profile: "phones",
                since: .seconds(-1), until: Milliseconds(999_999_999_999_999_999),
                firstSeen: .seconds(0), lastSeen: .seconds(1_800_000_000), count: .max, level: 0)
        }
        let changes =
            rows.map(BanStore.Change.ban) + [
                .lifted(try net("198.18.0.7")), .allowed(try net("10.0.0.0/8"), true),
                .allowed(try net("2001:db8::/32"), false),
            ]
        var bytes: [UInt8] = []
        BanLines.appendHead(to: &bytes)
        for change in changes { BanLines.append(change, to: &bytes) }
        var found: [BanStore.Change?] = []
        BanLines.forEach(in: bytes.span) { line in
            if !BanLines.isHead(line) { found.append(BanLines.change(line)) }
        }
        #expect(found == changes)
    }

    @Test(
        "a line that was cut, has a column too many, or a number that is none is no change",
        arguments: [
            "", "+", "-", "-\t", "-\tx", "-\t198.18.0.7/33", "-\t198.18.0.7\t1", "*\t198.18.0.7",
            "+\t198.18.0.7/32\t1\t2\t3\t4\t5\t6\tphones\tx",
            "+\t198.18.0.7/32\t1\t2\t3\t4\t5\t6\tphones\tx\ty\tz",
            "+\t198.18.0.7/32\t1\t2x\t3\t4\t5\t6\tphones\tx\ty",
            "+\t198.18.0.7/32\t1\t\t3\t4\t5\t6\tphones\tx\ty",
            "+\t198.18.0.7/32\t1\t2\t3\t4\t4294967296\t6\tphones\tx\ty",
            "+\t198.18.0.7/32\t1\t2\t3\t4\t-5\t6\tphones\tx\ty",
            "+\t198.18.0.7/32\t1\t9999999999999999999\t3\t4\t5\t6\tphones\tx\ty",
            "+\t198.18.0.0/20\t1\t2\t3\t4\t5\t6\tphones\tx\ty",
            "+\t198.18.0.7/32\t1\t2\t3\t4\t5\t6\t012345678901234567890123456789012\tx\ty",
        ])
    func faults(_ text: String) {
        #expect(read(text) == nil)
    }
}
