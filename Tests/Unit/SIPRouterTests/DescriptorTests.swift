import Glibc
import Messages
import Sys
import Testing
import Wire

@Suite("Out of descriptors", .serialized)
struct DescriptorTests {
    private static let begun = "no more TCP connections are accepted"

    @Test("connections wait while descriptors are out; callers are answered, and nothing spins")
    func accepting() throws {
        let router = try RouterChild()
        let first = try router.connect()
        #expect(router.answers(first))
        try router.limit(descriptors: 64)
        var crowd: [Descriptor] = []
        for _ in 0..<100 { crowd.append(try router.connect()) }
        #expect(router.says(Self.begun) == 1)
        let (before, began) = (try router.ticks(), Clock.monotonic)
        for _ in 0..<3 {
            // Once a second.
            try router.hear(.watchdog)
            for _ in 0..<3 { #expect(try router.ask(.asterisks)?.last == .done) }
            #expect(router.answers(first))
        }
        let used = try router.ticks() - before
        #expect(used * 10 * 2 < (Clock.monotonic - began).count)
        // Those that were accepted leave, and with them all that have waited but one.
        let last = crowd.removeLast()
        crowd.removeAll()
        #expect(router.answers(last))
        #expect(router.says("TCP connections are accepted again") == 1)
        #expect(router.says(Self.begun) == 1)
        #expect(router.answers(first))
    }

    @Test("a caller whose descriptor is lost costs nobody else anything")
    func cutCaller() throws {
        let router = try RouterChild()
        let first = try router.connect()
        #expect(router.answers(first))
        try router.limit(descriptors: 5)
        #expect(try router.ask(.asterisks) == nil)
        #expect(router.says("a caller of the control socket is lost") == 1)
        #expect(router.says("raise LimitNOFILE=") == 1)
        try router.limit(descriptors: 1024)
        #expect(try router.ask(.asterisks)?.last == .done)
        #expect(router.answers(first))
    }

    @Test("a link whose descriptor is lost is asked for again until it has come")
    func cutLink() throws {
        let router = try RouterChild()
        try router.limit(descriptors: 5)
        let (lost, end) = try Socket.seqpacketPair()
        try router.send(.peer(.directory, end))
        end.close()
        try router.hear(.lostLink(.directory))
        #expect(lost.raw >= 0)
        try router.limit(descriptors: 1024)
        let (mine, its) = try Socket.seqpacketPair()
        try router.send(.peer(.directory, its))
        // The old question may come once more, but not once the link is there.
        try router.hear(.watchdog)
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        guard case .frame = try Frame.receive(into: &buffer, on: mine.raw) else {
            Issue.record("no hello by the new link")
            return
        }
    }
}
