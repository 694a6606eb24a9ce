import Testing

@testable import Sys

@Suite struct QueueTests {
    @Test(
        "what is added comes out in order, whatever is taken meanwhile", arguments: [1, 3, 7, 64])
    func order(_ share: Int) {
        var queue = Queue<UInt8>()
        var added: UInt8 = 0
        var expected: UInt8 = 0
        for _ in 0..<1000 {
            let new = (0..<5).map { added &+ UInt8($0) }
            added &+= 5
            queue.append(new.span)
            let count = min(share, queue.count)
            for index in 0..<count { #expect(queue.span[index] == expected &+ UInt8(index)) }
            expected &+= UInt8(count)
            queue.removeFirst(count)
            #expect(queue.isEmpty == (queue.count == 0))
            #expect(queue.first == (queue.isEmpty ? nil : expected))
        }
    }

    @Test("taking from the front moves each element at most once for each that is taken")
    func moves() {
        var queue = Queue<Int>()
        for number in 0..<4096 { queue.append(number) }
        var moved = 0
        while queue.count > 1 {
            queue.removeFirst()
            if queue.taken == 0 { moved += queue.count }
        }
        #expect(moved <= 4096)
    }
}
