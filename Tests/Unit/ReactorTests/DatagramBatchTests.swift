import Reactor
import Sys
import Testing

/// Datagrams of sockets at 0.0.0.0 and [::].
@Suite struct DatagramBatchTests {
    static let addresses = [
        IPAddress(v4: 0x7F00_0001), IPAddress(v4: 0x7F01_0203), IPAddress(high: 0, low: 1),
    ]

    private func wildcard(_ isV4: Bool) throws -> (socket: Descriptor, port: UInt16) {
        let every = isV4 ? IPAddress(v4: 0) : IPAddress(high: 0, low: 0)
        let socket = try Socket.bound(.datagram, to: SocketAddress(every, port: 0))
        try Socket.reportDestination(socket.raw, isV4: isV4)
        return (socket, try Socket.localAddress(socket.raw).port)
    }

    @Test(
        "a datagram tells which address it asked, and its answer leaves from there",
        arguments: addresses)
    func answered(_ own: IPAddress) throws {
        let (socket, port) = try wildcard(own.isV4)
        let place = own.isV4 ? Self.addresses[0] : own
        let peer = try Socket.bound(.datagram, to: SocketAddress(place, port: 0))
        let question: [UInt8] = [1, 2, 3]
        var sending = DatagramBatch(slots: 4)
        sending.add(question.span, to: SocketAddress(own, port: port))
        sending.send(peer.raw)
        var received = DatagramBatch(slots: 4)
        #expect(received.receive(socket.raw, isWildcard: true) == 1)
        let (asked, source) = (received.asked(0), received.source(0))
        #expect(try asked == own && source == Socket.localAddress(peer.raw))
        // Beside one that the kernel chooses the source of, in the same batch.
        sending.add(question.span, to: source, from: own)
        sending.add(question.span, to: source)
        sending.send(socket.raw)
        #expect(received.receive(peer.raw) == 2)
        let (first, second) = (received.source(0), received.source(1))
        #expect(first == SocketAddress(own, port: port))
        #expect(second == SocketAddress(place, port: port))
        let told = received.asked(0)
        #expect(told == nil)
    }

    @Test(
        "what is to leave from an address that is gone leaves from another one, and the next as it is to",
        arguments: [
            (IPAddress(v4: 0xC633_6401), addresses[0], addresses[1]),
            (IPAddress(high: 0x2001_0DB8 << 32, low: 1), addresses[2], addresses[2]),
        ])
    func absent(_ gone: IPAddress, _ chosen: IPAddress, _ own: IPAddress) throws {
        let (socket, port) = try wildcard(gone.isV4)
        let peer = try Socket.bound(.datagram, to: SocketAddress(chosen, port: 0))
        let target = try Socket.localAddress(peer.raw)
        let words: [UInt8] = [1]
        var batch = DatagramBatch(slots: 4)
        batch.add(words.span, to: target, from: own)
        batch.add(words.span, to: target, from: gone)
        batch.add(words.span, to: target, from: own)
        batch.send(socket.raw)
        #expect(batch.receive(peer.raw) == 3)
        let sources = (0..<3).map { batch.source($0) }
        #expect(sources == [own, chosen, own].map { SocketAddress($0, port: port) })
    }
}
