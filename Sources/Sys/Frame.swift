internal import CLinux
internal import Glibc

/// One message of a SOCK_SEQPACKET socket, with at most one descriptor.
package enum Frame {
    /// The longest frame any link carries, in bytes.
    package static let maximumLength = 65_536

    /// What a receive found.
    package enum Received {
        /// A frame of so many bytes, now at the start of the buffer.
        case frame(length: Int, passed: Descriptor?)
        /// A frame of so many bytes whose descriptor is lost: this process has as many open as it may.
        case cut(length: Int)
        /// Nothing waits.
        case nothing
        /// The other end is closed.
        case ended
    }

    /// Sends one frame; false when the socket has no room now.
    package static func send(
        _ bytes: Span<UInt8>, passing: Descriptor? = nil, on raw: Int32
    ) throws(SystemError) -> Bool {
        let fd = passing?.raw ?? -1
        // In bounds: the span's own storage and length.
        let sent = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe clinux_send_frame(raw, buffer.baseAddress, buffer.count, fd)
        }
        if sent == -Int(EAGAIN) { return false }
        if sent < 0 { throw SystemError("send frame", code: Int32(sent)) }
        return true
    }

    /// Receives one frame into the buffer.
    package static func receive(
        into buffer: inout [UInt8], on raw: Int32
    ) throws(SystemError) -> Received {
        var passed: Int32 = -1
        // In bounds: the array's own storage and length.
        let length = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe clinux_receive_frame(raw, bytes.baseAddress, bytes.count, &passed)
        }
        let descriptor = passed >= 0 ? Descriptor(owning: passed) : nil
        if length == -Int(EAGAIN) { return .nothing }
        if length == 0 || length == -Int(ECONNRESET) { return .ended }
        if length < 0 { throw SystemError("receive frame", code: Int32(length)) }
        if passed == CLINUX_PASSED_CUT { return .cut(length: length) }
        return .frame(length: length, passed: descriptor)
    }
}
