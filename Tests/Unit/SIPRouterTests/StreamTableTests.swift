import Messages
import Reactor
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

    @Test("the connections of a source are bounded, an IPv4 address or an IPv6 /64")
    func bounded() throws {
        let socket = try socket()
        for family in ["198.51.100.7:", "[2001:db8::%]:"] {
            var table = StreamTable()
            func add(_ text: String) throws -> StreamPeer? {
                let address = try peer(text)
                return table.add(socket, listener: 1, peer: address, now: Milliseconds(0))?.peer
            }
            func text(_ number: Int) -> String {
                family.replacing("%", with: String(number, radix: 16)) + "\(10_000 + number)"
            }
            let first = try add(text(1))
            for number in 2...StreamTable.perSource { #expect(try add(text(number)) != nil) }
            #expect(try add(text(StreamTable.perSource + 1)) == nil)
            let others = ["198.51.100.8:5060", "[2001:db8:0:1::1]:5060"]
            for other in others { #expect(try add(other) != nil) }
            table.remove(try #require(first))
            #expect(try add(text(StreamTable.perSource + 1)) != nil)
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

    @Test("connections of an earlier process keep their places, and new ones find others")
    func adopted() throws {
        var table = StreamTable()
        let handles = [5, 0, 9].map { ConnectionHandle(.tcp, place: $0) }
        let kept = try handles.map {
            (
                connection: KeptConnection(handle: $0, listener: 1, peer: try peer()),
                socket: try socket()
            )
        }
        let adopted = table.adopt(kept, now: Milliseconds(0))
        #expect(Set(adopted.map(\.flow.connection)) == Set(handles.map(\.raw)))
        for peer in adopted {
            #expect(table[peer.flow] === peer && table[table.token(of: peer)] === peer)
        }
        for _ in 0..<20 {
            let (new, _) = try #require(
                table.add(try socket(), listener: 1, peer: try peer(), now: Milliseconds(0)))
            #expect(table[new.flow] === new)
        }
        for peer in adopted { #expect(table[peer.flow] === peer) }
        #expect(table.all.count == 23)
    }

    @Test("a place twice, or beyond the table, is not taken over")
    func unfit() throws {
        var table = StreamTable()
        let kept = try [7, 7, UInt16(StreamTable.capacity)].map {
            (
                connection: KeptConnection(
                    handle: ConnectionHandle(.tcp, place: $0), listener: 1, peer: try peer()),
                socket: try socket()
            )
        }
        #expect(table.adopt(kept, now: Milliseconds(0)).count == 1)
    }
}
