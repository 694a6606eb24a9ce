package import Sys

/// Reads the fields of one frame in the order they were written; every failure is an error.
///
/// A frame is done only after `finish()`, which refuses surplus bytes.
package struct WireReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var offset = 0

    /// A reader at the start of a frame.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    /// Reads one byte.
    package mutating func u8() throws(WireError) -> UInt8 {
        guard offset < bytes.count else { throw .truncated }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Reads 0 or 1.
    package mutating func bool() throws(WireError) -> Bool {
        switch try u8() {
        case 0: return false
        case 1: return true
        default: throw .badValue("bool")
        }
    }

    /// Reads two bytes.
    package mutating func u16() throws(WireError) -> UInt16 {
        UInt16(truncatingIfNeeded: try number(2))
    }

    /// Reads four bytes.
    package mutating func u32() throws(WireError) -> UInt32 {
        UInt32(truncatingIfNeeded: try number(4))
    }

    /// Reads eight bytes.
    package mutating func u64() throws(WireError) -> UInt64 { try number(8) }

    /// Reads a number of so many bytes.
    @inline(__always)
    private mutating func number(_ length: Int) throws(WireError) -> UInt64 {
        guard bytes.count - offset >= length else { throw .truncated }
        var value: UInt64 = 0
        for index in offset..<offset + length { value = value << 8 | UInt64(bytes[index]) }
        offset += length
        return value
    }

    /// Reads eight bytes, two's complement.
    package mutating func milliseconds() throws(WireError) -> Milliseconds {
        Milliseconds(Int64(bitPattern: try u64()))
    }

    /// Reads a length of two bytes, at most `limit`, then the bytes; `name` is the field in errors.
    package mutating func data(_ name: String, limit: Int) throws(WireError) -> [UInt8] {
        let data = try bytes(name, limit: limit)
        // In bounds: the span's own storage and length.
        return unsafe data.withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// Reads the same bytes where they lie.
    @_lifetime(copy self)
    package mutating func bytes(_ name: String, limit: Int) throws(WireError) -> Span<UInt8> {
        let length = Int(try u16())
        guard length <= limit else { throw .tooLong(name) }
        guard bytes.count - offset >= length else { throw .truncated }
        defer { offset += length }
        return bytes.extracting(offset..<offset + length)
    }

    /// Reads a text of at most `limit` bytes of UTF-8; `name` is the field in errors.
    package mutating func string(_ name: String, limit: Int) throws(WireError) -> String {
        guard let text = String(validating: try data(name, limit: limit), as: UTF8.self) else {
            throw .badValue(name)
        }
        return text
    }

    /// Reads an address and port; a link-local address alone may have a scope, an interface's number.
    package mutating func address() throws(WireError) -> SocketAddress {
        let ip = try ip()
        let port = try u16()
        let address = SocketAddress(ip, port: port, scope: try u32())
        guard address.isScopeGood else { throw .badValue("scope") }
        return address
    }

    /// Reads an IP address.
    package mutating func ip() throws(WireError) -> IPAddress {
        let high = try u64()
        return IPAddress(high: high, low: try u64())
    }

    /// Reads a network; its address has no bit beyond the prefix.
    package mutating func network() throws(WireError) -> Network {
        let address = try ip()
        let prefix = try u8()
        guard prefix <= (address.isV4 ? 32 : 128) else { throw .badValue("prefix") }
        let network = Network(address, prefix: prefix)
        guard network.address == address else { throw .badValue("network") }
        return network
    }

    /// Reads one byte as a case of an enumeration; `name` is the field in errors.
    package mutating func choice<Value: RawRepresentable<UInt8>>(
        _ name: String, of type: Value.Type = Value.self
    ) throws(WireError) -> Value {
        guard let value = Value(rawValue: try u8()) else { throw .badValue(name) }
        return value
    }

    /// Ends the frame: anything left over is an error.
    package mutating func finish() throws(WireError) {
        guard offset == bytes.count else { throw .trailing }
    }
}
