import SIP
import Testing

@Suite struct UserPartTests {
    private func text(_ part: UserPart) -> String {
        let bytes = part.span
        return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }

    private func part(_ user: String) -> UserPart { UserPart(Array(user.utf8).span) }

    @Test(
        "a user part is split at its parameters and password, and then its escapes are read once",
        arguments: [
            ("100", "100"), ("%31%30%30", "100"), ("office%231", "office#1"), ("%2a31", "*31"),
            ("%2B4930", "+4930"), ("600;phone-context=national", "600"), ("600;cpc=%31", "600"),
            ("alice:pass%77ord", "alice"), ("%61lice;isub=1:x", "alice"), ("a.b-c_d", "a.b-c_d"),
        ])
    func reading(_ user: String, _ meant: String) {
        let part = part(user)
        #expect(text(part) == meant && part.isDialable && part.isName)
    }

    @Test(
        "what is not dialable once it is read is not, however it is written, and no escape hides it in a name",
        arguments: [
            "1%200", "a%00b", "600%0d%0a", "600%3Bx", "600%3Ax", "a%40b", "100%26SIP", "%2500",
            "%252331", "6%", "6%3", "6%zz", "6%3;0", "%c3%bc", "", ";x=1", "%",
            String(repeating: "a", count: 65), String(repeating: "%61", count: 65),
        ])
    func refused(_ user: String) {
        let part = part(user)
        #expect(!part.isDialable && !part.isName)
    }

    @Test(
        "signs of no dialplan may stand in a name as they are",
        arguments: ["a&b", "a=b", "(100)", "a/b", "o'neill", "a~b", "a,b", "a$b", "a!b"])
    func names(_ user: String) {
        let part = part(user)
        #expect(!part.isDialable && part.isName && text(part) == user)
    }

    @Test("one of 64 bytes is whole, counted as they are meant")
    func longest() {
        for user in [
            String(repeating: "a", count: 64), String(repeating: "%61", count: 64),
            String(repeating: "a", count: 64) + ";x=" + String(repeating: "y", count: 200),
        ] {
            #expect(part(user).isDialable)
            #expect(text(part(user)) == String(repeating: "a", count: 64))
        }
    }

    @Test(
        "digits alone are a number, however many",
        arguments: [
            ("0", 0), ("00000000000000000000000000000060", 60), ("4294967295", 4_294_967_295),
            ("4294967296", 4_294_967_295), ("18446744073709551616", 4_294_967_295),
            ("99999999999999999999999999999999", 4_294_967_295),
        ] as [(String, UInt32)])
    func number(_ text: String, _ value: UInt32) {
        let read = Array(text.utf8).span.decimal(cutTo: .max)
        #expect(read == value)
    }

    @Test(
        "anything else is none", arguments: ["", "-1", "+1", "1.0", "\"0\"", "0x1", "1 0", "٣"])
    func noNumber(_ text: String) {
        let read = Array(text.utf8).span.decimal(cutTo: .max)
        #expect(read == nil)
    }
}
