import Messages
import Reactor
import Registrar
import Sys
import Testing

@testable import sip_router

@Suite("StreamTable")
struct StreamTableTests {
    private func peer(_ text: String = "198.51.100.7:40000") throws -> SocketAddress {
        try #require(SocketAddress(text))
    }

    /// A descriptor that nothing is read from.
    private func socket() throws -> Descriptor { try Socket.seqpacketPair().0 }

    @Test("neither a life nor two lives give a handle twice")
    func handles() throws {
        var handles: Set<UInt64> = []
        for _ in 0..<2 {
            var table = StreamTable()
            for _ in 0..<1000 {
                let (peer, _) = try #require(
                    table.add(
                        try socket(), listener: 1, peer: try peer(), now: Milliseconds(0)))
                #expect(handles.insert(peer.flow.connection).inserted)
                #expect(ConnectionHandle(raw: peer.flow.connection).transport == .tcp)
                table.remove(peer)
            }
        }
    }

    @Test("a peer is found by its whole flow alone")
    func wholeFlow() throws {
        var table = StreamTable()
        let (first, token) = try #require(
            table.add(try socket(), listener: 1, peer: try peer(), now: Milliseconds(0)))
        let flow = first.flow
        #expect(table[flow] === first && table[token] === first)
        var others = [flow, flow, flow, flow]
        others[0].connection ^= 1 << 20
        others[1].peer.port += 1
        others[2].peer = try peer("[2001:db8::7]:40000")
        others[3].listener = 2
        for other in others { #expect(table[other] == nil) }
        table.remove(first)
        #expect(table[flow] == nil && table[token] == nil)
        let (second, other) = try #require(
            table.add(try socket(), listener: 1, peer: try peer(), now: Milliseconds(0)))
        #expect(table[flow] == nil && table[token] == nil)
        #expect(table[second.flow] === second && table[other] === second)
    }
}
