// A UDP socket that is read and written in batches.

internal import CLinux
internal import Glibc
internal import Sys

/// One bound UDP socket, with a batch for what comes and one for what goes.
@safe
final class Datagrams {
    let socket: Descriptor
    let local: SocketAddress
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private var queued: UInt32 = 0

    private let slotSize: UInt32
    /// Whether each datagram comes with the address that it was sent to.
    private let isAtAllAddresses: Bool

    static let slots: UInt32 = 32
    /// Room for any message of the benchmark's calls.
    static let messageSize: UInt32 = 4096

    /// A socket at every IPv4 address of this machine.
    convenience init(atAllAddresses port: UInt16) throws(SystemError) {
        try self.init(
            SocketAddress(IPAddress(v4: 0), port: port), isAtAllAddresses: true)
    }

    init(
        _ address: SocketAddress, slotSize: UInt32 = Datagrams.messageSize,
        isAtAllAddresses: Bool = false
    ) throws(SystemError) {
        self.slotSize = slotSize
        self.isAtAllAddresses = isAtAllAddresses
        socket = try Socket.bound(.datagram, to: address)
        if isAtAllAddresses { try Socket.reportDestination(socket.raw, isV4: true) }
        local = address
        Socket.setBufferSizes(socket.raw, bytes: 4 << 20)
        guard let receive = unsafe clinux_batch_create(Self.slots, slotSize),
            let send = unsafe clinux_batch_create(Self.slots, slotSize)
        else { throw SystemError("allocate batches", code: ENOMEM) }
        unsafe incoming = unsafe receive
        unsafe outgoing = unsafe send
    }

    deinit {
        unsafe clinux_batch_destroy(incoming)
        unsafe clinux_batch_destroy(outgoing)
    }

    /// How many datagrams came; at most the number of slots.
    func receive() -> Int {
        let asked: Int32 = isAtAllAddresses ? 1 : 0
        return max(Int(unsafe clinux_batch_receive(incoming, socket.raw, asked)), 0)
    }

    /// The address of ours that datagram `index` of the last receive came to, where it is told.
    func ownAddress(_ index: Int) -> SocketAddress? {
        var own = clinux_address()
        guard unsafe clinux_batch_asked(incoming, UInt32(index), &own) == 1 else { return nil }
        return SocketAddress(own)
    }

    /// Datagram `index` of the last receive, and who sent it.
    func datagram(_ index: Int) -> (bytes: [UInt8], source: SocketAddress) {
        let slot = UInt32(index)
        let length = min(unsafe clinux_batch_length(incoming, slot), slotSize)
        var source = clinux_address()
        unsafe clinux_batch_source(incoming, slot, &source)
        // In bounds: the slot's own storage, cut to its size.
        let buffer = unsafe UnsafeBufferPointer(
            start: clinux_batch_bytes(incoming, slot), count: Int(length))
        return (unsafe Array(buffer), SocketAddress(source))
    }

    /// Sends a datagram with the next `flush`, or when the batch is full; from that address of ours, where
    /// one is given.
    func send(_ bytes: [UInt8], to destination: SocketAddress, from own: SocketAddress? = nil) {
        precondition(bytes.count <= Int(slotSize), "a message of the benchmark is too long")
        if queued == Self.slots { flush() }
        guard let slot = unsafe clinux_batch_bytes(outgoing, queued) else { return }
        // In bounds: the slot's size was checked above.
        for index in bytes.indices { unsafe slot[index] = bytes[index] }
        var c = destination.c
        if let own {
            var source = own.c
            unsafe clinux_batch_prepare(outgoing, queued, UInt32(bytes.count), &c, &source)
        } else {
            unsafe clinux_batch_prepare(outgoing, queued, UInt32(bytes.count), &c, nil)
        }
        queued += 1
    }

    /// Sends what is queued; a full socket is waited for.
    func flush() {
        var first: UInt32 = 0
        while first < queued {
            let sent = unsafe clinux_batch_send(outgoing, socket.raw, first, queued - first)
            if sent > 0 {
                first += UInt32(sent)
            } else if sent == -Errno.again {
                var poll = pollfd(fd: socket.raw, events: Int16(POLLOUT), revents: 0)
                _ = unsafe Glibc.poll(&poll, 1, 10)
            } else {
                first += 1
            }
        }
        queued = 0
    }

    /// Waits for a datagram.
    func wait() {
        var poll = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
        _ = unsafe Glibc.poll(&poll, 1, 1000)
    }
}

/// Sends every datagram back: what the kernel's part of the work costs, with nothing done.
func echo(at address: SocketAddress) throws(SystemError) -> Never {
    let socket = try Socket.bound(.datagram, to: address)
    Socket.setBufferSizes(socket.raw, bytes: 4 << 20)
    guard let batch = unsafe clinux_batch_create(Datagrams.slots, Datagrams.messageSize) else {
        throw SystemError("allocate a batch", code: ENOMEM)
    }
    while true {
        let count = unsafe clinux_batch_receive(batch, socket.raw, 0)
        guard count > 0 else {
            var poll = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
            _ = unsafe Glibc.poll(&poll, 1, 1000)
            continue
        }
        for slot in 0..<UInt32(count) {
            var source = clinux_address()
            unsafe clinux_batch_source(batch, slot, &source)
            let length = min(unsafe clinux_batch_length(batch, slot), Datagrams.messageSize)
            unsafe clinux_batch_prepare(batch, slot, length, &source, nil)
        }
        _ = unsafe clinux_batch_send(batch, socket.raw, 0, UInt32(count))
    }
}

/// Writes a line to standard error.
func complain(_ text: String) {
    let bytes = Array("loadgen: \(text)\n".utf8)
    // In bounds: the array's own storage and length.
    _ = unsafe write(2, bytes, bytes.count)
}
