// Asterisk's manager interface (AMI): one connection, what is asked over it, and the events that come by it.
internal import Glibc
internal import Messages
internal import Sys

/// One connection to AMI, for one thread; a call waits until a moment at most.
@safe
final class ManagerConnection {
    private let socket: Descriptor
    private var messages = ManagerMessages()
    private var lastID = 0
    /// The events that have come and were not taken.
    private(set) var events: [ManagerMessage] = []
    /// Their bytes.
    private var eventsSize = 0
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)

    /// How many events are kept at most: more come of no Asterisk between two looks.
    private static let mostEvents = 100_000
    /// What these may take of memory, in bytes.
    private static let mostOfEvents = 64 << 20

    /// A connection to the first of these addresses that takes one; its greeting has been read.
    init(to addresses: [SocketAddress], until end: Milliseconds) throws(ManagerFailure) {
        socket = try Self.connected(to: addresses, until: end)
        guard try line(until: end).starts(with: "Asterisk Call Manager/".utf8) else {
            throw ManagerFailure(
                words: "does not greet as Asterisk's manager interface: see what listens there")
        }
    }

    /// A socket that is connected; each address has its part of the time.
    private static func connected(
        to addresses: [SocketAddress], until end: Milliseconds
    ) throws(ManagerFailure) -> Descriptor {
        var failure = ManagerFailure(words: "its name has no address: correct accounts.ami")
        for (index, address) in addresses.enumerated() {
            let begun = Clock.monotonic
            let part = (end - begun).count / Int64(addresses.count - index)
            do throws(ManagerFailure) {
                return try connected(to: address, until: begun + Milliseconds(part))
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func connected(
        to address: SocketAddress, until end: Milliseconds
    ) throws(ManagerFailure) -> Descriptor {
        let socket: Descriptor
        do {
            socket = try Socket.connecting(to: address)
        } catch {
            throw ManagerFailure(words: "cannot be reached (\(error)): see manager.conf")
        }
        try wait(socket, POLLOUT, until: end)
        let error = Socket.pendingError(socket.raw)
        guard error == 0 else {
            throw ManagerFailure(
                words:
                    "cannot be reached (\(SystemError("connect", code: error))): see whether Asterisk runs, and"
                    + " whether manager.conf has enabled=yes and binds that address and port")
        }
        return socket
    }

    /// The answer to an action, whose events wait in `events`.
    func ask(
        _ action: String, _ fields: [(String, [UInt8])] = [], until end: Milliseconds
    ) throws(ManagerFailure) -> ManagerMessage {
        try begin(action, fields, until: end)
        guard let answer = try answer(until: end) else { throw Self.late }
        return answer
    }

    /// Asks for something, whose answer is waited for later.
    func begin(
        _ action: String, _ fields: [(String, [UInt8])] = [], until end: Milliseconds
    ) throws(ManagerFailure) {
        lastID += 1
        var text = Array("Action: \(action)\r\nActionID: rempart-\(lastID)\r\n".utf8)
        for (name, value) in fields { text += Array("\(name): ".utf8) + value + [0x0D, 0x0A] }
        text += [0x0D, 0x0A]
        try send(text, until: end)
    }

    /// The answer to what was asked for last; nil when it has not come whole until a moment.
    func answer(until end: Milliseconds) throws(ManagerFailure) -> ManagerMessage? {
        let id = "rempart-\(lastID)"
        while let message = try next(until: end) {
            if !message.value("Response").isEmpty, message.value("ActionID") == id {
                return message
            }
            // An answer to what was given up is no event.
            if message.value("Response").isEmpty { try keep(message) }
        }
        return nil
    }

    /// The events that answer an action with a list.
    func list(
        _ action: String, until end: Milliseconds
    ) throws(ManagerFailure) -> [ManagerMessage]? {
        guard try ask(action, until: end).isSuccess else { return nil }
        let id = "rempart-\(lastID)"
        var items: [ManagerMessage] = []
        var size = 0
        while true {
            guard let message = try next(until: end) else { throw Self.late }
            size += message.size
            guard size <= ManagerMessages.longestMessage else {
                throw ManagerFailure(
                    words: "lists more than can be read: see what listens there")
            }
            guard message.value("ActionID") == id else {
                try keep(message)
                continue
            }
            if message.value("EventList") == "Complete" { return items }
            items.append(message)
        }
    }

    /// The events that have come, without waiting for others; who sends without end is cut off at a moment.
    func takeEvents(until end: Milliseconds) throws(ManagerFailure) -> [ManagerMessage] {
        while try readMore() {
            while let message = try messages.next() { try keep(message) }
            try requireTime(until: end)
        }
        defer { (events, eventsSize) = ([], 0) }
        return events
    }

    private func keep(_ message: ManagerMessage) throws(ManagerFailure) {
        eventsSize += message.size
        guard events.count < Self.mostEvents, eventsSize <= Self.mostOfEvents else {
            throw ManagerFailure(
                words: "sends more events than can be kept: see what listens there")
        }
        events.append(message)
    }

    // MARK: Bytes

    private func send(_ bytes: [UInt8], until end: Milliseconds) throws(ManagerFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let left = Array(rest)
            switch Stream.write(socket.raw, left.span) {
            case .moved(let count): rest = rest.dropFirst(count)
            case .wouldBlock: try Self.wait(socket, POLLOUT, until: end)
            case .ended, .failed: throw Self.closed
            }
        }
    }

    /// The next message; nil when it has not come whole until a moment.
    ///
    /// Empty ones are passed over.
    private func next(until end: Milliseconds) throws(ManagerFailure) -> ManagerMessage? {
        while Clock.monotonic < end {
            if let message = try messages.next() { return message }
            if try !readMore() {
                _ = try Self.isReady(socket, POLLIN, within: end - Clock.monotonic)
            }
        }
        return nil
    }

    private func line(until end: Milliseconds) throws(ManagerFailure) -> [UInt8] {
        while true {
            if let line = try messages.nextLine() { return line }
            try receive(until: end)
        }
    }

    /// Waits for more to come; whoever goes on sending has no more time for it.
    private func receive(until end: Milliseconds) throws(ManagerFailure) {
        guard try readMore() else { return try Self.wait(socket, POLLIN, until: end) }
        try requireTime(until: end)
    }

    private func requireTime(until end: Milliseconds) throws(ManagerFailure) {
        guard Clock.monotonic < end else { throw Self.late }
    }

    /// Reads what has come; false when nothing has.
    private func readMore() throws(ManagerFailure) -> Bool {
        switch Stream.read(socket.raw, into: &chunk, at: 0) {
        case .moved(let count):
            messages.append(chunk[..<count])
            return true
        case .wouldBlock: return false
        case .ended, .failed: throw Self.closed
        }
    }

    private static func wait(
        _ socket: Descriptor, _ events: Int32, until end: Milliseconds
    ) throws(ManagerFailure) {
        guard try isReady(socket, events, within: end - Clock.monotonic) else { throw late }
    }

    private static func isReady(
        _ socket: Descriptor, _ events: Int32, within span: Milliseconds
    ) throws(ManagerFailure) -> Bool {
        let end = Clock.monotonic + span
        var entry = pollfd(fd: socket.raw, events: Int16(events), revents: 0)
        while true {
            let left = end - Clock.monotonic
            guard left.count > 0 else { return false }
            // In bounds: one entry.
            if unsafe poll(&entry, 1, Int32(clamping: left.count)) > 0 { return true }
        }
    }

    private static let closed = ManagerFailure(words: "has closed the connection")
    private static let late = ManagerFailure(
        words: "does not answer in time: see whether AMI listens there, and whether Asterisk hangs")
}
