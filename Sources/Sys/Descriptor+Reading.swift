extension Descriptor {
    /// The bytes up to the end.
    ///
    /// Throws EFBIG for more than `limit` bytes; `what` names the file in errors.
    package func bytes(limit: Int, _ what: String) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            switch Stream.read(raw, into: &buffer, at: 0) {
            case .moved(let count): bytes += buffer[..<count]
            case .ended: return bytes
            case .failed(let code): throw SystemError("read \(what)", code: code)
            case .wouldBlock: throw SystemError("read \(what)", code: Errno.again)
            }
            guard bytes.count <= limit else {
                throw SystemError("read \(what)", code: Errno.tooBig)
            }
        }
    }
}
