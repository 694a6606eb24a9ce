internal import CLinux
internal import Glibc

/// Reading and writing bytes of a stream descriptor without waiting.
package enum Stream {
    /// What a read or write came to.
    package enum Outcome: Equatable {
        /// So many bytes were moved.
        case moved(Int)
        /// It would have to wait.
        case wouldBlock
        /// The other end has closed; a write finds the same as an error.
        case ended
        /// It failed with this errno.
        case failed(Int32)
    }

    /// A pipe: the end to read from, which does not block, and the end to write to.
    package static func pipe() throws(SystemError) -> (reading: Descriptor, writing: Descriptor) {
        var ends: (Int32, Int32) = (-1, -1)
        // In bounds: a tuple of two Int32 has the layout of int[2].
        let result = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe clinux_pipe(bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        _ = try SystemError.check(result, "pipe")
        return (Descriptor(owning: ends.0), Descriptor(owning: ends.1))
    }

    /// Reads into the part of the buffer that begins at `start`.
    package static func read(_ raw: Int32, into buffer: inout [UInt8], at start: Int) -> Outcome {
        // In bounds: `start` is at most the array's count, checked by the slice.
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            return retrying { unsafe Glibc.read(raw, free.baseAddress, free.count) }
        }
        return count == 0 ? .ended : outcome(count)
    }

    /// Writes as many bytes as the socket takes.
    package static func write(_ raw: Int32, _ bytes: Span<UInt8>) -> Outcome {
        // In bounds: the span's own storage and length.
        let count = unsafe bytes.withUnsafeBufferPointer { buffer in
            retrying {
                unsafe Glibc.send(raw, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
        }
        return outcome(count)
    }

    private static func retrying(_ call: () -> Int) -> Int {
        while true {
            let count = call()
            if count >= 0 { return count }
            if errno != EINTR { return -Int(errno) }
        }
    }

    private static func outcome(_ count: Int) -> Outcome {
        if count >= 0 { return .moved(count) }
        return count == -Int(EAGAIN) ? .wouldBlock : .failed(Int32(-count))
    }
}
