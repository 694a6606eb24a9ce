extension Span<UInt8> {
    /// How many bytes the UTF-8 character at a place has (RFC 3629 section 4), 1 to 4; 0 when there is none.
    package func scalarLength(at place: Int) -> Int {
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch self[place] {
            case 0...0x7F: (1, 0...0)
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0...0)
            }
        guard length > 1 else { return length }
        guard place + length <= count, second.contains(self[place + 1]) else { return 0 }
        for next in place + 2..<place + length where self[next] & 0xC0 != 0x80 { return 0 }
        return length
    }
    /// Where the ASCII characters that begin at `start` end, at most at `limit`, which is at most `count`.
    package func endOfASCII(from start: Int, to limit: Int) -> Int {
        precondition(start >= 0 && limit <= count)
        var place = start
        while place + 8 <= limit {
            // In bounds by the loop's condition.
            let word = unsafe withUnsafeBytes { bytes in
                unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            }
            guard word & 0x8080_8080_8080_8080 == 0 else { break }
            place += 8
        }
        while place < limit, self[place] < 0x80 { place += 1 }
        return place
    }

    /// The character of so many bytes at a place, as `scalarLength` has found it.
    package func scalar(at place: Int, length: Int) -> Unicode.Scalar? {
        var value = UInt32(self[place])
        if length > 1 {
            value &= 0x7F >> UInt32(length)
            for next in place + 1..<place + length {
                value = value << 6 | UInt32(self[next] & 0x3F)
            }
        }
        return Unicode.Scalar(value)
    }
}

extension Unicode.Scalar {
    /// Whether a terminal would act on it instead of showing it.
    ///
    /// These are C0 and C1 controls, line and paragraph separators, and the marks that reverse the
    /// direction of text.
    package var isTerminalControl: Bool {
        switch value {
        case 0x00...0x1F, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
