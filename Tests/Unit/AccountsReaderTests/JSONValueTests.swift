internal import Testing

@testable internal import accounts_reader

@Suite("JSONValue")
struct JSONValueTests {
    @Test(
        "JSON is read as it is meant",
        arguments: [
            ("null", JSONValue.other), (" [ ] ", .array([])), ("{}", .object([:])),
            ("[true,-0.5e+3]", .array([.other, .other])),
            (#""a\"\\\/\b\f\n\r\té€""#, .text("a\"\\/\u{8}\u{C}\n\r\té€")),
            (#""\u00e9\uD83D\uDE00""#, .text("é😀")),
            (
                #"{"a":{"b":["c"]},"d":1}"#,
                .object(["a": .object(["b": .array([.text("c")])]), "d": .other])
            ),
        ])
    func good(_ text: String, _ value: JSONValue) {
        #expect(JSONValue(Array(text.utf8)) == value)
    }

    @Test(
        "what is no JSON is nothing",
        arguments: [
            "", " ", "nul", "[1,]", "[1", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.",
            "1e", "-", "+1", ".5", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\uD83D\"", "\"\\uD83Dx\"",
            "\"\\uDC00\"", "\"\n\"", "1 2", "[] x", "NaN", "'a'",
            "{\"a\":1,\"a\":2}", "\"\\u0000\"",
            String(repeating: "[", count: 20) + String(repeating: "]", count: 20),
        ])
    func bad(_ text: String) {
        #expect(JSONValue(Array(text.utf8)) == nil)
    }

    @Test("text that is no UTF-8 is nothing")
    func bytes() {
        #expect(JSONValue([0x22, 0xFF, 0x22]) == nil)
    }
}
