// A certificate's files, as the supervisor hands them over.

internal import COpenSSL
internal import Glibc
internal import Messages
internal import Sys

extension Identity {
    /// The longest certificate or key file that is read, in bytes.
    private static let longestFile = 1 << 20

    /// U+FEFF in UTF-8, with which editors of other systems begin a file: no part of the first line.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The identity of the two files that the supervisor has copied, looked at at a moment since 1970.
    init(_ files: [FileKind: Descriptor], at now: Milliseconds) throws(CertificateRefusal) {
        let chain = try Self.bytes(of: .certificate, files)
        var key = try Self.bytes(of: .key, files)
        // Not left behind in freed memory; OpenSSL wipes its own copy.
        defer { wipe(&key) }
        try self.init(certificate: chain, key: key, at: now)
    }

    private static func bytes(
        of file: FileKind, _ files: [FileKind: Descriptor]
    ) throws(CertificateRefusal) -> [UInt8] {
        guard let descriptor = files[file] else {
            throw CertificateRefusal(
                file,
                "a tls:// endpoint needs it, but the file is missing or cannot be opened; "
                    + "name an existing file that root can read", isMissing: true)
        }
        // The supervisor may hand the same open file to the next terminator as well.
        _ = lseek(descriptor.raw, 0, SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 16_384)
        var length = 0
        while true {
            if length == bytes.count { bytes += [UInt8](repeating: 0, count: bytes.count) }
            switch Stream.read(descriptor.raw, into: &bytes, at: length) {
            case .moved(let count): length += count
            case .ended:
                let start = bytes[..<length].starts(with: byteOrderMark) ? byteOrderMark.count : 0
                return Array(bytes[start..<length])
            case .wouldBlock: throw CertificateRefusal(file, "is not a regular file")
            case .failed(let code):
                throw CertificateRefusal(file, "\(SystemError("reading it", code: code))")
            }
            guard length <= longestFile else {
                throw CertificateRefusal(file, "is longer than 1 MiB, so it is no PEM file")
            }
        }
    }
}

/// Overwrites secret bytes in a way that the compiler keeps.
func wipe(_ bytes: inout [UInt8]) {
    // In bounds: the array's own storage and length.
    unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count)
    }
}
