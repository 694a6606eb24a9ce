package import Sys

/// Writes the fields of one frame, big-endian, in the order `WireReader` reads them.
package struct WireWriter {
    /// The frame so far.
    package private(set) var bytes: [UInt8] = []

    /// An empty frame of a kind.
    package init(kind: UInt8) {
        // Room for nearly every message: growing would copy it.
        bytes.reserveCapacity(384)
        bytes.append(kind)
    }

    /// Begins another frame in the same memory.
    package mutating func begin(kind: UInt8) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(kind)
    }

    /// Writes one byte.
    package mutating func u8(_ value: UInt8) { bytes.append(value) }

    /// Writes 0 or 1.
    package mutating func bool(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Writes two bytes.
    package mutating func u16(_ value: UInt16) { number(value) }

    /// Writes four bytes.
    package mutating func u32(_ value: UInt32) { number(value) }

    /// Writes eight bytes.
    package mutating func u64(_ value: UInt64) { number(value) }

    private mutating func number(_ value: some FixedWidthInteger) {
        // In bounds: the value's own storage and length.
        unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    /// Writes eight bytes, two's complement.
    package mutating func milliseconds(_ value: Milliseconds) {
        u64(UInt64(bitPattern: value.count))
    }

    /// Writes a length of two bytes, then the bytes; at most 65,535.
    package mutating func data(_ value: [UInt8]) {
        precondition(value.count <= Int(UInt16.max), "a field of a frame is at most 65,535 bytes")
        u16(UInt16(value.count))
        bytes.append(contentsOf: value)
    }

    /// Writes the text as UTF-8, as `data`.
    package mutating func string(_ value: String) {
        let text = value.utf8
        precondition(text.count <= Int(UInt16.max), "a field of a frame is at most 65,535 bytes")
        u16(UInt16(text.count))
        bytes.append(contentsOf: text)
    }

    /// Writes the text as UTF-8, cut to at most `limit` bytes between two of its characters.
    package mutating func string(_ value: String, cutTo limit: Int) {
        text(Array(value.utf8).span, cutTo: limit)
    }

    /// Writes a text that others chose, cut to at most `limit` bytes between two of its characters.
    ///
    /// A byte that is no UTF-8 becomes a question mark.
    package mutating func text(_ value: Span<UInt8>, cutTo limit: Int) {
        let head = bytes.count
        u16(0)
        var at = 0
        while at < value.count {
            let room = head + 2 + limit - bytes.count
            var end = value.endOfASCII(from: at, to: min(value.count, at + max(room, 0)))
            if end == at {
                let length = value.scalarLength(at: at)
                guard max(length, 1) <= room else { break }
                if length == 0 { bytes.append(UInt8(ascii: "?")) }
                end = at + length
            }
            // In bounds: the part's own storage and length.
            unsafe value.extracting(at..<end).withUnsafeBufferPointer {
                unsafe bytes.append(contentsOf: $0)
            }
            at = max(end, at + 1)
        }
        let count = bytes.count - head - 2
        bytes[head] = UInt8(truncatingIfNeeded: count >> 8)
        bytes[head + 1] = UInt8(truncatingIfNeeded: count)
    }

    /// Writes an address and port in 22 bytes.
    package mutating func address(_ value: SocketAddress) {
        ip(value.ip)
        u16(value.port)
        u32(value.scope)
    }

    /// Writes an IP address in 16 bytes.
    package mutating func ip(_ value: IPAddress) {
        u64(value.high)
        u64(value.low)
    }

    /// Writes a network in 17 bytes.
    package mutating func network(_ value: Network) {
        ip(value.address)
        u8(value.prefix)
    }
}
