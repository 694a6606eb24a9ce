/// A part of a message: an offset and a length, so that an index of a message holds no pointer.
@usableFromInline
package struct Slice: Equatable, Sendable {
    /// The first byte's place in the message.
    @usableFromInline
    package var offset: UInt16
    /// How many bytes.
    @usableFromInline
    package var length: UInt16

    /// A part of `length` bytes at `offset`; both fit, since a message is at most 65,535 bytes.
    @inlinable
    package init(_ offset: Int, _ length: Int) {
        self.offset = UInt16(truncatingIfNeeded: offset)
        self.length = UInt16(truncatingIfNeeded: length)
    }

    /// The empty part.
    package static let empty = Slice(0, 0)

    /// Whether it has no bytes.
    @inlinable
    package var isEmpty: Bool { length == 0 }

    /// Where it begins.
    @inlinable
    package var start: Int { Int(offset) }

    /// Where it ends.
    @inlinable
    package var end: Int { Int(offset) + Int(length) }

    /// The part that begins and ends at these places.
    @inlinable
    package static func from(_ start: Int, to end: Int) -> Slice { Slice(start, end - start) }
}

extension Span<UInt8> {
    /// The bytes of a part.
    @_lifetime(copy self)
    @inlinable
    package func bytes(_ slice: Slice) -> Span<UInt8> { extracting(slice.start..<slice.end) }
}
