internal import CLinux
package import Sys

/// Datagrams received or sent many at a time (recvmmsg(2), sendmmsg(2)), in memory allocated once.
@safe
package struct DatagramBatch: ~Copyable {
    /// The longest datagram, in bytes: more than any message that is taken over UDP.
    package static let datagramSize = 65_535

    private let batch: OpaquePointer
    private let slots: Int
    private let size: Int
    /// How many slots are filled for sending.
    package private(set) var filled = 0

    /// A batch of so many slots of `size` bytes each.
    package init(slots: Int, size: Int = Self.datagramSize) {
        guard let batch = unsafe clinux_batch_create(UInt32(slots), UInt32(size)) else {
            preconditionFailure("out of memory")
        }
        unsafe self.batch = batch
        self.slots = slots
        self.size = size
    }

    deinit { unsafe clinux_batch_destroy(batch) }

    /// Receives what waits, at most a slot each, and returns how many came.
    ///
    /// With `isWildcard` the socket reports of each which address of this machine was asked
    /// (`Socket.reportDestination`).
    package mutating func receive(_ raw: Int32, isWildcard: Bool = false) -> Int {
        max(Int(unsafe clinux_batch_receive(batch, raw, isWildcard ? 1 : 0)), 0)
    }

    /// The bytes that came in a slot; cut to the slot's size.
    @_lifetime(borrow self)
    package func bytes(_ slot: Int) -> Span<UInt8> {
        guard let start = unsafe clinux_batch_bytes(batch, UInt32(slot)) else {
            preconditionFailure("a batch has its slots from its creation on")
        }
        let length = min(Int(unsafe clinux_batch_length(batch, UInt32(slot))), size)
        // In bounds: the slot is `size` bytes long.
        let result = unsafe Span(_unsafeStart: UnsafePointer(start), count: length)
        return unsafe _overrideLifetime(result, borrowing: self)
    }

    /// Whether the datagram of a slot was longer than the slot.
    package func isCut(_ slot: Int) -> Bool {
        Int(unsafe clinux_batch_length(batch, UInt32(slot))) > size
    }

    /// Whence the datagram of a slot came.
    package func source(_ slot: Int) -> SocketAddress {
        var address = clinux_address()
        unsafe clinux_batch_source(batch, UInt32(slot), &address)
        return SocketAddress(address)
    }

    /// The address of this machine that the datagram of a slot was sent to.
    ///
    /// It is nil when the socket does not report it, and for a datagram to many hosts.
    package func asked(_ slot: Int) -> IPAddress? {
        var address = clinux_address()
        guard unsafe clinux_batch_asked(batch, UInt32(slot), &address) == 1 else { return nil }
        return SocketAddress(address).ip
    }

    /// Whether every slot is filled.
    package var isFull: Bool { filled == slots }

    /// Fills the next slot with a datagram; one that is too long is left out.
    ///
    /// It leaves from `own`, an address of this machine of the destination's family. nil leaves the
    /// choice to the kernel, as does one that the machine has lost.
    package mutating func add(
        _ datagram: Span<UInt8>, to destination: SocketAddress, from own: IPAddress? = nil
    ) {
        guard datagram.count <= size, filled < slots else { return }
        let slot = UInt32(filled)
        // In bounds: the datagram fits its slot, by the guard.
        unsafe datagram.withUnsafeBufferPointer { source in
            if let from = source.baseAddress, let to = unsafe clinux_batch_bytes(batch, slot) {
                unsafe to.update(from: from, count: source.count)
            }
        }
        var address = destination.c
        if let own {
            var source = SocketAddress(own, port: 0).c
            unsafe clinux_batch_prepare(
                batch, slot, UInt32(datagram.count), &address, &source)
        } else {
            unsafe clinux_batch_prepare(batch, slot, UInt32(datagram.count), &address, nil)
        }
        filled += 1
    }

    /// Sends what is filled; what the kernel does not take now is lost, as a datagram may be.
    package mutating func send(_ raw: Int32) {
        var first = 0
        while first < filled {
            let sent = unsafe clinux_batch_send(batch, raw, UInt32(first), UInt32(filled - first))
            // One destination that cannot be reached must not hold back the others.
            first += sent > 0 ? Int(sent) : 1
        }
        filled = 0
    }
}
