import Testing

@testable import rempart

@Suite struct JSONTests {
    @Test("JSON keeps the order of members and escapes what must be escaped")
    func text() {
        let value = JSON.object([
            .init("b", .string("\"\\\n\t\u{1B}\u{7F}é\u{202E}")),
            .init("a", .array([.number(-1), .bool(true), .bool(false)])),
            .init("c", .object([])),
        ])
        #expect(
            value.text
                == #"{"b":"\"\\\n\t\u001b\u007fé\u202e","a":[-1,true,false],"c":{}}"#)
    }
}
