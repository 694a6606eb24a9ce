import Sys
import Testing

@Suite struct TextStoreTests {
    private func bytes(_ length: Int) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    }

    @Test("a text of any length up to 2,560 bytes lies there whole, and a longer one is not kept")
    func sizes() {
        var store = TextStore(capacity: 4 << 20)
        var kept: [(Text, [UInt8])] = []
        for length in Array(1...130) + [512, 1024, 1025, 1280, 1281, 2048, 2049, 2559, 2560] {
            guard let text = store.store(bytes(length).span) else {
                Issue.record("\(length) bytes are not kept")
                continue
            }
            kept.append((text, bytes(length)))
        }
        for (text, expected) in kept {
            let isWhole = store.span(text).text == String(decoding: expected, as: UTF8.self)
            #expect(isWhole)
        }
        let isTooLongKept = store.store(bytes(2561).span) != nil
        #expect(!isTooLongKept)
    }

    @Test("a piece that was given back serves the next text of its size")
    func again() {
        var store = TextStore(capacity: 2560)
        for length in [2560, 2304, 2559] {
            guard var text = store.store(bytes(length).span) else {
                Issue.record("there is no room for \(length) bytes")
                return
            }
            let hasRoom = store.store(bytes(2560).span) != nil
            #expect(!hasRoom)
            store.release(&text)
        }
    }
}

extension Span<UInt8> {
    /// The bytes as a text.
    fileprivate var text: String {
        String(decoding: indices.map { self[$0] }, as: UTF8.self)
    }
}
