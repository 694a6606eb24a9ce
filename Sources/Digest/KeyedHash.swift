internal import CCrypto

/// HMAC-SHA-256 by libcrypto (EVP_MAC(3)) with a key that is set once.
@safe
package struct KeyedHash: ~Copyable {
    private let context: OpaquePointer

    /// A keyed hash; the key is of 32 bytes.
    package init(key: [UInt8]) {
        guard let algorithm = unsafe EVP_MAC_fetch(nil, "HMAC", nil),
            let context = unsafe EVP_MAC_CTX_new(algorithm)
        else { preconditionFailure("libcrypto has no HMAC") }
        unsafe EVP_MAC_free(algorithm)
        var name: [CChar] = [83, 72, 65, 50, 53, 54, 0]
        // In bounds: the parameters live until EVP_MAC_init has copied them.
        let good = unsafe name.withUnsafeMutableBufferPointer { digest in
            let parameters = unsafe [
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.baseAddress, 0),
                OSSL_PARAM_construct_end(),
            ]
            return unsafe EVP_MAC_init(context, key, key.count, parameters)
        }
        precondition(good == 1, "libcrypto refuses HMAC-SHA-256")
        unsafe self.context = context
    }

    deinit { unsafe EVP_MAC_CTX_free(context) }

    /// The hash of the bytes.
    package mutating func hash(_ bytes: Span<UInt8>) -> HashValue {
        var value = HashValue()
        value.length = 32
        var length = 0
        // The key stays from the first EVP_MAC_init.
        unsafe EVP_MAC_init(context, nil, 0, nil)
        // In bounds: the span's own storage and length; the value is 32 bytes long.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            _ = unsafe EVP_MAC_update(context, buffer.baseAddress, buffer.count)
        }
        var output = value.bytes.mutableSpan
        unsafe output.withUnsafeMutableBufferPointer { buffer in
            _ = unsafe EVP_MAC_final(context, buffer.baseAddress, &length, buffer.count)
        }
        return value
    }
}
