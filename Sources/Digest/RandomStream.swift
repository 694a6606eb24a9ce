internal import CCrypto
internal import Sys

/// Numbers that nobody can guess, even after seeing many of them.
///
/// It is AES-256 in counter mode by libcrypto over a seed, with a new key for each refill (fast key
/// erasure). So no earlier number follows from a later state.
///
/// The same seed gives the same numbers, which lets a test play a whole run again. 4,064 bytes are made at a time;
/// nothing is allocated after the beginning.
@safe
package struct RandomStream: ~Copyable {
    /// How many bytes the seed has.
    package static let seedLength = 32
    private static let length = 4096

    private let cipher: OpaquePointer
    // What is handed out; of what was handed out nothing is left.
    private var pool = [UInt8](repeating: 0, count: Self.length)
    private var at = Self.length

    /// A stream over a seed of 32 bytes, which are unpredictable and used for nothing else.
    package init(seed: [UInt8]) {
        precondition(seed.count == Self.seedLength)
        guard let cipher = unsafe EVP_CIPHER_CTX_new() else {
            preconditionFailure("out of memory")
        }
        let counter = [UInt8](repeating: 0, count: 16)
        let good = unsafe EVP_EncryptInit_ex(cipher, EVP_aes_256_ctr(), nil, seed, counter)
        precondition(good == 1, "libcrypto has no AES-256-CTR")
        unsafe self.cipher = cipher
    }

    deinit { unsafe EVP_CIPHER_CTX_free(cipher) }

    /// Makes the next numbers, and of their first bytes the key of those that follow.
    private mutating func refill() {
        let counter = InlineArray<16, UInt8>(repeating: 0)
        let start = counter.span
        var written: Int32 = 0
        // In bounds: what is encrypted are the pool's own bytes, of which the first 32 are the key; the counter has 16.
        unsafe pool.withUnsafeMutableBufferPointer { buffer in
            unsafe start.withUnsafeBufferPointer { counter in
                guard let base = buffer.baseAddress else { return }
                unsafe buffer.update(repeating: 0)
                let made = unsafe EVP_EncryptUpdate(
                    cipher, base, &written, base, Int32(buffer.count))
                let keyed = unsafe EVP_EncryptInit_ex(
                    cipher, nil, nil, base, counter.baseAddress)
                precondition(made == 1 && keyed == 1, "libcrypto makes no random numbers")
                unsafe buffer[..<Self.seedLength].update(repeating: 0)
            }
        }
        precondition(written == Self.length, "libcrypto makes too few random numbers")
        at = Self.seedLength
    }

    /// The next number.
    package mutating func next() -> UInt64 {
        if at == Self.length { refill() }
        var word: UInt64 = 0
        for place in at..<at + 8 {
            word = word << 8 | UInt64(pool[place])
            pool[place] = 0
        }
        at += 8
        return word
    }
}
