import Glibc
import Reactor
import Sys
import Testing

@Suite struct LinkTests {
    @Test("frames that find no room wait, and go out in their order")
    func queues() throws {
        let (a, b) = try Socket.seqpacketPair()
        let sender = Link(a)
        let receiver = Link(b)
        for number in UInt8(0)..<100 {
            let sent = sender.send([UInt8](repeating: number, count: 10_000))
            #expect(sent == .sent || sent == .queued)
        }
        #expect(sender.isWaiting)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        var next: UInt8 = 0
        while next < 100 {
            guard case .frame(10_000, nil) = try receiver.receive(into: &buffer) else {
                Issue.record("frame \(next) is lost")
                return
            }
            #expect(buffer[0] == next)
            next += 1
            #expect(sender.flush())
        }
        #expect(!sender.isWaiting)
    }

    @Test("a peer that does not read is told of at the limit")
    func limit() throws {
        let (a, b) = try Socket.seqpacketPair()
        let sender = Link(a, queueLimit: 20_000)
        var last = Link.Sent.sent
        for _ in 0..<1000 where last != .full {
            last = sender.send([UInt8](repeating: 0, count: 10_000))
        }
        #expect(last == .full)
        withExtendedLifetime(b) {}
    }

    @Test("a peer that is gone is told of")
    func gone() throws {
        let (a, b) = try Socket.seqpacketPair()
        b.close()
        #expect(Link(a).send([1]) == .ended)
    }
}
