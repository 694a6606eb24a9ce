internal import Glibc
internal import Sys

/// A socket that packets are sent to over the loopback: one has arrived when the sender's call is back.
struct Wall {
    private static let address = SocketAddress(IPAddress(v4: 0xC612_0001), port: 5060)
    private let target: Descriptor

    /// The socket at 198.18.0.1.
    init() {
        do { target = try Socket.bound(.datagram, to: Self.address) } catch { fail("\(error)") }
    }

    /// A sender of an address.
    static func sender(_ address: IPAddress) -> Descriptor {
        do {
            let sender = try Socket.bound(.datagram, to: SocketAddress(address, port: 0))
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = Self.address.port.bigEndian
            target.sin_addr.s_addr = UInt32(0xC612_0001).bigEndian
            // In bounds: a sockaddr_in is given with its own length.
            let result = unsafe withUnsafePointer(to: &target) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe connect(sender.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard result == 0 else { fail("connect \(address): \(errno)") }
            return sender
        } catch {
            fail("\(error)")
        }
    }

    /// Sends until nothing arrives, and returns how long that took since a moment.
    func untilDropped(
        _ sender: Descriptor, since began: ContinuousClock.Instant, meanwhile: () -> Void
    ) -> Duration {
        let byte: [UInt8] = [120]
        var buffer = [UInt8](repeating: 0, count: 16)
        let limit = began + .seconds(30)
        while ContinuousClock.now < limit {
            _ = Stream.write(sender.raw, byte.span)
            guard case .moved = Stream.read(target.raw, into: &buffer, at: 0) else {
                return began.duration(to: .now)
            }
            meanwhile()
        }
        fail("a banned address was not dropped within 30 s")
    }
}
