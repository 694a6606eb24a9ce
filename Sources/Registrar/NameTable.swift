/// Finds a number by a name of bytes: open addressing, keyed per process by the standard library's
/// seeded SipHash, so that nobody outside can make names collide.
package struct NameTable: ~Copyable {
    private var slots: [Int32]
    private var hashes: [UInt64]
    private var used = 0

    /// An empty table.
    package init() {
        slots = Array(repeating: -1, count: 64)
        hashes = Array(repeating: 0, count: 64)
    }

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

    /// The number whose name `matches`, or nil.
    package func find(_ hash: UInt64, matches: (Int32) -> Bool) -> Int32? {
        var slot = Int(hash & UInt64(slots.count - 1))
        while slots[slot] >= 0 {
            if hashes[slot] == hash, matches(slots[slot]) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Adds a number under the hash of its name, which is not in the table yet.
    package mutating func add(_ number: Int32, _ hash: UInt64) {
        if (used + 1) * 2 > slots.count { grow() }
        insert(number, hash)
        used += 1
    }

    private mutating func insert(_ number: Int32, _ hash: UInt64) {
        var slot = Int(hash & UInt64(slots.count - 1))
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = number
        hashes[slot] = hash
    }

    /// Removes the number that stands under a hash; nothing when it is not there.
    package mutating func remove(_ number: Int32, _ hash: UInt64) {
        var slot = Int(hash & UInt64(slots.count - 1))
        // A number may stand under several hashes.
        while slots[slot] != number || hashes[slot] != hash {
            if slots[slot] < 0 { return }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = -1
        used -= 1
        // Entries that were pushed past the hole are put where a search finds them again.
        var next = (slot + 1) & (slots.count - 1)
        while slots[next] >= 0 {
            let moved = slots[next]
            slots[next] = -1
            insert(moved, hashes[next])
            next = (next + 1) & (slots.count - 1)
        }
    }

    private mutating func grow() {
        let old = (slots, hashes)
        slots = Array(repeating: -1, count: old.0.count * 2)
        hashes = Array(repeating: 0, count: old.0.count * 2)
        for index in old.0.indices where old.0[index] >= 0 { insert(old.0[index], old.1[index]) }
    }
}
