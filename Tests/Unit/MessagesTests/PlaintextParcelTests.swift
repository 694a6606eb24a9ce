import Messages
import Testing
import Wire

/// A message of a parcel.
private struct Part: Equatable {
    var kind: PlaintextKind
    var connection: UInt64
    var payload: [UInt8]
}

private func parts(_ frame: Span<UInt8>) throws(WireError) -> [Part] {
    var parts: [Part] = []
    try PlaintextParcel.forEach(in: frame) {
        (head: PlaintextHeader, payload: Span<UInt8>) throws(WireError) in
        parts.append(
            Part(
                kind: head.kind, connection: head.connection,
                payload: payload.indices.map { payload[$0] }))
    }
    return parts
}

@Suite("PlaintextParcel")
struct PlaintextParcelTests {
    @Test("messages come out as they went in, whether they were copied or written in place")
    func order() throws {
        let nothing: [UInt8] = []
        var parcel = PlaintextParcel()
        let opened = [UInt8](repeating: 2, count: 45)
        parcel.add(.opened, connection: 7, opened.span)
        parcel.storage[parcel.payloadStart] = 9
        parcel.seal(.data, connection: 7, payload: 1)
        parcel.add(.closed, connection: 7, nothing.span)
        let expected = [
            Part(kind: .opened, connection: 7, payload: opened),
            Part(kind: .data, connection: 7, payload: [9]),
            Part(kind: .closed, connection: 7, payload: []),
        ]
        let found = try parts(parcel.frame)
        #expect(found == expected)
        parcel.removeAll()
        let left = parcel.frame.count
        #expect(parcel.isEmpty && left == 0)
    }

    @Test("bytes of one connection in a row are one message, as far as a record holds them")
    func joined() throws {
        var parcel = PlaintextParcel()
        for byte in [1, 2] as [UInt8] { parcel.add(.data, connection: 7, [byte].span) }
        parcel.add(.data, connection: 8, ([3] as [UInt8]).span)
        parcel.add(.data, connection: 7, ([4] as [UInt8]).span)
        let expected = [
            Part(kind: .data, connection: 7, payload: [1, 2]),
            Part(kind: .data, connection: 8, payload: [3]),
            Part(kind: .data, connection: 7, payload: [4]),
        ]
        let found = try parts(parcel.frame)
        #expect(found == expected)
        let longest = [UInt8](repeating: 5, count: PlaintextHeader.maximumPayload)
        parcel.add(.data, connection: 7, longest.span)
        let lengths = try parts(parcel.frame).map(\.payload.count)
        #expect(lengths == [2, 1, 1, longest.count])
    }

    @Test("the longest messages fill a parcel to its end and no further")
    func full() throws {
        var parcel = PlaintextParcel()
        let longest = [UInt8](repeating: 5, count: PlaintextHeader.maximumPayload)
        var count: UInt64 = 0
        while parcel.hasRoom {
            parcel.add(.data, connection: count + 1, longest.span)
            count += 1
        }
        let length = parcel.frame.count
        #expect(length <= PlaintextParcel.limit && length >= PlaintextParcel.leastFull)
        let found = try parts(parcel.frame).count
        #expect(found == Int(count))
    }

    @Test("a frame that is empty or cut is refused")
    func cut() throws {
        let nothing: [UInt8] = []
        var parcel = PlaintextParcel()
        parcel.add(.data, connection: 7, ([1, 2] as [UInt8]).span)
        parcel.add(.closed, connection: 7, nothing.span)
        let frame = parcel.frame.indices.map { parcel.storage[$0] }
        for length in 0..<frame.count where length != PlaintextHeader.length + 2 {
            #expect(throws: WireError.truncated) {
                try parts(frame.span.extracting(0..<length))
            }
        }
    }
}
