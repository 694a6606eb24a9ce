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
}
