// Text written into byte arrays: for what is written many thousand times, but grows with the work.

/// The decimal digits of a number, at the end of an array, and where they begin.
@inline(__always)
func decimalDigits(_ value: UInt64) -> (digits: InlineArray<20, UInt8>, first: Int) {
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var first = 20
    var rest = value
    repeat {
        first -= 1
        digits[first] = 0x30 + UInt8(rest % 10)
        rest /= 10
    } while rest > 0
    return (digits, first)
}

extension [UInt8] {
    /// Adds a number in decimal.
    package mutating func append(decimal value: Int64) {
        // Most numbers of a listing have one digit.
        guard value < 0 || value > 9 else { return append(0x30 + UInt8(value)) }
        if value < 0 { append(UInt8(ascii: "-")) }
        let (digits, first) = decimalDigits(UInt64(value.magnitude))
        append(copying: digits.span.extracting(first..<20))
    }
}

extension [UInt8] {
    /// A copy of bytes.
    package init(copying bytes: Span<UInt8>) {
        self = []
        append(copying: bytes)
    }

    /// Adds bytes.
    package mutating func append(copying bytes: Span<UInt8>) {
        // In bounds: the span's own storage and length.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}

extension Span<UInt8> {
    /// Whether every byte is a printable ASCII character, the space among them.
    package var isPrintableASCII: Bool {
        for index in indices where self[index] < 0x20 || self[index] > 0x7E { return false }
        return true
    }
}

extension IPAddress {
    /// Adds the canonical text, as `description` has it.
    package func append(to bytes: inout [UInt8]) {
        guard isV4 else { return bytes.append(contentsOf: description.utf8) }
        for index in 12..<16 {
            if index > 12 { bytes.append(UInt8(ascii: ".")) }
            bytes.append(decimal: Int64(byte(index)))
        }
    }
}

extension Network {
    /// Adds the text, as `description` has it.
    package func append(to bytes: inout [UInt8]) {
        address.append(to: &bytes)
        bytes.append(UInt8(ascii: "/"))
        bytes.append(decimal: Int64(prefix))
    }
}
