// Netlink frames (netlink(7)): written, sent, and read again.
internal import Glibc
internal import Sys

/// The bytes of netlink messages; lengths are patched in when a message or nest ends.
struct NetlinkWriter {
    /// The messages so far.
    private(set) var bytes: [UInt8] = []

    // Headers are in the machine's own order (netlink(7)), values of nftables and conntrack in the
    // network's.
    private mutating func host(_ value: some FixedWidthInteger) {
        let little = value.littleEndian
        for shift in stride(from: 0, to: little.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: little >> shift))
        }
    }

    /// Writes a number in the network's order.
    mutating func network(_ value: some FixedWidthInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Writes a message: its header, the netfilter header, then what `body` writes.
    mutating func message(
        _ type: UInt16, flags: UInt16, sequence: UInt32, family: UInt8, resource: UInt16 = 0,
        _ body: (inout NetlinkWriter) -> Void = { _ in }
    ) {
        let start = bytes.count
        host(UInt32(0))
        host(type)
        host(flags | Netlink.request)
        host(sequence)
        host(UInt32(0))
        bytes.append(family)
        bytes.append(0)
        network(resource)
        body(&self)
        patch(UInt32(bytes.count - start), at: start)
    }

    /// Writes an attribute whose value `body` writes.
    mutating func attribute(
        _ type: UInt16, nested: Bool = false, _ body: (inout NetlinkWriter) -> Void
    ) {
        let start = bytes.count
        host(UInt16(0))
        host(nested ? type | 0x8000 : type)
        body(&self)
        let length = UInt16(bytes.count - start)
        bytes[start] = UInt8(truncatingIfNeeded: length)
        bytes[start + 1] = UInt8(length >> 8)
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    /// Writes an attribute of a name, ended by a zero byte.
    mutating func name(_ type: UInt16, _ text: String) {
        attribute(type) { $0.append(Array(text.utf8) + [0]) }
    }

    /// Writes bytes as they are.
    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// Writes an address in 4 or 16 bytes.
    mutating func address(_ address: IPAddress) {
        if address.isV4 {
            network(UInt32(truncatingIfNeeded: address.low))
        } else {
            network(address.high)
            network(address.low)
        }
    }

    private mutating func patch(_ length: UInt32, at start: Int) {
        for byte in 0..<4 {
            bytes[start + byte] = UInt8(truncatingIfNeeded: length >> UInt32(8 * byte))
        }
    }
}

/// A received message: what it is, and where its attributes stand in the bytes it came in.
struct NetlinkMessage {
    let type: UInt16
    let sequence: UInt32
    /// The bytes after the netlink header.
    let body: ArraySlice<UInt8>

    /// The errno of an NLMSG_ERROR, 0 for a good end; nil for any other message.
    var error: Int32? {
        guard type == Netlink.error, body.count >= 4 else { return nil }
        return -Int32(bitPattern: Netlink.host32(body.prefix(4)))
    }

    /// The attributes after the netfilter header of four bytes.
    var attributes: NetlinkAttributes { NetlinkAttributes(body.dropFirst(4)) }
}

/// The attributes of a message or nest, in order; it ends at the first that does not fit.
struct NetlinkAttributes: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (type: UInt16, value: ArraySlice<UInt8>)? {
        guard rest.count >= 4 else { return nil }
        let length = Int(Netlink.host16(rest.prefix(2)))
        let type = Netlink.host16(rest.dropFirst(2).prefix(2)) & 0x3FFF
        guard length >= 4, length <= rest.count else { return nil }
        let value = rest.prefix(length).dropFirst(4)
        rest = rest.dropFirst((length + 3) & ~3)
        return (type, value)
    }

    /// The value of the first attribute of a type.
    func first(_ type: UInt16) -> ArraySlice<UInt8>? { first { $0.type == type }?.value }
}

/// Netlink's numbers (linux/netlink.h), and reading them.
enum Netlink {
    static var request: UInt16 { 1 }
    static var acknowledge: UInt16 { 4 }
    static var dump: UInt16 { 0x300 }
    static var create: UInt16 { 0x400 }
    static var error: UInt16 { 2 }
    static var done: UInt16 { 3 }

    static func host16(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt16($1) }
    }

    static func host32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// A number in the network's order.
    static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// An address of 4 or 16 bytes.
    static func address(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        switch bytes.count {
        case 4: IPAddress(v4: UInt32(truncatingIfNeeded: number(bytes)))
        case 16: IPAddress(high: number(bytes.prefix(8)), low: number(bytes.suffix(8)))
        default: nil
        }
    }
}

/// A netlink socket of the kernel's netfilter.
///
/// The kernel carries a request out within the call that sends it. So all its answers but those of
/// a dump are there when the call is back, and nothing here waits.
final class NetlinkSocket {
    private let socket: Descriptor
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    private var sequence: UInt32 = 0

    // AF_NETLINK and NETLINK_NETFILTER (linux/netlink.h).
    private static let netlink: Int32 = 16
    private static let netfilter: Int32 = 12
    /// SO_SNDBUFFORCE (asm-generic/socket.h): a transaction is one message to the kernel, however long.
    private static let forceSendBuffer: Int32 = 32
    private static let forceReceiveBuffer: Int32 = 33

    /// Opens a socket.
    init() throws(SystemError) {
        let flags = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let raw = Glibc.socket(Self.netlink, flags, Self.netfilter)
        socket = Descriptor(
            owning: try SystemError.check(raw < 0 ? -errno : raw, "no netlink socket"))
        for option in [Self.forceSendBuffer, Self.forceReceiveBuffer] {
            var size: Int32 = 64 << 20
            // In bounds: one integer, and its own size. Without the capability the default size holds.
            _ = unsafe setsockopt(
                socket.raw, SOL_SOCKET, option, &size, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// A number for the next message.
    func nextSequence() -> UInt32 {
        sequence &+= 1
        return sequence
    }

    /// Sends messages, and hands over each answer; a dump is read to its end.
    func exchange(
        _ messages: [UInt8], isDump: Bool = false, _ take: (NetlinkMessage) -> Void
    ) throws(SystemError) {
        // What an earlier request left unread belongs to nobody now.
        while receive(wait: false) > 0 {}
        // In bounds: the array's own bytes.
        let sent = unsafe messages.withUnsafeBytes {
            unsafe Glibc.send(socket.raw, $0.baseAddress, $0.count, 0)
        }
        guard sent >= 0 else { throw SystemError("netlink", code: errno) }
        while true {
            let count = receive(wait: isDump)
            guard count > 0 else {
                let code = errno
                if !isDump, code == EAGAIN { return }
                throw SystemError("netlink", code: count == 0 ? ECONNRESET : code)
            }
            if read(count, take) { return }
        }
    }

    private func receive(wait: Bool) -> Int {
        // In bounds: the buffer's own bytes.
        unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(
                socket.raw, $0.baseAddress, $0.count, wait ? 0 : Int32(MSG_DONTWAIT))
        }
    }

    /// Hands over the messages of a received buffer; true at the end of a dump.
    private func read(_ count: Int, _ take: (NetlinkMessage) -> Void) -> Bool {
        var rest = buffer[..<count]
        while rest.count >= 16 {
            let length = Int(Netlink.host32(rest.prefix(4)))
            guard length >= 16, length <= rest.count else { return true }
            let message = NetlinkMessage(
                type: Netlink.host16(rest.dropFirst(4).prefix(2)),
                sequence: Netlink.host32(rest.dropFirst(8).prefix(4)),
                body: rest.prefix(length).dropFirst(16))
            take(message)
            if message.type == Netlink.done { return true }
            // A dump that cannot begin ends with an error.
            if let error = message.error, error != 0 { return true }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return false
    }
}
