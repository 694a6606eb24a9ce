internal import Glibc

/// An array of a fixed capacity, whose memory is reserved at once and becomes resident only as it is used.
///
/// It grows without moving what it holds. No copy of a large table stops the loop, and no second
/// copy of it stays in the allocator.
@safe
package struct ReservedArray<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline
    let base: UnsafeMutablePointer<Element>
    private let length: Int
    /// How many elements fit.
    @usableFromInline
    package let capacity: Int
    /// How many there are.
    @usableFromInline
    package internal(set) var count = 0

    /// An empty array with room for so many.
    package init(capacity: Int) {
        self.capacity = capacity
        length = max(capacity, 1) * MemoryLayout<Element>.stride
        unsafe base = reserve(length).bindMemory(to: Element.self, capacity: capacity)
    }

    /// An array that is full of elements whose bytes are all zero, which must be good ones; none is resident before
    /// it is written.
    package init(zeros count: Int) {
        self.init(capacity: count)
        self.count = count
    }

    deinit { unsafe _ = munmap(base, length) }

    /// Element `index`, which is below `count`.
    ///
    /// It is lent by its address: a reader of one property gets no copy of all of them, and no frame of a coroutine is
    /// made where a generic table is not specialised.
    package subscript(index: Int) -> Element {
        @inlinable unsafeAddress {
            precondition(index >= 0 && index < count)
            // In bounds by the line above.
            return unsafe UnsafePointer(base + index)
        }
        @inlinable unsafeMutableAddress {
            precondition(index >= 0 && index < count)
            // In bounds by the line above.
            return unsafe base + index
        }
    }

    /// Adds an element; false when there is no room.
    @inlinable
    package mutating func append(_ element: Element) -> Bool {
        guard count < capacity else { return false }
        // In bounds by the guard.
        unsafe (base + count).initialize(to: element)
        count += 1
        return true
    }
}

/// Address space of so many bytes, aligned to a page and zero; resident only where it is written.
@unsafe
func reserve(_ length: Int) -> UnsafeMutableRawPointer {
    let map = unsafe mmap(
        nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let map = unsafe map, unsafe map != MAP_FAILED else {
        preconditionFailure("no address space for \(length) bytes")
    }
    return unsafe map
}
