import Sys
import Testing

@Suite struct BlockStoreTests {
    private func bytes(_ length: Int) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: $0) }
    }

    private func isKept(_ store: borrowing BlockStore, _ block: Block, _ expected: [UInt8]) -> Bool
    {
        let span = store.span(block)
        return span.count == expected.count && span.indices.allSatisfy { span[$0] == expected[$0] }
    }

    @Test("what is stored lies there whole until it is released, whatever its size")
    func sizes() {
        var store = BlockStore([(16, 2), (64, 2), (256, 1)])
        var blocks: [(Block, [UInt8])] = []
        for length in [0, 16, 17, 64, 256] {
            let block = store.store(bytes(length).span)
            blocks.append((block, bytes(length)))
        }
        for (block, expected) in blocks {
            let isKept = isKept(store, block, expected)
            #expect(block.exists && isKept)
        }
        let full = store.free
        #expect(full == 0)
    }

    @Test("a size that is used up is served by a larger one, and by none in the end")
    func full() {
        var store = BlockStore([(16, 1), (64, 1)])
        let first = store.store(bytes(10).span)
        var second = store.store(bytes(10).span)
        let third = store.store(bytes(10).span)
        #expect(first.exists && second.exists && !third.exists)
        store.release(&second)
        let again = store.store(bytes(60).span)
        let tooLong = store.store(bytes(65).span)
        let isKept = isKept(store, again, bytes(60))
        #expect(!second.exists && isKept && !tooLong.exists)
    }
}
