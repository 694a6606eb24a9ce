internal import Messages
internal import Sys
internal import Testing

@testable internal import banner

@Suite("BlockLists")
struct BlockListsTests {
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
