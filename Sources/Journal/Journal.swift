internal import Glibc

/// Writes records to journald by its native protocol, or as readable lines to standard error.
///
/// DIAGNOSTICS: a record that journald does not take (its socket is gone) goes to standard error.
package struct Journal: Sendable {
    private let process: String
    private let socket: Int32?

    /// The path of journald's socket.
    package static let path = "/run/systemd/journal/socket"

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
        if let socket {
            let bytes = nativeRecord(record, priority, message, fields)
            // In bounds: the array's own storage and length.
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe send(
                    socket, buffer.baseAddress, buffer.count,
                    Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if sent >= 0 { return }
        }
        Self.line(readable(priority, message, fields))
    }

    /// The record as journald takes it: NAME=value lines, or length-prefixed where needed.
    package func nativeRecord(
        _ record: Record, _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        func add(_ name: String, _ value: String) {
            bytes += Array("\(name)=\(Self.clean(value))\n".utf8)
        }
        add("MESSAGE", message)
        add("MESSAGE_ID", record.rawValue)
        add("PRIORITY", String(priority.rawValue))
        add("SYSLOG_IDENTIFIER", "rempart")
        add("REMPART_PROCESS", process)
        for (field, value) in fields { add(field.rawValue, value) }
        return bytes
    }

    /// The record as one line for a person: process, message, then the fields it does not show yet.
    package func readable(
        _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) -> String {
        let mark = priority.rawValue <= Priority.error.rawValue ? "error: " : ""
        var line = "rempart[\(process)]: \(mark)\(Self.clean(message))"
        for (field, value) in fields where !message.contains(value) {
            let name = field.rawValue.dropFirst("REMPART_".count).lowercased()
            line += " \(name)=\(Self.clean(value))"
        }
        return line
    }

    /// Text with control characters made visible, at most 1,024 bytes: nothing that came from the
    /// network moves a cursor or begins a new line.
    package static func clean(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if result.utf8.count >= 1024 { return result + "…" }
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
                result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Writes one line to standard error in one piece, so that lines of several processes stay whole.
    private static func line(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        // In bounds: the array's own storage and length.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
