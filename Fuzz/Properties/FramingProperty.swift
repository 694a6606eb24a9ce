internal import SIP

/// Finding messages in a stream.
extension Properties {
    /// One thing that a framer finds.
    private enum Found: Equatable {
        case message([UInt8])
        case ping
        case broken(String)
    }

    /// However a stream is cut, the same messages are found in it, what waits stays bounded, and no byte is
    /// read more than twice: once for the end of its header, once for the length that stands there.
    package static func framing(_ bytes: Span<UInt8>) -> String? {
        let stream = [UInt8](copying: bytes)
        let (whole, waiting, atOnce) = found(in: stream) { stream.count }
        guard waiting <= MessageParser.maximumMessage else {
            return "\(waiting) bytes wait for the end of a message"
        }
        let (bytewise, _, looked) = found(in: stream) { 1 }
        guard whole == bytewise else { return "byte for byte: \(bytewise), at once: \(whole)" }
        guard max(looked, atOnce) <= 2 * stream.count else {
            return "\(looked) and \(atOnce) bytes were read of \(stream.count)"
        }
        // Pieces whose lengths the stream itself decides.
        var state = stream.prefix(64).reduce(UInt64(stream.count)) { $0 &* 31 &+ UInt64($1) }
        let (pieces, _, _) = found(in: stream) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return 1 + Int(state >> 33) % 97
        }
        guard whole == pieces else { return "in pieces: \(pieces), at once: \(whole)" }
        return lengths(stream, whole)
    }

    /// The framer and the parser find the same Content-Length in the same bytes, or one of them refuses.
    private static func lengths(_ stream: [UInt8], _ found: [Found]) -> String? {
        let parser = MessageParser()
        var index = MessageIndex()
        for case .message(let message) in found {
            guard (try? parser.parse(message.span, into: &index)) != nil else { continue }
            guard index.contentLength == Int(index.body.length), index.body.end == message.count
            else { return "a message whose length the parser does not see" }
        }
        guard (try? parser.parse(stream.span, into: &index)) != nil, index.contentLength != nil,
            index.body.start <= StreamFramer.maximumHeader
        else { return nil }
        for case .message(let message) in found {
            return message.elementsEqual(stream[(index.body.end - message.count)..<index.body.end])
                ? nil : "the first message is not the one that the parser finds"
        }
        return "the parser finds a message, and the framer none"
    }

    /// What a framer finds in a stream that comes in pieces, how many bytes it then still holds, and
    /// how many it has read.
    private static func found(
        in stream: [UInt8], piece: () -> Int
    ) -> (found: [Found], waiting: Int, looked: Int) {
        var framer = StreamFramer()
        var result: [Found] = []
        var at = 0
        while at < stream.count {
            let end = min(at + piece(), stream.count)
            framer.append(stream.span.extracting(at..<end))
            at = end
            taking: while true {
                switch framer.next() {
                case .incomplete: break taking
                case .ping(let length):
                    framer.consume(length)
                    result.append(.ping)
                case .message(let length):
                    let start = framer.head
                    result.append(.message(Array(framer.bytes[start..<start + length])))
                    framer.consume(length)
                case .broken(let reason):
                    result.append(.broken(reason))
                    return (result, 0, framer.looked)
                }
            }
        }
        return (result, framer.bytes.count - framer.head, framer.looked)
    }
}
