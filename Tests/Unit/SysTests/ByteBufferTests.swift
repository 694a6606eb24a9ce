import Sys
import Testing

@Suite struct ByteBufferTests {
    private func string(_ buffer: borrowing ByteBuffer) -> String {
        var bytes: [UInt8] = []
        for index in buffer.span.indices { bytes.append(buffer.span[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(
        "a number is written in all of its digits, or not at all",
        arguments: [
            0, 9, 10, 99, 100, 255, 65_535, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000,
            .max,
        ] as [UInt64])
    func decimal(_ value: UInt64) {
        let text = "\(value)"
        for room in [text.utf8.count, text.utf8.count - 1] {
            var buffer = ByteBuffer(capacity: room + 1)
            buffer.append("#")
            buffer.append(decimal: value)
            let fits = room == text.utf8.count
            let (written, overflowed) = (string(buffer), buffer.overflowed)
            #expect(written == (fits ? "#" + text : "#") && overflowed == !fits)
        }
    }
}
