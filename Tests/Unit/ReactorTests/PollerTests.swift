import Glibc
import Reactor
import Sys
import Testing

@Suite struct TokenTests {
    @Test("kind, generation and index come out of a token as they went in")
    func packs() {
        for _ in 0..<500 {
            let word = Random.word
            let kind = UInt8(truncatingIfNeeded: word >> 56)
            let generation = UInt32(truncatingIfNeeded: word >> 32) & 0xFF_FFFF
            let index = UInt32(truncatingIfNeeded: word)
            let token = Token(kind: kind, index: index, generation: generation)
            #expect(token.kind == kind && token.generation == generation && token.index == index)
            #expect(Token(raw: token.raw) == token)
        }
    }

    @Test("a generation too long for a token does not touch the kind")
    func overlong() {
        #expect(Token(kind: 1, generation: .max).kind == 1)
    }
}

@Suite struct PollerTests {
    @Test("a descriptor is reported while it is ready, with its own token")
    func readable() throws {
        let (a, b) = try Socket.seqpacketPair()
        var poller = try Poller()
        try poller.add(b.raw, Token(kind: 9, index: 8), .read)
        #expect(poller.wait(Milliseconds(0)) == 0)
        let frame: [UInt8] = [1]
        _ = try Frame.send(frame.span, on: a.raw)
        for _ in 0..<2 {
            #expect(poller.wait(.seconds(10)) == 1)
            let event = poller.event(0)
            #expect(event.token == Token(kind: 9, index: 8) && event.readable && !event.writable)
        }
    }

    @Test("interest can be changed and taken back")
    func interest() throws {
        let (a, b) = try Socket.seqpacketPair()
        var poller = try Poller()
        try poller.add(b.raw, Token(kind: 1), .read)
        try poller.modify(b.raw, Token(kind: 2), [.read, .write])
        #expect(poller.wait(.seconds(10)) == 1)
        #expect(poller.event(0).token.kind == 2 && poller.event(0).writable)
        poller.remove(b.raw)
        #expect(poller.wait(Milliseconds(0)) == 0)
        #expect(throws: SystemError.self) { try poller.modify(b.raw, Token(kind: 1), .read) }
        withExtendedLifetime(a) {}
    }

    @Test("the end of the other side counts as readable")
    func hangUp() throws {
        let (a, b) = try Socket.seqpacketPair()
        var poller = try Poller()
        try poller.add(b.raw, Token(kind: 1), .read)
        a.close()
        #expect(poller.wait(.seconds(10)) == 1)
        #expect(poller.event(0).readable)
    }
}
