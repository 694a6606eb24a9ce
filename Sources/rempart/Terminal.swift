internal import ArgumentParser
internal import Glibc
internal import Settings
internal import Sys

/// Writes a line to standard output at once, so that it stands in order with those on standard error.
func say(_ text: String) {
    _ = write(STDOUT_FILENO, Array((text + "\n").utf8))
}

/// Writes a line to standard error.
func complain(_ text: String) {
    // A standard error that is gone is nobody's to be told of.
    _ = write(STDERR_FILENO, Array((text + "\n").utf8))
}

/// Writes a message for the administrator to standard error, and gives the exit code that goes with it.
func failure(_ message: String) -> ExitCode {
    complain("rempart: \(message.terminalSafe)")
    return ExitCode(1)
}

/// Writes all bytes to a descriptor; false when it takes no more.
func write(_ raw: Int32, _ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        // In bounds: the slice's own storage and length.
        let count = unsafe rest.withUnsafeBytes {
            unsafe Glibc.write(raw, $0.baseAddress, $0.count)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
    }
    return true
}

/// The bytes of a descriptor up to its end, or a little more than `limit` of them.
func readAll(_ raw: Int32, limit: Int, name: String) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= limit {
        switch Stream.read(raw, into: &buffer, at: 0) {
        case .moved(let count): bytes += buffer[..<count]
        case .ended: return bytes
        case .wouldBlock: throw SystemError("read \(name)", code: EAGAIN)
        case .failed(let code): throw SystemError("read \(name)", code: code)
        }
    }
    return bytes
}

/// The bytes of a file, or a little more than `limit` of them.
func readFile(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard raw >= 0 else { throw SystemError("open \(path)", code: errno) }
    let file = Descriptor(owning: raw)
    defer { file.close() }
    return try readAll(file.raw, limit: limit, name: path)
}

extension Span<UInt8> {
    /// The text in UTF-8, whatever is none shown as U+FFFD.
    var text: String {
        // In bounds: the span's own storage and length.
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
