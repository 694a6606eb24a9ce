internal import Glibc
package import Sys

/// Standard error, written to without ever waiting for its reader.
package enum StandardError {
    /// Its number.
    package static let descriptor: Int32 = 2

    /// Opens what standard error leads to anew, without waiting, for this process and those that it starts.
    ///
    /// O_NONBLOCK belongs to the open file, which a process shares with its parent (fcntl(2)). So a
    /// pipe or terminal is opened once more (proc(5), /proc/pid/fd). Where that is not permitted, a
    /// pipe is made not to wait for everybody. A file never makes its writer wait, and a socket is
    /// sent to with MSG_DONTWAIT.
    package static func stopWaiting() {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFIFO || kind == S_IFCHR else { return }
        let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let own = unsafe Glibc.open("/proc/self/fd/\(descriptor)", flags)
        if own >= 0 {
            _ = dup2(own, descriptor)
            _ = Glibc.close(own)
        } else if kind == S_IFIFO {
            let current = fcntl(descriptor, F_GETFL)
            if current >= 0 { _ = fcntl(descriptor, F_SETFL, current | O_NONBLOCK) }
        }
    }

    /// Another descriptor of what standard error leads to; nil when there is none, or no room for one.
    package static func copy() -> Descriptor? {
        let raw = fcntl(descriptor, F_DUPFD_CLOEXEC, descriptor + 1)
        return raw < 0 ? nil : Descriptor(owning: raw)
    }

    /// Writes as many bytes as there is room for, to standard error or to a descriptor of the kind of `copy`.
    static func write(_ bytes: Span<UInt8>, on descriptor: Int32) -> Stream.Outcome {
        // In bounds: the span's own storage and length.
        let written = unsafe bytes.withUnsafeBytes { buffer in
            let sent = unsafe send(
                descriptor, buffer.baseAddress, buffer.count,
                Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            guard sent < 0, errno == ENOTSOCK else { return sent }
            return unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
        }
        if written >= 0 { return .moved(written) }
        return errno == EAGAIN || errno == EINTR ? .wouldBlock : .failed(errno)
    }
}
