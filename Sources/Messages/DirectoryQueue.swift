package import Sys
internal import Wire

/// A `BindingRecord` whose texts lie elsewhere, as they came.
package struct BindingColumns: ~Escapable {
    let account: Span<UInt8>
    let key: UInt64
    let secret: UInt32
    let contact: Span<UInt8>
    let instance: Span<UInt8>
    let callID: Span<UInt8>
    let sequence: UInt32
    let userAgent: Span<UInt8>
    let expires: Milliseconds
    let q: UInt16
    let transport: Transport
    let listener: UInt8
    let address: SocketAddress
    let connection: UInt64
    let hasAnswered: Bool

    /// The columns of a binding; see `BindingRecord` for each.
    @_lifetime(copy account, copy contact, copy instance, copy callID, copy userAgent)
    package init(
        account: Span<UInt8>, key: UInt64, secret: UInt32 = 0, contact: Span<UInt8>,
        instance: Span<UInt8>, callID: Span<UInt8>, sequence: UInt32, userAgent: Span<UInt8>,
        expires: Milliseconds,
        q: UInt16, transport: Transport, listener: UInt8, address: SocketAddress,
        connection: UInt64, hasAnswered: Bool = false
    ) {
        self.account = account
        self.key = key
        self.secret = secret
        self.contact = contact
        self.instance = instance
        self.callID = callID
        self.sequence = sequence
        self.userAgent = userAgent
        self.expires = expires
        self.q = q
        self.transport = transport
        self.listener = listener
        self.address = address
        self.connection = connection
        self.hasAnswered = hasAnswered
    }

    /// Whether what says how the phone is reached makes sense together.
    var isReachable: Bool {
        BindingRecord.isReachable(transport, listener, address, connection)
            && sequence <= Bounds.highestSequence
    }

    /// Writes the columns, the texts within the bounds of `BindingRecord`.
    func write(to writer: inout WireWriter) {
        writer.text(account, cutTo: 64)
        writer.u64(key)
        writer.u32(secret)
        writer.text(contact, cutTo: Bounds.longestContact)
        writer.text(instance, cutTo: 128)
        writer.text(callID, cutTo: 256)
        writer.u32(sequence)
        writer.text(userAgent, cutTo: 128)
        writer.moment(expires)
        writer.u16(min(q, 1000))
        writer.u8(transport.rawValue)
        writer.u8(listener)
        writer.address(address)
        writer.u64(connection)
        writer.bool(hasAnswered)
    }
}

/// Messages to directory that wait for the end of a turn, already as they are sent.
///
/// A binding is written from where its texts lie, and nothing is allocated for it.
package struct DirectoryQueue: ~Copyable {
    private var writer = WireWriter(kind: 0)
    private var bytes: [UInt8] = []
    /// Where each message ends in `bytes`.
    private var ends: [Int] = []

    /// An empty queue.
    package init() {}

    /// How many messages wait.
    package var count: Int { ends.count }

    /// Whether none waits.
    package var isEmpty: Bool { ends.isEmpty }

    /// Adds a message.
    package mutating func append(_ message: RouterToDirectory) {
        bytes += message.encoded()
        ends.append(bytes.count)
    }

    /// Adds `bind` of a binding; one whose phone nobody could reach is not kept.
    package mutating func bind(_ columns: BindingColumns) {
        guard columns.isReachable else { return }
        writer.begin(kind: RouterToDirectory.bindKind)
        columns.write(to: &writer)
        bytes += writer.bytes
        ends.append(bytes.count)
    }

    /// The frame of message `index`.
    @_lifetime(borrow self)
    package func message(_ index: Int) -> Span<UInt8> {
        bytes.span.extracting((index == 0 ? 0 : ends[index - 1])..<ends[index])
    }

    /// Forgets the messages, which are sent.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }
}
