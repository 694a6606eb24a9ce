internal import Glibc
package import Sys

/// Writes records to journald by its native protocol, or as readable lines to standard error.
///
/// DIAGNOSTICS: a record that journald does not take (its socket is gone) goes to standard error.
package struct Journal: Sendable {
    private let process: String
    private let socket: Int32?

    /// The path of journald's socket.
    package static let path = "/run/systemd/journal/socket"
    /// The longest text of a record, in bytes.
    package static let longestText = 1024
    /// The longest record: a sentence and a dozen fields.
    private static let longestRecord = 16_384

    /// A journal for the records of a process; without a socket they go to standard error.
    ///
    /// The socket must stay open as long as the journal is used.
    package init(process: String, socket: Int32?) {
        self.process = process
        self.socket = socket
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
        for index in 0..<batch.count {
            if let socket {
                buffer.removeAll()
                batch.writeNative(index, process: process, into: &buffer)
                if Self.send(buffer.span, on: socket) { continue }
            }
            buffer.removeAll()
            batch.writeReadable(index, process: process, into: &buffer)
            // In one piece, so that lines of several processes stay whole. In bounds: the span's own.
            _ = unsafe buffer.span.withUnsafeBytes { line in
                unsafe Glibc.write(2, line.baseAddress, line.count)
            }
        }
    }

    private static func send(_ bytes: Span<UInt8>, on socket: Int32) -> Bool {
        // In bounds: the span's own storage and length.
        unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.send(
                socket, buffer.baseAddress, buffer.count,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) >= 0
        }
    }

    /// Writes a text with what a terminal would act on, and bytes that are no UTF-8, made visible, of at most
    /// 1,024 bytes: nothing that came from the network moves a cursor, begins a new line or turns text round.
    package static func clean(_ text: Span<UInt8>, into output: inout ByteBuffer) {
        let limit = output.count + longestText
        var at = 0
        while at < text.count {
            guard output.count < limit else {
                output.append("…")
                return
            }
            let length = text.scalarLength(at: at)
            let scalar = length == 0 ? nil : text.scalar(at: at, length: length)
            if let scalar, scalar.isTerminalControl, length > 2 {
                output.append("\\u{")
                output.append(Array(String(scalar.value, radix: 16, uppercase: true).utf8).span)
                output.append("}")
            } else if scalar?.isTerminalControl ?? true {
                output.append("\\x")
                output.append(hex: length == 2 ? text[at + 1] : text[at])
            } else {
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
