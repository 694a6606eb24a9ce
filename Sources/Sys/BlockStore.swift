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

/// Messages kept for a while, in blocks of a few sizes whose number is fixed.
///
/// The memory is reserved at once and touched only as it is used; a block that was freed last is taken
/// first. A full store stores nothing: the caller refuses new work. Storing and freeing are O(1).
@safe
package struct BlockStore: ~Copyable {
    /// How many blocks there are of a size, and which of them are free.
    private struct Size {
        /// In bytes.
        let size: Int
        let count: Int32
        /// The number of its first block.
        let first: Int32
        /// Where its first block lies.
        let start: Int
        /// How many of its blocks were ever used.
        var fresh: Int32 = 0
        /// A free one of these, which holds the number of the next; -1 for none.
        var free: Int32 = -1
        var used: Int32 = 0
        /// How many messages that this size is for found no room.
        var refused = 0
    }

    private let base: UnsafeMutableRawPointer
    private let total: Int
    private var sizes: [Size] = []

    /// A store of blocks of these sizes in bytes, which ascend and are multiples of 4, so many of each.
    package init(_ wanted: [(size: Int, count: Int)]) {
        var start = 0
        var first: Int32 = 0
        for (size, count) in wanted {
            sizes.append(Size(size: size, count: Int32(count), first: first, start: start))
            start += size * count
            first += Int32(count)
        }
        total = start
        unsafe base = reserve(total)
    }

    deinit { unsafe _ = munmap(base, total) }

    /// The number of the size that a block is of, and how many blocks of it there are.
    package func size(of block: Block) -> (number: Int, count: Int) {
        let number = number(of: block.index)
        return (number, Int(sizes[number].count))
    }

    /// How many messages that a size is for found no room in it or a larger one, since the beginning.
    package func refused(_ number: Int) -> Int { sizes[number].refused }

    /// Whether a message of so many bytes would find a block.
    package func hasRoom(_ length: Int) -> Bool {
        for number in 0..<sizes.count where length <= sizes[number].size {
            if sizes[number].used < sizes[number].count { return true }
        }
        return false
    }

    /// How many blocks are free.
    package var free: Int { sizes.reduce(0) { $0 + Int($1.count - $1.used) } }

    /// The number of the size that a block is of.
    private func number(of index: Int32) -> Int {
        var number = 0
        while index >= sizes[number].first + sizes[number].count { number += 1 }
        return number
    }

    private func block(_ index: Int32, _ number: Int) -> UnsafeMutableRawPointer {
        let size = sizes[number]
        // In bounds: the index is one of the size's blocks.
        return unsafe base + size.start + Int(index - size.first) * size.size
    }

    /// A block of a size, or nil when all are used.
    private mutating func allocate(_ number: Int) -> Int32? {
        var index = sizes[number].free
        if index >= 0 {
            // In bounds: a block is longer than a number.
            sizes[number].free = unsafe block(index, number).load(as: Int32.self)
        } else {
            guard sizes[number].fresh < sizes[number].count else { return nil }
            index = sizes[number].first + sizes[number].fresh
            sizes[number].fresh += 1
        }
        sizes[number].used += 1
        return index
    }

    /// Keeps a copy of the bytes; `Block.none` when the store is full or they are too long.
    package mutating func store(_ bytes: Span<UInt8>) -> Block {
        for number in 0..<sizes.count where bytes.count <= sizes[number].size {
            guard let index = allocate(number) else { continue }
            // In bounds: the block is at least as long as the bytes, by its size.
            unsafe bytes.withUnsafeBytes { source in
                guard let from = source.baseAddress else { return }
                unsafe block(index, number).copyMemory(from: from, byteCount: source.count)
            }
            return Block(index: index, length: UInt32(bytes.count))
        }
        refuse(bytes.count)
        return .none
    }

    private mutating func refuse(_ length: Int) {
        for number in 0..<sizes.count where length <= sizes[number].size {
            sizes[number].refused += 1
            return
        }
    }

    /// Keeps a copy of what a buffer holds, as `store`.
    package mutating func store(_ buffer: borrowing ByteBuffer) -> Block { store(buffer.span) }

    /// Gives the block back; nothing for `Block.none`.
    package mutating func release(_ block: inout Block) {
        guard block.exists else { return }
        let number = number(of: block.index)
        // In bounds: a block is longer than a number.
        unsafe self.block(block.index, number).storeBytes(of: sizes[number].free, as: Int32.self)
        sizes[number].free = block.index
        sizes[number].used -= 1
        block = .none
    }

    /// The bytes of a block.
    @_lifetime(borrow self)
    package func span(_ block: Block) -> Span<UInt8> {
        precondition(block.exists)
        // In bounds: a block is made by `store` alone, within its size.
        let start = unsafe self.block(block.index, number(of: block.index))
            .assumingMemoryBound(to: UInt8.self)
        let result = unsafe Span(_unsafeStart: UnsafePointer(start), count: Int(block.length))
        return unsafe _overrideLifetime(result, borrowing: self)
    }
}
