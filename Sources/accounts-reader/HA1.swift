// Digest's A1, hashed (RFC 2617 section 3.2.2.2; RFC 8760 for SHA-256).
internal import CCrypto

/// The hashes of `user:realm:secret`.
enum HA1 {
    /// MD5, 16 bytes; empty when libcrypto refuses MD5 (FIPS mode).
    static func md5(user: String, realm: String, secret: [UInt8]) -> [UInt8] {
        unsafe hash(EVP_md5(), length: 16, user, realm, secret)
    }

    /// SHA-256, 32 bytes.
    static func sha256(user: String, realm: String, secret: [UInt8]) -> [UInt8] {
        unsafe hash(EVP_sha256(), length: 32, user, realm, secret)
    }

    /// MD5 of any bytes; empty when libcrypto refuses MD5.
    static func md5(_ bytes: [UInt8]) -> [UInt8] { unsafe hash(EVP_md5(), length: 16, bytes) }

    /// SHA-256 of any bytes.
    static func sha256(_ bytes: [UInt8]) -> [UInt8] { unsafe hash(EVP_sha256(), length: 32, bytes) }

    @safe
    private static func hash(
        _ algorithm: OpaquePointer?, length: Int, _ user: String, _ realm: String, _ secret: [UInt8]
    ) -> [UInt8] {
        hash(algorithm, length: length, Array("\(user):\(realm):".utf8) + secret)
    }

    @safe
    private static func hash(
        _ algorithm: OpaquePointer?, length: Int, _ bytes: [UInt8]
    ) -> [UInt8] {
        var text = bytes
        var digest = [UInt8](repeating: 0, count: length)
        // In bounds: the arrays' own storage and lengths; the algorithm's output is `length` bytes.
        let done = unsafe text.withUnsafeMutableBytes { input in
            unsafe digest.withUnsafeMutableBytes { output in
                let result = unsafe EVP_Digest(
                    input.baseAddress, input.count,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self), nil, algorithm, nil)
                unsafe OPENSSL_cleanse(input.baseAddress, input.count)
                return result
            }
        }
        return done == 1 ? digest : []
    }

    /// The bytes of a hash in hexadecimal, of either case; nil for anything else.
    static func bytes(hex text: some Sequence<UInt8>, length: Int) -> [UInt8]? {
        let digits = text.map { byte in Character(UnicodeScalar(byte)).hexDigitValue ?? 16 }
        guard digits.count == 2 * length, digits.allSatisfy({ $0 < 16 }) else { return nil }
        return (0..<length).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }
}
