internal import Glibc

/// Where a stored message lies: a block of a `BlockStore`, and how much of it is used.
package struct Block: BitwiseCopyable, Sendable {
    /// The block's number; -1 for none.
    package var index: Int32
    /// The bytes used.
    package var length: UInt32

    /// No block.
    package static let none = Block(index: -1, length: 0)

    /// Whether it names a block.
    package var exists: Bool { index >= 0 }
}

/// Messages kept for a while, in blocks of two sizes whose number is fixed.
///
/// The memory is reserved at once and touched only as it is used. A full store stores nothing: the
/// caller refuses new work. Storing and freeing are O(1).
@safe
package struct BlockStore: ~Copyable {
    /// A small block's size, in bytes: nearly every SIP message fits.
    package static let smallSize = 2048
    /// A large block's size, in bytes: the longest message of a stream.
    package static let largeSize = 65_536

    private let base: UnsafeMutableRawPointer
    private let smallCount: Int
    private let total: Int
    private var freeSmall: [Int32]
    private var freeLarge: [Int32]

    /// A store of so many small and large blocks.
    package init(small: Int, large: Int) {
        total = small * Self.smallSize + large * Self.largeSize
        smallCount = small
        unsafe base = reserve(total)
        freeSmall = (0..<Int32(small)).reversed()
        freeLarge = (Int32(small)..<Int32(small + large)).reversed()
    }

    deinit { unsafe _ = munmap(base, total) }

    /// How many blocks are free.
    package var free: Int { freeSmall.count + freeLarge.count }

    private func offset(_ index: Int32) -> Int {
        let index = Int(index)
        if index < smallCount { return index * Self.smallSize }
        return smallCount * Self.smallSize + (index - smallCount) * Self.largeSize
    }

    /// Keeps a copy of the bytes; `Block.none` when the store is full or they are too long.
    package mutating func store(_ bytes: Span<UInt8>) -> Block {
        var index: Int32?
        if bytes.count <= Self.smallSize { index = freeSmall.popLast() }
        if index == nil, bytes.count <= Self.largeSize { index = freeLarge.popLast() }
        guard let index else { return .none }
        // In bounds: the block is at least as long as the bytes, by its class.
        unsafe bytes.withUnsafeBytes { source in
            if let from = source.baseAddress {
                unsafe (base + offset(index)).copyMemory(from: from, byteCount: source.count)
            }
        }
        return Block(index: index, length: UInt32(bytes.count))
    }

    /// Keeps a copy of what a buffer holds, as `store`.
    package mutating func store(_ buffer: borrowing ByteBuffer) -> Block { store(buffer.span) }

    /// Gives the block back; nothing for `Block.none`.
    package mutating func release(_ block: inout Block) {
        guard block.exists else { return }
        if Int(block.index) < smallCount {
            freeSmall.append(block.index)
        } else {
            freeLarge.append(block.index)
        }
        block = .none
    }

    /// The bytes of a block.
    @_lifetime(borrow self)
    package func span(_ block: Block) -> Span<UInt8> {
        precondition(block.exists)
        // In bounds: a block is made by `store` alone, within its class's size.
        let start = unsafe (base + offset(block.index)).assumingMemoryBound(to: UInt8.self)
        let result = unsafe Span(_unsafeStart: UnsafePointer(start), count: Int(block.length))
        return unsafe _overrideLifetime(result, borrowing: self)
    }
}
