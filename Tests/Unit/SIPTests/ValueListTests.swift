import SIP
import Testing

@Suite struct ValueListTests {
    @Test(
        "values end at commas that stand in no quotes and no brackets",
        arguments: [
            ("a, b ,c", ["a", "b", "c"]), ("\"x,y\" <sip:a,b@c>, d", ["\"x,y\" <sip:a,b@c>", "d"]),
            ("one", ["one"]), ("a,,b", ["a", "", "b"]), ("\"\\\",\",z", ["\"\\\",\"", "z"]),
        ])
    func splits(_ text: String, _ expected: [String]) {
        let bytes = Array(text.utf8)
        var list = ValueList(Slice(0, bytes.count))
        var found: [String] = []
        while let value = list.next(in: bytes.span) { found.append(bytes.span.bytes(value).text) }
        #expect(found == expected)
    }
}
