import Messages
import Privsep
import ServiceHarness
import Sys
import Testing

@Suite("PlaintextLink")
struct PlaintextLinkTests {
    private func linked() throws -> (link: PlaintextLink, other: PlaintextEnd) {
        let (other, its) = try PlaintextEnd.make(hello: false)
        let link = PlaintextLink(.terminator, framesPerTurn: 8)
        link.peer.attach(its)
        return (link, other)
    }

    @Test(
        "a new link begins with the hello, and with nothing that was meant for an earlier process")
    func begins() throws {
        let (link, other) = try linked()
        link.send(.closed, connection: 7)
        link.linked()
        let hello = PlaintextMessage(kind: .hello, connection: 0, payload: [messagesVersion])
        #expect(other.next() == hello)
        #expect(other.next() == nil)
    }

    @Test("what a turn has goes in one frame, and plaintext of any length comes whole")
    func whole() throws {
        let (link, other) = try linked()
        link.send(.closed, connection: 7)
        link.send(.closed, connection: 8)
        #expect(other.next() == nil)
        link.flush()
        #expect(other.parcel().map(\.connection) == [7, 8])
        let sent = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        link.send(sent.span, to: 9)
        link.flush()
        var came: [UInt8] = []
        while let message = other.next() {
            #expect(message.kind == .data && message.connection == 9)
            came += message.payload
        }
        #expect(came == sent)
    }

    @Test("without the other side what is sent is lost, however much it is")
    func alone() throws {
        let link = PlaintextLink(.router, framesPerTurn: 8)
        for _ in 0..<100 { link.send([UInt8](repeating: 1, count: 60_000).span, to: 1) }
        link.flush()
        #expect(link.parcel.isEmpty && !link.peer.isWaiting)
    }
}
