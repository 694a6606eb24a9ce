internal import CLinux
internal import Glibc

/// How a socket carries bytes.
package enum SocketKind: Sendable {
    /// UDP.
    case datagram
    /// TCP.
    case stream
}

/// Sockets, made non-blocking and close-on-exec.
package enum Socket {
    /// A bound socket; a stream socket listens.
    ///
    /// With `evenIfAbsent` the address need not be on this machine: the socket serves once it is.
    package static func bound(
        _ kind: SocketKind, to address: SocketAddress, evenIfAbsent: Bool = false
    ) throws(SystemError) -> Descriptor {
        var c = address.c
        let raw = unsafe clinux_bind(
            kind == .datagram ? CLINUX_DATAGRAM : CLINUX_STREAM, &c, evenIfAbsent ? 1 : 0)
        let name = kind == .datagram ? "udp" : "tcp"
        return Descriptor(owning: try SystemError.check(raw, "bind \(name) \(address)"))
    }

    /// Whether an address is one of this machine's, to which a packet would not leave it; nil when the
    /// kernel cannot say now.
    ///
    /// The loopback's whole network and the unspecified address are. The port does not matter.
    package static func isLocal(_ address: SocketAddress) -> Bool? {
        if address.ip.isLoopback || address.ip.isUnspecified { return true }
        var c = SocketAddress(address.ip, port: 9, scope: address.scope).c
        let result = unsafe clinux_is_local(&c)
        return result < 0 ? nil : result == 1
    }

    /// The address of this machine that the kernel's way to another one begins at; nil when there is none.
    package static func source(toward address: SocketAddress) -> IPAddress? {
        if case .from(let source) = way(to: address) { source } else { nil }
    }

    /// What the kernel says of its way to an address.
    package enum Way: Equatable, Sendable {
        /// It begins at this address of the machine.
        case from(IPAddress)
        /// There is none.
        case none
        /// It has no room to say so now.
        case unknown
    }

    /// The kernel's way to an address; nothing is sent.
    package static func way(to address: SocketAddress) -> Way {
        var target = address.c
        var source = clinux_address()
        let result = unsafe clinux_source(&target, &source)
        if result == 0 { return .from(SocketAddress(source).ip) }
        return Errno.shortages.contains(-result) ? .unknown : .none
    }

    /// The networks that this machine's interfaces are in, at most 256; none when the kernel cannot say.
    package static func ownNetworks() -> [Network] {
        var addresses = [clinux_address](repeating: clinux_address(), count: 256)
        var prefixes = [UInt8](repeating: 0, count: 256)
        // In bounds: both arrays have room for as many as are asked for.
        let count = unsafe addresses.withUnsafeMutableBufferPointer { buffer in
            unsafe prefixes.withUnsafeMutableBufferPointer { bits in
                unsafe clinux_own_networks(
                    buffer.baseAddress, bits.baseAddress, UInt32(buffer.count))
            }
        }
        return zip(addresses, prefixes).prefix(max(Int(count), 0)).map {
            Network(SocketAddress($0).ip, prefix: $1)
        }
    }

    /// The addresses of this machine's interfaces, at most 256; none when the kernel cannot say.
    package static func ownAddresses() -> [IPAddress] {
        var addresses = [clinux_address](repeating: clinux_address(), count: 256)
        // In bounds: the array's own storage and length.
        let count = unsafe addresses.withUnsafeMutableBufferPointer { buffer in
            unsafe clinux_own_addresses(buffer.baseAddress, UInt32(buffer.count))
        }
        return addresses.prefix(max(Int(count), 0)).map { SocketAddress($0).ip }
    }

    /// Has the kernel report, with each datagram at a wildcard address, which address of this machine it was sent to.
    package static func reportDestination(_ raw: Int32, isV4: Bool) throws(SystemError) {
        let result = clinux_tell_asked(raw, isV4 ? 1 : 0)
        _ = try SystemError.check(result, isV4 ? "IP_PKTINFO" : "IPV6_RECVPKTINFO")
    }

    /// Has the kernel find out within 75 s that the peer of a connection is gone, for all that a listener accepts.
    package static func watchPeers(_ raw: Int32) throws(SystemError) {
        _ = try SystemError.check(clinux_watch_peers(raw), "TCP_USER_TIMEOUT")
    }

    /// The addresses of a host's name, at most 8; none when the C library's name services, for which it waits, know none.
    package static func addresses(ofHost name: String) -> [IPAddress] {
        var addresses = [clinux_address](repeating: clinux_address(), count: 8)
        // In bounds: the array's own storage and length.
        let count = unsafe addresses.withUnsafeMutableBufferPointer { buffer in
            unsafe clinux_host_addresses(name, buffer.baseAddress, UInt32(buffer.count))
        }
        return addresses.prefix(max(Int(count), 0)).map { SocketAddress($0).ip }
    }

    /// A stream socket whose connection has been started, from any address when none is named; writable when it stands.
    package static func connecting(
        from: SocketAddress? = nil, to: SocketAddress
    ) throws(SystemError) -> Descriptor {
        var target = to.c
        let raw: Int32
        if var source = from?.c {
            raw = unsafe clinux_connect(&source, &target)
        } else {
            raw = unsafe clinux_connect(nil, &target)
        }
        return Descriptor(owning: try SystemError.check(raw, "connect tcp \(to)"))
    }

    /// The next connection of a listening stream socket, or nil when none waits.
    package static func accept(
        _ listener: Int32
    ) throws(SystemError) -> (connection: Descriptor, peer: SocketAddress)? {
        var peer = clinux_address()
        let raw = unsafe clinux_accept(listener, &peer)
        if raw == -Errno.again || raw == -Errno.aborted { return nil }
        let descriptor = Descriptor(owning: try SystemError.check(raw, "accept"))
        _ = clinux_no_delay(descriptor.raw)
        return (descriptor, SocketAddress(peer))
    }

    /// The error that a connecting socket ended with, 0 when it stands.
    package static func pendingError(_ raw: Int32) -> Int32 { -clinux_socket_error(raw) }

    /// Ends the sending side of a connection (FIN); what the peer still sends can be read.
    package static func endWriting(_ raw: Int32) { _ = Glibc.shutdown(raw, Int32(SHUT_WR)) }

    /// Ends a connection both ways, also for other processes that hold its descriptor.
    package static func end(_ raw: Int32) { _ = Glibc.shutdown(raw, Int32(SHUT_RDWR)) }

    /// The address a socket is bound to.
    package static func localAddress(_ raw: Int32) throws(SystemError) -> SocketAddress {
        var address = clinux_address()
        _ = try SystemError.check(unsafe clinux_local_address(raw, &address), "getsockname")
        return SocketAddress(address)
    }

    /// The address at the other end of a connection.
    package static func peerAddress(_ raw: Int32) throws(SystemError) -> SocketAddress {
        var address = clinux_address()
        _ = try SystemError.check(unsafe clinux_peer_address(raw, &address), "getpeername")
        return SocketAddress(address)
    }

    /// Asks for kernel buffers of so many bytes each way.
    package static func setBufferSizes(_ raw: Int32, bytes: Int32) {
        _ = clinux_buffer_sizes(raw, bytes)
    }

    /// The kind and address of an inherited IP socket, which becomes non-blocking; nil for another, and for one at
    /// [::] that also takes IPv4.
    package static func adopted(_ raw: Int32) -> (kind: SocketKind, address: SocketAddress)? {
        var address = clinux_address()
        let kind = unsafe clinux_adopt(raw, &address)
        guard kind > 0 else { return nil }
        let isDatagram = UInt32(kind) == CLINUX_DATAGRAM.rawValue
        return (isDatagram ? .datagram : .stream, SocketAddress(address))
    }

    /// Two connected SOCK_SEQPACKET sockets.
    package static func seqpacketPair() throws(SystemError) -> (Descriptor, Descriptor) {
        var pair: (Int32, Int32) = (-1, -1)
        // In bounds: a tuple of two Int32 has the layout of int[2].
        let result = unsafe withUnsafeMutableBytes(of: &pair) { bytes in
            unsafe clinux_seqpacket_pair(bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        _ = try SystemError.check(result, "socketpair")
        return (Descriptor(owning: pair.0), Descriptor(owning: pair.1))
    }

    /// A SOCK_SEQPACKET socket that listens at a path.
    package static func seqpacketListener(path: String) throws(SystemError) -> Descriptor {
        let raw = unsafe clinux_seqpacket_listen(path)
        return Descriptor(owning: try SystemError.check(raw, "listen \(path)"))
    }

    /// A SOCK_SEQPACKET socket connected to a path; it blocks.
    package static func seqpacketConnected(path: String) throws(SystemError) -> Descriptor {
        let raw = unsafe clinux_seqpacket_connect(path)
        return Descriptor(owning: try SystemError.check(raw, "connect \(path)"))
    }

    /// The next caller of a SOCK_SEQPACKET listener, or nil when none waits.
    package static func seqpacketAccept(_ listener: Int32) throws(SystemError) -> Descriptor? {
        let raw = clinux_seqpacket_accept(listener)
        if raw == -Errno.again || raw == -Errno.aborted { return nil }
        return Descriptor(owning: try SystemError.check(raw, "accept"))
    }

    /// The user, group and process at the other end of a Unix socket (SO_PEERCRED).
    package static func peerCredentials(
        _ raw: Int32
    ) throws(SystemError) -> (uid: UInt32, gid: UInt32, pid: Int32) {
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        var pid: Int32 = 0
        let result = unsafe clinux_peer_credentials(raw, &uid, &gid, &pid)
        _ = try SystemError.check(result, "SO_PEERCRED")
        return (uid, gid, pid)
    }

    /// A Unix datagram socket connected to a path; '@' as its first character names an abstract one.
    package static func unixDatagram(path: String) throws(SystemError) -> Descriptor {
        let raw = unsafe clinux_unix_datagram(path)
        return Descriptor(owning: try SystemError.check(raw, "connect \(path)"))
    }
}
