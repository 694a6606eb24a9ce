/// Bytes being written, in memory of a fixed size that is allocated once.
///
/// What does not fit is not written, and `overflowed` says so. So the writer of a message checks
/// once, at its end, instead of at every piece.
@safe
package struct ByteBuffer: ~Copyable {
    @usableFromInline
    let base: UnsafeMutablePointer<UInt8>
    /// How many bytes fit.
    @usableFromInline
    package let capacity: Int
    /// How many bytes are written.
    @usableFromInline
    package internal(set) var count = 0
    /// Whether something did not fit since the last `removeAll`.
    @usableFromInline
    package internal(set) var overflowed = false

    /// An empty buffer of so many bytes.
    package init(capacity: Int) {
        unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        unsafe base.initialize(repeating: 0, count: capacity)
        self.capacity = capacity
    }

    deinit { unsafe base.deallocate() }

    /// The written bytes.
    @inlinable
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // In bounds: count never exceeds the capacity that was allocated.
            let result = unsafe Span(_unsafeStart: UnsafePointer(base), count: count)
            return unsafe _overrideLifetime(result, borrowing: self)
        }
    }

    /// The written bytes from `start`, which is at most `count`.
    @_lifetime(borrow self)
    package func span(from start: Int) -> Span<UInt8> {
        precondition(start >= 0 && start <= count)
        // In bounds by the line above.
        let result = unsafe Span(_unsafeStart: UnsafePointer(base + start), count: count - start)
        return unsafe _overrideLifetime(result, borrowing: self)
    }

    /// A written part, which must lie within `count`.
    @_lifetime(borrow self)
    package func span(_ start: Int, _ length: Int) -> Span<UInt8> {
        precondition(start >= 0 && length >= 0 && start + length <= count)
        // In bounds by the line above.
        let result = unsafe Span(_unsafeStart: UnsafePointer(base + start), count: length)
        return unsafe _overrideLifetime(result, borrowing: self)
    }

    /// Forgets what is written.
    @inlinable
    package mutating func removeAll() {
        count = 0
        overflowed = false
    }

    /// Counts something as not fitting that has no form.
    package mutating func fail() { overflowed = true }

    /// Forgets what is written after the first `length` bytes, and that it overflowed.
    package mutating func truncate(to length: Int) {
        precondition(length <= count)
        count = length
        overflowed = false
    }

    /// Writes one byte.
    @inlinable
    package mutating func append(_ byte: UInt8) {
        guard count < capacity else {
            overflowed = true
            return
        }
        // In bounds by the guard.
        unsafe base[count] = byte
        count += 1
    }

    /// Writes the bytes.
    @inlinable
    package mutating func append(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        guard bytes.count <= capacity - count else {
            overflowed = true
            return
        }
        // In bounds by the guard.
        unsafe bytes.withUnsafeBufferPointer { source in
            if let from = source.baseAddress {
                unsafe (base + count).update(from: from, count: source.count)
            }
        }
        count += bytes.count
    }

    /// Writes a literal.
    @inlinable
    package mutating func append(_ text: StaticString) {
        let length = text.utf8CodeUnitCount
        guard length <= capacity - count else {
            overflowed = true
            return
        }
        // In bounds by the guard; a StaticString's storage is its length long.
        unsafe (base + count).update(from: text.utf8Start, count: length)
        count += length
    }

    /// Writes a text; not for the hot path.
    ///
    /// Its label keeps a literal from being taken for a `String`, which Swift would prefer.
    package mutating func append(text: String) {
        for byte in text.utf8 { append(byte) }
    }

    /// Writes a number in decimal.
    package mutating func append(decimal value: UInt64) {
        var length = 1
        var bound: UInt64 = 10
        // The longest has 20 digits, and no number of 21 is to be compared with.
        while length < 20, value >= bound {
            length += 1
            bound &*= 10
        }
        guard length <= capacity - count else {
            overflowed = true
            return
        }
        var rest = value
        var place = count + length
        repeat {
            place -= 1
            // In bounds by the guard: there are `length` digits.
            unsafe base[place] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        count += length
    }

    /// Writes a byte as two hexadecimal digits, lower case.
    package mutating func append(hex byte: UInt8) {
        append(Self.hexDigit(byte >> 4))
        append(Self.hexDigit(byte & 15))
    }

    /// Writes a number as so many hexadecimal digits, lower case.
    package mutating func append(hex value: UInt64, digits: Int) {
        guard digits <= capacity - count else {
            overflowed = true
            return
        }
        var rest = value
        var place = count + digits
        while place > count {
            place -= 1
            // In bounds by the guard: there are `digits` of them.
            unsafe base[place] = Self.hexDigit(UInt8(truncatingIfNeeded: rest) & 15)
            rest >>= 4
        }
        count += digits
    }

    /// Writes an IP address as in `IPAddress.description`, IPv6 in brackets as SIP wants it.
    package mutating func append(host ip: IPAddress) {
        guard ip.isV4 else {
            append("[")
            append(text: ip.description)
            append("]")
            return
        }
        for index in 12..<16 {
            if index > 12 { append(UInt8(ascii: ".")) }
            append(decimal: UInt64(ip.byte(index)))
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? 0x30 + value : 0x61 + value - 10
    }
}
