// The table of connections, and how many of them a source has.

internal import Messages
internal import Reactor
internal import Sys

/// How much the process takes on; every bound is the same for all clients.
struct Limits {
    /// Connections in total; more are closed as they come.
    var connections = Bounds.mostConnections
    /// Connections of one source, an IPv4 address or an IPv6 /64: a large office behind one address.
    var connectionsPerSource = 2_000
    /// Handshakes at a time.
    var handshakes = 1_000
    /// Handshakes at a time of one source.
    var handshakesPerSource = 20
    /// How long a handshake may take.
    var handshakeTime = Milliseconds.seconds(5)
    /// How long a client may take to end its side after ours is ended.
    var closingTime = Milliseconds.seconds(2)
    /// How many plaintext bytes wait for a client that does not read; one more and it is closed.
    var outgoing = 65_536
    /// How many handshake records are journalled in a second; the rest are counted.
    var recordsPerSecond = 20
}

/// Connections in slots; a handle names a slot and the one connection that it was made for.
struct ConnectionTable: ~Copyable {
    private struct Slot {
        var connection: Connection?
        /// The handle of the connection, or of the last one that was here.
        var handle = ConnectionHandle(raw: 0)
        /// Counts the connections there were, so that the poller's event of an older one is recognised.
        var generation: UInt32 = 0
    }

    private var slots: [Slot]
    private var free: [UInt16]

    /// An empty table of a capacity, at most `ConnectionHandle.places`.
    init(capacity: Int) {
        slots = Array(repeating: Slot(), count: capacity)
        free = (0..<capacity).reversed().map { UInt16($0) }
    }

    /// How many connections stand.
    var count: Int { slots.count - free.count }

    /// Puts a connection into a free slot; nil when there is none.
    mutating func insert(_ connection: Connection) -> ConnectionHandle? {
        guard let place = free.popLast() else { return nil }
        let handle = ConnectionHandle(.tls, place: place)
        slots[Int(place)].connection = connection
        slots[Int(place)].handle = handle
        return handle
    }

    /// The connection of a handle, or nil when it is over.
    subscript(handle: ConnectionHandle) -> Connection? {
        guard handle.place < slots.count, slots[handle.place].handle == handle else { return nil }
        return slots[handle.place].connection
    }

    /// What the poller watches the connection of a handle with.
    func token(of handle: ConnectionHandle) -> Token {
        Token(
            kind: Terminator.Watched.connection, index: UInt32(handle.place),
            generation: slots[handle.place].generation)
    }

    /// The handle of an event's connection, or nil when it is over.
    func handle(of token: Token) -> ConnectionHandle? {
        let slot = slots[Int(token.index)]
        return slot.connection != nil && slot.generation == token.generation ? slot.handle : nil
    }

    /// Empties the slot of a handle.
    mutating func remove(_ handle: ConnectionHandle) {
        let place = handle.place
        guard place < slots.count, slots[place].handle == handle, slots[place].connection != nil
        else { return }
        slots[place].connection = nil
        // 24 bits, as many as a poller's token holds.
        slots[place].generation = (slots[place].generation + 1) & 0xFF_FFFF
        free.append(UInt16(place))
    }

    /// The handles of all connections.
    var handles: [ConnectionHandle] {
        slots.compactMap { $0.connection == nil ? nil : $0.handle }
    }
}

/// How many handshakes and connections each source has.
struct SourceCounts {
    private struct Count {
        var handshakes = 0
        var connections = 0
    }

    private var counts: [IPAddress: Count] = [:]
    /// Handshakes of all sources.
    private(set) var handshakes = 0

    /// Counts a new connection that begins its handshake; false when a limit forbids it.
    mutating func begin(_ peer: SocketAddress, _ limits: Limits) -> Bool {
        var count = counts[peer.ip.source] ?? Count()
        guard handshakes < limits.handshakes, count.handshakes < limits.handshakesPerSource,
            count.connections < limits.connectionsPerSource
        else { return false }
        handshakes += 1
        count.handshakes += 1
        count.connections += 1
        counts[peer.ip.source] = count
        return true
    }

    /// The handshake of a connection is done, well or not.
    mutating func endHandshake(_ peer: SocketAddress) {
        handshakes -= 1
        counts[peer.ip.source]?.handshakes -= 1
    }

    /// A connection whose handshake is done is over.
    mutating func end(_ peer: SocketAddress) {
        let source = peer.ip.source
        guard var count = counts[source] else { return }
        count.connections -= 1
        counts[source] = count.connections == 0 ? nil : count
    }
}

/// Handles in the order of their deadlines, for a time limit that is the same for all.
///
/// A connection that is done early leaves its entry behind, which is skipped when it comes up.
struct DeadlineQueue {
    private var entries = Queue<(deadline: Milliseconds, handle: ConnectionHandle)>()

    /// The earliest deadline.
    var next: Milliseconds? { entries.first?.deadline }

    /// Adds a handle whose deadline is not before any other's.
    mutating func append(_ handle: ConnectionHandle, at deadline: Milliseconds) {
        entries.append((deadline, handle))
    }

    /// Takes the first handle whose deadline has come.
    mutating func popDue(_ now: Milliseconds) -> ConnectionHandle? {
        guard let first = entries.first, first.deadline <= now else { return nil }
        entries.removeFirst()
        return first.handle
    }
}
