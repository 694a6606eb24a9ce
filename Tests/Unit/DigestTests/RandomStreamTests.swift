import Digest
import Testing

@Suite struct RandomStreamTests {
    private func numbers(_ seed: UInt8, _ count: Int) -> [UInt64] {
        var stream = RandomStream(seed: [UInt8](repeating: seed, count: RandomStream.seedLength))
        var numbers: [UInt64] = []
        for _ in 0..<count { numbers.append(stream.next()) }
        return numbers
    }

    @Test("the same seed gives the same numbers, another one others, and none comes twice")
    func streams() {
        let some = numbers(1, 20_000)
        #expect(some == numbers(1, 20_000))
        #expect(Set(some).count == some.count)
        #expect(Set(some).isDisjoint(with: numbers(2, 20_000)))
    }

    @Test("half of the bits are set, at every place of a number")
    func balanced() {
        let some = numbers(3, 20_000)
        for bit in 0..<64 {
            let set = some.count { $0 >> UInt64(bit) & 1 == 1 }
            // Eight standard deviations.
            #expect(abs(set - 10_000) < 566)
        }
    }
}
