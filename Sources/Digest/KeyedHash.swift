internal import CCrypto

/// AES-CMAC by libcrypto (NIST SP 800-38B, RFC 4493) with a key that is set once.
///
/// It is not HMAC, for which libcrypto copies its inner state onto the heap anew for every message,
/// twice. CMAC allocates nothing. And not by EVP_MAC, which asks for the length of its value by
/// name each time: a call has some thirty of them.
@safe
package struct KeyedHash: ~Copyable {
    /// The length of a hash, in bytes.
    package static let length = 16

    private let context: OpaquePointer

    /// A keyed hash; the key is of 32 bytes, or of 16 as in the examples of RFC 5297.
    package init(key: [UInt8]) {
        precondition(key.count == 32 || key.count == 16)
        guard let context = unsafe CMAC_CTX_new() else { preconditionFailure("out of memory") }
        let cipher = unsafe key.count == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc()
        let good = unsafe CMAC_Init(context, key, key.count, cipher, nil)
        precondition(good == 1, "libcrypto refuses AES-CMAC")
        unsafe self.context = context
    }

    deinit { unsafe CMAC_CTX_free(context) }

    /// The hash of the bytes, 16 bytes long.
    package mutating func hash(_ bytes: Span<UInt8>) -> HashValue {
        var value = HashValue()
        value.length = Self.length
        var length = 0
        // The key stays from the first CMAC_Init.
        unsafe CMAC_Init(context, nil, 0, nil, nil)
        // In bounds: the span's own storage and length; the value is 32 bytes long.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            _ = unsafe CMAC_Update(context, buffer.baseAddress, buffer.count)
        }
        var output = value.bytes.mutableSpan
        unsafe output.withUnsafeMutableBufferPointer { buffer in
            _ = unsafe CMAC_Final(context, buffer.baseAddress, &length)
        }
        return value
    }
}
