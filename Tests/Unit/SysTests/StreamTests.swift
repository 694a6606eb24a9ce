import Glibc
import Sys
import Testing

@Suite struct StreamTests {
    @Test("a pipe carries bytes, would block when empty, and ends")
    func pipe() throws {
        let (reading, writing) = try Stream.pipe()
        var buffer = [UInt8](repeating: 0, count: 8)
        #expect(Stream.read(reading.raw, into: &buffer, at: 0) == .wouldBlock)
        writing.close()
        #expect(Stream.read(reading.raw, into: &buffer, at: 0) == .ended)
    }
}
