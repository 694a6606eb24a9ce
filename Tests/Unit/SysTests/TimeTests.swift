import Glibc
import Sys
import Testing

@Suite struct TimeTests {
    @Test("spans add, compare and round down to seconds")
    func spans() {
        #expect(Milliseconds.seconds(2) + Milliseconds(999) == Milliseconds(2999))
        #expect(Milliseconds(2999).seconds == 2)
        #expect(Milliseconds(1) < .seconds(1))
    }

    @Test("random bytes differ")
    func random() {
        #expect(Random.bytes(32) != Random.bytes(32))
        #expect(Random.bytes(0).isEmpty)
    }
}
