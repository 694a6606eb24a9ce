/// A table of values with handles: an index, and a generation by which a stale handle is recognised.
///
/// It grows up to its capacity and never beyond; a full table hands out nothing, and the caller refuses
/// new work.
package struct Slots<Element: BitwiseCopyable>: ~Copyable {
    /// How many there may be.
    @inlinable
    package var capacity: Int { elements.capacity }

    @usableFromInline
    var elements: ReservedArray<Element>
    @usableFromInline
    var generations: ReservedArray<UInt32>
    @usableFromInline
    var free: [UInt32] = []
    @usableFromInline
    let empty: Element
    /// How many are in use.
    @usableFromInline
    package internal(set) var count = 0
    /// How many found no place, since the beginning.
    @usableFromInline
    package internal(set) var refused = 0

    /// How many places there are, those that are free included.
    @inlinable
    package var places: Int { elements.count }

    /// A table of at most `capacity`; unused places hold `empty`.
    @inlinable
    package init(capacity: Int, empty: Element) {
        elements = ReservedArray(capacity: capacity)
        generations = ReservedArray(capacity: capacity)
        self.empty = empty
    }

    /// Takes a place; nil when all are taken.
    @inlinable
    package mutating func take(_ element: Element) -> Handle? {
        if let index = free.popLast() {
            elements[Int(index)] = element
            count += 1
            return Handle(index: index, generation: generations[Int(index)])
        }
        guard elements.append(element), generations.append(0) else {
            refused += 1
            return nil
        }
        count += 1
        return Handle(index: UInt32(elements.count - 1), generation: 0)
    }

    /// Gives a place back; its handle is stale from then on.
    @inlinable
    package mutating func release(_ handle: Handle) {
        guard contains(handle) else { return }
        elements[Int(handle.index)] = empty
        generations[Int(handle.index)] = (generations[Int(handle.index)] + 1) & 0xFF_FFFF
        free.append(handle.index)
        count -= 1
    }

    /// Whether the handle is of a place in use.
    ///
    /// A place that is free has a generation that no handle has.
    @inlinable
    package func contains(_ handle: Handle) -> Bool {
        guard Int(handle.index) < generations.count else { return false }
        // In bounds by the guard.
        return unsafe generations.base[Int(handle.index)] == handle.generation
    }

    /// The handle that `index` has now; nil past the end.
    @inlinable
    package func handle(at index: UInt32) -> Handle? {
        guard Int(index) < generations.count else { return nil }
        // In bounds by the guard.
        return unsafe Handle(index: index, generation: generations.base[Int(index)])
    }

    /// The value of a handle, which must be of a place in use; it is lent by its address, as `ReservedArray` does.
    package subscript(handle: Handle) -> Element {
        @inlinable unsafeAddress {
            precondition(Int(handle.index) < elements.count)
            // In bounds by the line above.
            return unsafe UnsafePointer(elements.base + Int(handle.index))
        }
        @inlinable unsafeMutableAddress {
            precondition(Int(handle.index) < elements.count)
            // In bounds by the line above.
            return unsafe elements.base + Int(handle.index)
        }
    }
}

/// A place in a `Slots` table; 56 bits, so that a timer's payload can carry it beside a kind.
package struct Handle: BitwiseCopyable, Hashable, Sendable {
    /// The place.
    package var index: UInt32
    /// Which use of the place, 24 bits.
    package var generation: UInt32

    /// No place.
    @inlinable
    package static var none: Handle { Handle(index: .max, generation: 0) }

    /// Whether it names a place.
    @inlinable
    package var exists: Bool { index != .max }

    /// A handle of its parts.
    @inlinable
    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// The handle of a timer's payload.
    @inlinable
    package init(payload: UInt64) {
        index = UInt32(truncatingIfNeeded: payload)
        generation = UInt32(truncatingIfNeeded: payload >> 32) & 0xFF_FFFF
    }
}
