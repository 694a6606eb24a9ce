// One TLS session: the only place that calls SSL_get_error.

internal import COpenSSL

/// What a step of a session came to.
enum TLSProgress: Equatable {
    /// So many bytes were moved; 0 for a handshake that is done.
    case moved(Int)
    /// Nothing more until the socket can be read.
    case wantsRead
    /// Nothing more until the socket can be written.
    case wantsWrite
    /// The client said that it will send no more (close_notify).
    case finished
    /// The client went away without saying so.
    case ended
    /// The client broke the rules of TLS; OpenSSL's words for how.
    case broken(String)
}

/// The server's side of one TLS session; owns OpenSSL's object, not the socket.
@safe
final class TLSSession {
    private let pointer: OpaquePointer
    /// Who chooses the certificate, for as long as the handshake may ask.
    private var chooser: ServedCertificates?
    /// After a fatal error OpenSSL forbids SSL_shutdown (SSL_get_error(3)).
    private var isFatal = false

    @unsafe
    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
        unsafe SSL_set_accept_state(pointer)
    }

    deinit { unsafe SSL_free(pointer) }

    /// Goes on with the handshake.
    func handshake() -> TLSProgress {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(pointer)
        guard result == 1 else { return progress(after: result) }
        chooser = nil
        return .moved(0)
    }

    /// Keeps who chooses the certificate until the handshake is done.
    func retain(_ chooser: ServedCertificates) { self.chooser = chooser }

    /// Whether it holds bytes that were read ahead: the socket does not become readable for them.
    var hasPending: Bool { unsafe SSL_has_pending(pointer) == 1 }

    /// Reads at most `limit` bytes of plaintext, of one record, into the buffer from `start` on.
    func read(into buffer: inout [UInt8], at start: Int, limit: Int) -> TLSProgress {
        ERR_clear_error()
        var count = 0
        // In bounds: the slice is checked against the array.
        let result = unsafe buffer.withUnsafeMutableBytes { bytes in
            let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + limit])
            return unsafe SSL_read_ex(pointer, free.baseAddress, free.count, &count)
        }
        return result == 1 ? .moved(count) : progress(after: result)
    }

    /// Writes as much of the plaintext as the socket takes; not empty.
    ///
    /// After `wantsRead` or `wantsWrite` the next write must begin with the same bytes.
    func write(_ bytes: Span<UInt8>) -> TLSProgress {
        ERR_clear_error()
        var count = 0
        // In bounds: the span's own storage and length.
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe SSL_write_ex(pointer, buffer.baseAddress, buffer.count, &count)
        }
        return result == 1 ? .moved(count) : progress(after: result)
    }

    /// Says that no more will be sent (close_notify), if that may still be said.
    func sendCloseNotify() {
        guard !isFatal else { return }
        ERR_clear_error()
        _ = unsafe SSL_shutdown(pointer)
    }

    private func progress(after result: Int32) -> TLSProgress {
        switch unsafe SSL_get_error(pointer, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case SSL_ERROR_ZERO_RETURN: return .finished
        case SSL_ERROR_SYSCALL:
            isFatal = true
            ERR_clear_error()
            return .ended
        default:
            isFatal = true
            let error = OpenSSLError.take()
            return error.isUnexpectedEnd ? .ended : .broken(error.text)
        }
    }
}
