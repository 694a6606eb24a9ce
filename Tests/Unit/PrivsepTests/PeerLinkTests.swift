import Messages
import Privsep
import Reactor
import ServiceHarness
import Sys
import Testing
import Wire

@Suite("PeerLink")
struct PeerLinkTests {
    /// A link that stands, and the peer's end.
    private func linked() throws -> (link: PeerLink, peer: PlainLink) {
        let (mine, its) = try Socket.seqpacketPair()
        let link = PeerLink(.banner)
        link.attach(mine)
        return (link, PlainLink(its))
    }

    @Test("what is sent while the peer is gone is lost, and costs nothing")
    func withoutPeer() throws {
        let link = PeerLink(.banner)
        link.send([1])
        link.gather(([2] as [UInt8]).span)
        link.sendGathered()
        #expect(!link.isWaiting && link.link == nil)
    }

    @Test("messages that gather come in order, in as few frames as hold them")
    func gathered() throws {
        let (link, peer) = try linked()
        let sent = (0..<3000).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 100) }
        for message in sent { link.gather(message.span) }
        link.sendGathered()
        var came: [[UInt8]] = []
        var frames = 0
        while came.count < sent.count {
            link.flush()
            let frame = try #require(try peer.next())
            frames += 1
            try Parcel.forEach(in: frame.span) { message throws(WireError) in
                came.append(message.indices.map { message[$0] })
            }
        }
        #expect(came == sent && frames < 100)
    }

    @Test("a peer that lets 8 MiB wait has hung: its link is closed, and it sees the end")
    func hung() throws {
        let (link, peer) = try linked()
        var sent = 0
        while link.link != nil, sent < 1000 {
            link.send([UInt8](repeating: 1, count: 60_000))
            sent += 1
        }
        #expect(link.link == nil && !link.isWaiting)
        #expect(sent * 60_000 > 8 << 20)
        while let frame = try peer.next(), !frame.isEmpty {}
        #expect(try peer.next() == [])
    }

    @Test("a peer that goes is found by the next frame")
    func gone() throws {
        let (link, peer) = try linked()
        peer.close()
        link.send([1])
        #expect(link.link == nil)
    }
}
