internal import Glibc

/// Where bytes lie in a `TextStore`: which piece, and how many of its bytes are used.
package struct Text: BitwiseCopyable, Sendable {
    /// The piece's first granule; `UInt32.max` for none.
    fileprivate var place: UInt32
    /// How many bytes are used.
    package fileprivate(set) var length: UInt16

    /// No bytes.
    package static let none = Text(place: .max, length: 0)
}

/// Short byte strings kept for long, in pieces of a few sizes out of one reserved region.
///
/// Storing and freeing are O(1). A piece that is freed serves the next string of its size.
@safe
package struct TextStore: ~Copyable {
    private static let granule = 16
    /// The sizes of pieces in granules: at most a quarter of one is unused.
    private static let sizes: InlineArray<25, Int> = [
        1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64,
        80, 96, 112, 128, 160,
    ]
    /// The longest string, in bytes.
    package static let longest = 2560

    private let base: UnsafeMutableRawPointer
    private let granules: UInt32
    /// The first granule that was never used.
    private var fresh: UInt32 = 0
    /// The first free piece of each size; each holds the number of the next one.
    private var free = [UInt32](repeating: .max, count: 25)

    /// A store of so many bytes.
    package init(capacity: Int) {
        granules = UInt32(capacity / Self.granule)
        unsafe base = reserve(max(Int(granules), 1) * Self.granule)
    }

    deinit { unsafe _ = munmap(base, max(Int(granules), 1) * Self.granule) }

    /// The number of the smallest size that holds so many bytes.
    private static func size(of length: Int) -> Int {
        let wanted = (length + granule - 1) / granule
        if wanted <= 8 { return max(wanted, 1) - 1 }
        var number = 8
        while sizes[number] < wanted { number += 1 }
        return number
    }

    private mutating func allocate(_ number: Int) -> UInt32? {
        let piece = free[number]
        guard piece == .max else {
            // In bounds: a free piece is one that was handed out, of at least a granule.
            free[number] = unsafe (base + Int(piece) * Self.granule).load(as: UInt32.self)
            return piece
        }
        let wanted = UInt32(Self.sizes[number])
        guard granules - fresh >= wanted else { return nil }
        fresh += wanted
        return fresh - wanted
    }

    /// Keeps a copy of up to four strings, one behind the other; nil when there is no room or they are too
    /// long together.
    package mutating func store(
        _ first: Span<UInt8>, _ second: Span<UInt8> = Span(), _ third: Span<UInt8> = Span(),
        _ fourth: Span<UInt8> = Span()
    ) -> Text? {
        let length = first.count + second.count + third.count + fourth.count
        guard length > 0 else { return Text.none }
        guard length <= Self.longest, let place = allocate(Self.size(of: length)) else {
            return nil
        }
        var at = Int(place) * Self.granule
        copy(first, to: &at)
        copy(second, to: &at)
        copy(third, to: &at)
        copy(fourth, to: &at)
        return Text(place: place, length: UInt16(length))
    }

    private func copy(_ bytes: Span<UInt8>, to at: inout Int) {
        // In bounds: the piece was taken for the length of all strings.
        unsafe bytes.withUnsafeBytes { source in
            guard let from = source.baseAddress else { return }
            unsafe (base + at).copyMemory(from: from, byteCount: source.count)
        }
        at += bytes.count
    }

    /// Gives a string's piece back; nothing for `Text.none`.
    package mutating func release(_ text: inout Text) {
        guard text.place != .max else { return }
        let number = Self.size(of: Int(text.length))
        // In bounds: the piece was handed out, and is of at least a granule.
        unsafe (base + Int(text.place) * Self.granule).storeBytes(of: free[number], as: UInt32.self)
        free[number] = text.place
        text = .none
    }

    /// A part of a string, which must lie within it.
    @_lifetime(borrow self)
    package func span(_ text: Text, _ start: Int, _ length: Int) -> Span<UInt8> {
        precondition(start >= 0 && length >= 0 && start + length <= Int(text.length))
        let place = text.place == .max ? 0 : Int(text.place)
        // In bounds by the precondition: a text is made by `store` alone, and none has no bytes.
        let first = unsafe (base + place * Self.granule + start)
            .assumingMemoryBound(to: UInt8.self)
        let result = unsafe Span(_unsafeStart: UnsafePointer(first), count: length)
        return unsafe _overrideLifetime(result, borrowing: self)
    }

    /// A whole string.
    @_lifetime(borrow self)
    package func span(_ text: Text) -> Span<UInt8> { span(text, 0, Int(text.length)) }
}
