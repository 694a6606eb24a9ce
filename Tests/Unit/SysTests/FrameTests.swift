import Glibc
import Sys
import Testing

@Suite struct FrameTests {
    private var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)

    @Test("a frame comes out whole, with the descriptor that went with it")
    mutating func passes() throws {
        let (a, b) = try Socket.seqpacketPair()
        let (inner, other) = try Socket.seqpacketPair()
        let frame: [UInt8] = [1, 2, 3]
        #expect(try Frame.send(frame.span, passing: inner, on: a.raw))
        guard case .frame(3, let passed?) = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("no frame with a descriptor")
            return
        }
        #expect(Array(buffer[..<3]) == frame)
        // What was passed is the same socket: its other end hears it.
        #expect(try Frame.send(frame.span, on: passed.raw))
        guard case .frame(3, nil) = try Frame.receive(into: &buffer, on: other.raw) else {
            Issue.record("the passed descriptor is another")
            return
        }
    }

    @Test("no frame, and the end, are told apart")
    mutating func ends() throws {
        let (a, b) = try Socket.seqpacketPair()
        guard case .nothing = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("a frame out of nothing")
            return
        }
        a.close()
        guard case .ended = try Frame.receive(into: &buffer, on: b.raw) else {
            Issue.record("the end was not seen")
            return
        }
        let frame: [UInt8] = [1]
        #expect(throws: SystemError.self) { try Frame.send(frame.span, on: b.raw) }
    }

    @Test("a frame longer than the buffer is an error, not a part of it")
    func tooLong() throws {
        let (a, b) = try Socket.seqpacketPair()
        let frame = [UInt8](repeating: 7, count: 100)
        #expect(try Frame.send(frame.span, on: a.raw))
        var small = [UInt8](repeating: 0, count: 10)
        #expect(throws: SystemError("receive frame", code: Errno.tooLong)) {
            try Frame.receive(into: &small, on: b.raw)
        }
    }

    @Test("a full socket says so, and loses nothing")
    mutating func full() throws {
        let (a, b) = try Socket.seqpacketPair()
        var sent: UInt8 = 0
        while sent < 255 {
            let frame = [UInt8](repeating: sent, count: 60_000)
            guard try Frame.send(frame.span, on: a.raw) else { break }
            sent += 1
        }
        #expect(sent > 0 && sent < 255)
        for expected in 0..<sent {
            guard case .frame(60_000, nil) = try Frame.receive(into: &buffer, on: b.raw) else {
                Issue.record("frame \(expected) is lost")
                return
            }
            #expect(buffer[0] == expected && buffer[59_999] == expected)
        }
    }
}
