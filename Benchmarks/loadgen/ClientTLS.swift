// TLS 1.3 as a phone speaks it: a full handshake every time, and any certificate will do.

internal import COpenSSL
internal import Glibc

/// What sessions are made from.
@safe
final class ClientContext {
    private let pointer: OpaquePointer

    init() {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()),
            unsafe edge_ssl_only_version(context, TLS1_3_VERSION) == 1
        else { fail("OpenSSL has no TLS 1.3") }
        unsafe edge_ssl_set_modes(context)
        unsafe pointer = unsafe context
    }

    deinit { unsafe SSL_CTX_free(pointer) }

    /// A session on a connected socket.
    func session(on raw: Int32) -> ClientSession {
        guard let session = unsafe SSL_new(pointer), unsafe SSL_set_fd(session, raw) == 1 else {
            fail("OpenSSL has no memory")
        }
        return unsafe ClientSession(owning: session, on: raw)
    }
}

/// The client's side of one session; the socket does not block, the calls wait where they must.
@safe
final class ClientSession {
    private let pointer: OpaquePointer
    private let raw: Int32
    /// How many times a tenth of a second a peer that does not go on is waited for.
    private static let patience = 50

    @unsafe
    init(owning pointer: OpaquePointer, on raw: Int32) {
        unsafe self.pointer = unsafe pointer
        self.raw = raw
        unsafe SSL_set_connect_state(pointer)
    }

    deinit { unsafe SSL_free(pointer) }

    /// Waits for what a call that did not succeed wants; false when there is no going on.
    private func wait(after result: Int32) -> Bool {
        switch unsafe SSL_get_error(pointer, result) {
        case SSL_ERROR_WANT_READ: waitFor(raw, POLLIN)
        case SSL_ERROR_WANT_WRITE: waitFor(raw, POLLOUT)
        default: return false
        }
        return true
    }

    /// Makes the handshake; whether it succeeded.
    func handshake() -> Bool {
        for _ in 0..<Self.patience {
            ERR_clear_error()
            let result = unsafe SSL_do_handshake(pointer)
            if result == 1 { return true }
            guard wait(after: result) else { return false }
        }
        return false
    }

    /// Reads what has come; 0 for nothing, -1 at the end.
    func read(into buffer: inout [UInt8]) -> Int {
        ERR_clear_error()
        var count = 0
        // In bounds: the array's own storage and length.
        let result = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe SSL_read_ex(pointer, bytes.baseAddress, bytes.count, &count)
        }
        if result == 1 { return count }
        return unsafe SSL_get_error(pointer, result) == SSL_ERROR_WANT_READ ? 0 : -1
    }

    /// Writes all bytes; false when the peer is gone.
    func write(_ bytes: Span<UInt8>) -> Bool {
        var done = 0
        var waits = 0
        while done < bytes.count {
            ERR_clear_error()
            var count = 0
            // In bounds: the span's own storage and length.
            let result = unsafe bytes.extracting(done..<bytes.count).withUnsafeBufferPointer {
                unsafe SSL_write_ex(pointer, $0.baseAddress, $0.count, &count)
            }
            if result == 1 {
                done += count
                continue
            }
            waits += 1
            guard waits < Self.patience, wait(after: result) else { return false }
        }
        return true
    }

    /// Sends close_notify.
    func sayGoodBye() {
        ERR_clear_error()
        _ = unsafe SSL_shutdown(pointer)
    }
}
