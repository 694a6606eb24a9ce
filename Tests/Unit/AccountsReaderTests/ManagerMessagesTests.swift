internal import Testing

@testable internal import accounts_reader

@Suite("ManagerMessages")
struct ManagerMessagesTests {
    /// What is found in bytes that came in pieces, each message as its fields, and how it broke.
    private func read(_ bytes: [UInt8], piecesOf size: (Int) -> Int) -> [String] {
        var messages = ManagerMessages()
        var found: [String] = []
        var at = 0
        while at < bytes.count {
            let end = min(at + size(at), bytes.count)
            messages.append(bytes[at..<end])
            at = end
            do throws(ManagerFailure) {
                while let message = try messages.next() {
                    found.append(
                        message.fields.map { "\($0.name)=\($0.value)" }.joined(separator: ";"))
                }
            } catch {
                return found + [error.words]
            }
        }
        return found
    }

    @Test("a message is found alike however its bytes come, whatever they are")
    func cut() {
        let pieces = [
            "Response", ": ", ":", "\r\n", "\n", "\r", "Event", "Line-000000-000000", "a=b", " ",
            "\u{0}",
            "\r\n\r\n", "Success", "\u{E9}",
        ]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 0...30, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }
            let bytes = Array(text.joined().utf8)
            let whole = read(bytes) { _ in bytes.count }
            #expect(read(bytes) { _ in 1 } == whole, "\(text)")
            #expect(read(bytes) { at in at % 5 + 1 } == whole, "\(text)")
        }
    }

    @Test("a line that is too long is told, whether its end has come or not")
    func long() {
        let line = [UInt8](repeating: 0x61, count: ManagerMessages.longestLine + 1)
        for bytes in [line, line + [0x0A]] {
            #expect(read(bytes) { _ in bytes.count }.last?.contains("too long") == true)
            #expect(read(bytes) { _ in 4_096 }.last?.contains("too long") == true)
        }
    }

    @Test("the name ends at the first colon, and blanks before the value are none of it")
    func fields() {
        var messages = ManagerMessages()
        messages.append(Array("\n\nRESPONSE:  a: b \r\nx\r\n\r\n".utf8)[...])
        let message = try? messages.next()
        #expect(message?.value("Response") == "a: b ")
        #expect(message?.fields.count == 2 && message?.value("x") == "")
    }
}
