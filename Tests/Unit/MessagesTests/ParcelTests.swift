import Messages
import Testing
import Wire

/// What the parts of a frame are, in order.
private func parts(_ frame: [UInt8]) throws(WireError) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    try Parcel.forEach(in: frame.span) { (part: Span<UInt8>) throws(WireError) in
        parts.append(part.indices.map { part[$0] })
    }
    return parts
}

@Suite("Parcel")
struct ParcelTests {
    @Test("messages come out as they went in, in order")
    func order() throws {
        var parcel = Parcel()
        let messages: [[UInt8]] = [[1, 2, 3], [4], Array(repeating: 5, count: 300)]
        for message in messages {
            let isIn = parcel.add(message.span)
            #expect(isIn)
        }
        #expect(try parts(parcel.frame) == messages)
        parcel.removeAll()
        #expect(parcel.isEmpty)
        let isIn = parcel.add(([9] as [UInt8]).span)
        #expect(isIn)
        #expect(try parts(parcel.frame) == [[9]])
    }

    @Test("a frame that is no parcel is one message")
    func single() throws {
        #expect(try parts([1, 1]) == [[1, 1]])
    }

    @Test("a full parcel refuses a message and keeps those it has")
    func full() throws {
        var parcel = Parcel()
        let message = [UInt8](repeating: 7, count: 1000)
        var count = 0
        while parcel.add(message.span) { count += 1 }
        #expect(count == 16 && parcel.frame.count <= Parcel.limit)
        #expect(try parts(parcel.frame).count == count)
    }

    @Test("a parcel without a message, or that is cut, is refused")
    func cut() {
        for frame: [UInt8] in [[255], [255, 0], [255, 0, 2, 1], [255, 0, 1, 1, 0]] {
            #expect(throws: WireError.truncated) { try parts(frame) }
        }
    }

    @Test("a parcel within a parcel is no message")
    func nested() {
        #expect(throws: WireError.unknownKind(255)) {
            try Parcel.forEach(in: ([255, 0, 2, 255, 0] as [UInt8]).span) {
                (part: Span<UInt8>) throws(WireError) in
                _ = try RouterToDirectory(decoding: part)
            }
        }
    }
}
