/// Finds a number by a name of bytes.
///
/// It has open addressing, keyed per process by the standard library's seeded SipHash, so that
/// nobody outside can make names collide.
package struct NameTable: ~Copyable {
    /// The number in the lower half, the lower half of its name's hash in the upper one.
    private var slots: [UInt64]
    private var used = 0
    private static let empty = UInt64.max

    /// An empty table.
    package init() { slots = Array(repeating: Self.empty, count: 64) }

    /// The keyed hash of a name.
    package static func hash(_ name: Span<UInt8>) -> UInt64 {
        var hasher = Hasher()
        // In bounds: the span's own storage and length.
        unsafe name.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// The keyed hash of up to three byte strings; where one ends and the next begins counts.
    package static func hash(
        _ first: Span<UInt8>, _ second: Span<UInt8>, _ third: Span<UInt8> = Span()
    ) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(first.count << 20 | second.count)
        // In bounds: the spans' own storage and lengths.
        unsafe first.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        unsafe second.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        unsafe third.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    private static func entry(_ number: Int32, _ hash: UInt64) -> UInt64 {
        hash << 32 | UInt64(UInt32(bitPattern: number))
    }

    /// Where the search for an entry begins.
    private func home(_ entry: UInt64) -> Int { Int(entry >> 32) & (slots.count - 1) }

    /// The number whose name `matches`, or nil.
    package func find(_ hash: UInt64, matches: (Int32) -> Bool) -> Int32? {
        let hash = hash & 0xFFFF_FFFF
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != Self.empty {
            let number = Int32(truncatingIfNeeded: slots[slot])
            if slots[slot] >> 32 == hash, matches(number) { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Adds a number (at least 0) under the hash of its name, which is not in the table yet.
    package mutating func add(_ number: Int32, _ hash: UInt64) {
        if (used + 1) * 4 > slots.count * 3 { grow() }
        insert(Self.entry(number, hash))
        used += 1
    }

    private mutating func insert(_ entry: UInt64) {
        var slot = home(entry)
        while slots[slot] != Self.empty { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    /// Removes the number that stands under a hash; nothing when it is not there.
    package mutating func remove(_ number: Int32, _ hash: UInt64) {
        // A number may stand under several hashes.
        let entry = Self.entry(number, hash)
        var slot = home(entry)
        while slots[slot] != entry {
            if slots[slot] == Self.empty { return }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = Self.empty
        used -= 1
        // Entries that were pushed past the hole are put where a search finds them again.
        var next = (slot + 1) & (slots.count - 1)
        while slots[next] != Self.empty {
            let moved = slots[next]
            slots[next] = Self.empty
            insert(moved)
            next = (next + 1) & (slots.count - 1)
        }
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Self.empty, count: old.count * 2)
        for entry in old where entry != Self.empty { insert(entry) }
    }
}
