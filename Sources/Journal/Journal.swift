internal import Glibc
package import Sys

/// Writes records to journald by its native protocol, or as lines, readable or of JSON; it never waits.
///
/// DIAGNOSTICS: a record that journald does not take because its socket is gone goes to standard
/// error. What there is no room for waits, in at most 64 KiB. It goes out with the next record or
/// at the next `flush`, which each turn of a process's loop calls. What has no room there is lost,
/// the least important first, and one record tells how many they were.
package final class Journal {
    private let process: String
    private var socket: Int32?
    /// Where JSON lines go; nil: lines are readable and go to standard error.
    private var json: Int32?
    private var waiting = WaitingRecords()

    /// The path of journald's socket.
    package static let path = "/run/systemd/journal/socket"
    /// The longest text of a record, in bytes.
    package static let longestText = 1024
    /// The longest value of a field in a line of JSON, in bytes.
    static let longestValue = 256
    /// The longest line of JSON: what pipe(7) writes whole or not at all (PIPE_BUF), so that the lines of several
    /// processes never mix.
    static let longestLine = 4096
    /// The longest record: a sentence and a dozen fields.
    private static let longestRecord = 16_384

    /// A journal for the records of a process; without a socket they go to standard error.
    ///
    /// The socket must stay open as long as the journal is used.
    package init(process: String, socket: Int32?) {
        self.process = process
        self.socket = socket
    }

    /// Writes to journald's socket from now on; it must stay open as long as the journal is used.
    package func use(_ socket: Int32) { self.socket = socket }

    /// Writes JSON, one object a line, to a descriptor of the kind of `StandardError.copy` from now
    /// on.
    ///
    /// The descriptor must stay open as long as the journal is used.
    package func use(json descriptor: Int32) { json = descriptor }

    /// Whether records wait for room.
    package var isWaiting: Bool { !waiting.isEmpty }

    /// How long a loop may sleep until it calls `flush`: `longest`, or a moment while records wait.
    ///
    /// A socket takes ten datagrams at a time where the kernel's net.unix.max_dgram_qlen is left as it is.
    package func patience(_ longest: Milliseconds) -> Milliseconds {
        isWaiting ? min(longest, Milliseconds(20)) : longest
    }

    /// Writes one record.
    ///
    /// Text from the network is escaped and cut here, not by the caller.
    package func write(
        _ record: Record, _ priority: Priority, _ message: String,
        _ fields: [(Field, String)] = []
    ) {
        var batch = RecordBatch(capacity: Self.longestRecord, records: 1)
        batch.add(record, priority, message, fields)
        var buffer = ByteBuffer(capacity: Self.longestRecord)
        write(batch, using: &buffer)
    }

    /// Writes every record of a batch; `buffer` is for the record at hand, of at least 16 KiB.
    package func write(_ batch: borrowing RecordBatch, using buffer: inout ByteBuffer) {
        if batch.count > 0 { flush() }
        for index in 0..<batch.count {
            let weight = batch.record(index).weight
            if let socket {
                buffer.removeAll()
                batch.writeNative(index, process: process, into: &buffer)
                if writeNative(buffer.span, weight, on: socket) { continue }
            }
            buffer.removeAll()
            if let json {
                batch.writeJSON(index, process: process, at: Clock.sinceEpoch, into: &buffer)
                writeLine(buffer.span, weight, on: json)
            } else {
                batch.writeReadable(index, process: process, into: &buffer)
                writeLine(buffer.span, weight, on: StandardError.descriptor)
            }
        }
    }

    /// Hands a record to journald, or lets it wait; false when journald's socket is gone.
    private func writeNative(_ record: Span<UInt8>, _ weight: Weight, on socket: Int32) -> Bool {
        if waiting.isEmpty {
            switch Self.send(record, on: socket) {
            case .moved: return true
            case .wouldBlock: break
            case .ended, .failed: return false
            }
        }
        waiting.append(.init(weight: weight, stream: nil, bytes: [UInt8](copying: record)))
        return true
    }

    /// Writes a line in one piece, so that lines of several processes stay whole, or lets it wait.
    private func writeLine(_ line: Span<UInt8>, _ weight: Weight, on stream: Int32) {
        var written = 0
        if waiting.isEmpty {
            switch StandardError.write(line, on: stream) {
            case .moved(line.count): return
            case .moved(let count): written = count
            case .wouldBlock: break
            // Nobody will ever read there.
            case .ended, .failed: return
            }
        }
        waiting.append(
            .init(weight: weight, stream: stream, bytes: [UInt8](copying: line), written: written))
    }

    /// Writes what waits, as far as there is room now; tells of what was lost once all of it is out.
    package func flush() {
        while let record = waiting.first {
            switch Self.attempt(record, socket) {
            case .moved(let count) where record.written + count >= record.bytes.count:
                waiting.removeFirst()
            case .moved(let count): waiting.wrote(count)
            case .wouldBlock: return
            case .ended, .failed: waiting.removeFirst(lost: true)
            }
        }
        guard waiting.lost > 0 else { return }
        let lost = waiting.lost
        waiting.forgetLost()
        write(
            .degraded, .warning,
            "\(lost) records are lost, since nobody read the log: see whether journald, or what reads "
                + "standard error, keeps up",
            [(.count, String(lost))])
    }

    /// Writes what waits before the process ends: for at most 100 ms, and what journald has no room for then to
    /// standard error.
    package func finish() {
        for _ in 0..<10 where isWaiting {
            flush()
            if isWaiting { _ = usleep(10_000) }
        }
        while let record = waiting.first {
            _ = StandardError.write(record.rest, on: record.stream ?? StandardError.descriptor)
            waiting.removeFirst()
        }
    }

    private static func attempt(
        _ record: WaitingRecords.Waiting, _ socket: Int32?
    ) -> Stream.Outcome {
        if let stream = record.stream { return StandardError.write(record.rest, on: stream) }
        guard let socket else { return .ended }
        return send(record.bytes.span, on: socket)
    }

    private static func send(_ bytes: Span<UInt8>, on socket: Int32) -> Stream.Outcome {
        // In bounds: the span's own storage and length.
        let sent = unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.send(
                socket, buffer.baseAddress, buffer.count,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        if sent >= 0 { return .moved(sent) }
        return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? .wouldBlock : .failed(errno)
    }

    /// Writes a text of at most 1,024 bytes, with what a terminal would act on, and bytes that are
    /// no UTF-8, made visible.
    ///
    /// Nothing that came from the network moves a cursor, begins a new line or turns text round.
    ///
    /// `quoted` is for the inside of a string of JSON (RFC 8259 section 7); `length` is the most bytes.
    package static func clean(
        _ text: Span<UInt8>, into output: inout ByteBuffer, quoted: Bool = false,
        atMost length: Int = longestText
    ) {
        let limit = output.count + length
        var at = 0
        while at < text.count {
            guard output.count < limit else {
                output.append("…")
                return
            }
            let length = text.scalarLength(at: at)
            let scalar = length == 0 ? nil : text.scalar(at: at, length: length)
            if let scalar, scalar.isTerminalControl, length > 2 {
                output.append(quoted ? "\\\\u{" : "\\u{")
                output.append(Array(String(scalar.value, radix: 16, uppercase: true).utf8).span)
                output.append("}")
            } else if scalar?.isTerminalControl ?? true {
                output.append(quoted ? "\\\\x" : "\\x")
                output.append(hex: length == 2 ? text[at + 1] : text[at])
            } else {
                if quoted, text[at] == UInt8(ascii: "\"") || text[at] == UInt8(ascii: "\\") {
                    output.append(UInt8(ascii: "\\"))
                }
                output.append(text.extracting(at..<at + length))
            }
            at += max(length, 1)
        }
    }

    /// The text as `clean` writes it.
    package static func clean(_ text: String) -> String {
        var output = ByteBuffer(capacity: longestText + 16)
        clean(Array(text.utf8).span, into: &output)
        // In bounds: the span's own storage and length.
        return unsafe output.span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
