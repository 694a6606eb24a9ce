import Messages
import Sys
import Testing

@testable import sip_router

@Suite("StreamPeer")
struct StreamPeerTests {
    /// A peer over TCP, and the other end of its connection.
    private func connected() throws -> (peer: StreamPeer, other: Descriptor) {
        let loopback = SocketAddress(IPAddress(v4: 0x7F00_0001), port: 0)
        let listener = try Socket.bound(.stream, to: loopback)
        let other = try Socket.connecting(
            from: loopback, to: try Socket.localAddress(listener.raw))
        let deadline = Clock.monotonic + .seconds(30)
        while Clock.monotonic < deadline {
            if let accepted = try Socket.accept(listener.raw) {
                let flow = Flow(.tcp, listener: 1, peer: accepted.peer, connection: 1 << 63)
                let peer = StreamPeer(flow, socket: accepted.connection, now: Milliseconds(0))
                return (peer, other)
            }
        }
        throw SystemError("accept", code: 0)
    }

    @Test("what a slow reader is sent arrives whole and in order, and beyond the bound it is gone")
    func slowReader() throws {
        let (peer, other) = try connected()
        var sent = 0
        // Pieces of a length that no buffer is a multiple of.
        var next: [UInt8] { (0..<997).map { UInt8(truncatingIfNeeded: (sent + $0) % 251) } }
        while peer.write(next.span) { sent += 997 }
        #expect(peer.isWaiting)
        var received = 0
        var buffer = [UInt8](repeating: 0, count: 5000)
        var isInOrder = true
        let deadline = Clock.monotonic + .seconds(30)
        while received < sent, Clock.monotonic < deadline {
            if case .moved(let count) = Stream.read(other.raw, into: &buffer, at: 0) {
                for index in 0..<count where buffer[index] != (received + index) % 251 {
                    isInOrder = false
                }
                received += count
            }
            let stands = peer.flush()
            #expect(stands)
        }
        #expect(received == sent && isInOrder && !peer.isWaiting)
    }
}
