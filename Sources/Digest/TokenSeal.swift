internal import CCrypto
package import Sys

/// Makes and opens opaque tokens: encrypted, authenticated, of letters that may stand in a SIP URI's
/// user part and in a host name.
///
/// The construction is that of SIV (RFC 5297). A MAC over the plaintext, cut to 10 bytes, is the
/// initial vector of AES-128 in counter mode and the tag at once. Equal plaintexts give equal
/// tokens, which retransmissions want, and no number has to be kept from being used twice over
/// restarts.
///
/// The MAC of a bound token is S2V, whose associated data are the Call-ID and a tag of the dialog.
/// They make the token no longer. That of one that is bound to nothing is the CMAC of the
/// plaintext, under another key.
@safe
package struct TokenSeal: ~Copyable {
    /// The longest plaintext, in bytes.
    package static let maximumPlaintext = S2V.longestLast
    /// The tag's length, in bytes.
    package static let tagLength = 10

    private var mac: KeyedHash
    private var bound: S2V
    private var names = ByteBuffer(capacity: 512)
    private let cipher: OpaquePointer

    /// A seal of a key of 32 bytes.
    package init(key: [UInt8]) {
        var derive = KeyedHash(key: key)
        mac = KeyedHash(
            key: Self.derived("authentication, upper half", &derive)
                + Self.derived("authentication, lower half", &derive))
        bound = S2V(
            key: Self.derived("authentication in a dialog, upper half", &derive)
                + Self.derived("authentication in a dialog, lower half", &derive))
        guard let cipher = unsafe EVP_CIPHER_CTX_new() else {
            preconditionFailure("out of memory")
        }
        let aesKey = Self.derived("encryption", &derive)
        let good = unsafe EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), nil, aesKey, nil)
        precondition(good == 1, "libcrypto has no AES-128-CTR")
        unsafe self.cipher = cipher
    }

    deinit { unsafe EVP_CIPHER_CTX_free(cipher) }

    /// 16 bytes of key for one purpose.
    private static func derived(_ purpose: String, _ key: inout KeyedHash) -> [UInt8] {
        let hash = key.hash(Array("rempart token \(purpose)".utf8).span)
        return (0..<KeyedHash.length).map { hash.bytes[$0] }
    }

    /// What binds a token to the dialog of a Call-ID and a tag.
    ///
    /// Both are one string of the vector, with a byte between them that stands in neither: one CMAC less. What is too
    /// long for that makes two.
    package mutating func dialog(callID: Span<UInt8>, tag: Span<UInt8>) -> StringVector {
        names.removeAll()
        names.append(callID)
        names.append(0)
        names.append(tag)
        guard names.overflowed else { return Self.adding(names, to: &bound) }
        return bound.adding(tag, to: bound.adding(callID, to: bound.start))
    }

    private static func adding(
        _ names: borrowing ByteBuffer, to bound: inout S2V
    ) -> StringVector {
        bound.adding(names.span, to: bound.start)
    }

    private mutating func tag(
        _ plaintext: Span<UInt8>, _ dialog: StringVector?
    ) -> InlineArray<16, UInt8> {
        let hash = dialog.map { bound.finish($0, plaintext) } ?? mac.hash(plaintext)
        var vector = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<Self.tagLength { vector[index] = hash.bytes[index] }
        return vector
    }

    /// Encrypts or decrypts in counter mode, in place.
    private mutating func crypt(
        _ vector: InlineArray<16, UInt8>, _ data: inout InlineArray<176, UInt8>, from: Int,
        count: Int
    ) {
        var output = data.mutableSpan
        let iv = vector.span
        var written: Int32 = 0
        // In bounds: the caller's `from + count` is at most 170, the array has 176 bytes.
        unsafe output.withUnsafeMutableBufferPointer { buffer in
            unsafe iv.withUnsafeBufferPointer { iv in
                guard let base = buffer.baseAddress else { return }
                unsafe EVP_EncryptInit_ex(cipher, nil, nil, nil, iv.baseAddress)
                unsafe EVP_EncryptUpdate(
                    cipher, base + from, &written, base + from, Int32(count))
            }
        }
    }

    // MARK: Sealing

    /// Writes the token of a plaintext of at most `maximumPlaintext` bytes, bound to a dialog or to nothing.
    package mutating func seal(
        _ plaintext: Span<UInt8>, of dialog: StringVector? = nil, into buffer: inout ByteBuffer
    ) {
        precondition(plaintext.count <= Self.maximumPlaintext)
        let vector = tag(plaintext, dialog)
        var data = InlineArray<176, UInt8>(repeating: 0)
        for index in 0..<Self.tagLength { data[index] = vector[index] }
        for index in plaintext.indices { data[Self.tagLength + index] = plaintext[index] }
        crypt(vector, &data, from: Self.tagLength, count: plaintext.count)
        Base64URL.append(data.span.extracting(0..<Self.tagLength + plaintext.count), to: &buffer)
    }

    /// Writes the token of what a buffer holds, at most `maximumPlaintext` bytes.
    ///
    /// A buffer and not its span, since the compiler takes a span of one stored property for a borrow of
    /// all of them.
    package mutating func seal(
        _ plaintext: borrowing ByteBuffer, of dialog: StringVector? = nil,
        into buffer: inout ByteBuffer
    ) {
        seal(plaintext.span, of: dialog, into: &buffer)
    }

    // MARK: Opening

    /// A token's tag, and its plaintext of which nobody knows yet whether we have sealed it.
    private struct Decrypted {
        var vector = InlineArray<16, UInt8>(repeating: 0)
        var data = InlineArray<176, UInt8>(repeating: 0)
        var count = 0

        var plaintext: Span<UInt8> {
            @_lifetime(borrow self)
            get { data.span.extracting(TokenSeal.tagLength..<count) }
        }
    }

    private mutating func decrypt(_ token: Span<UInt8>) -> Decrypted? {
        var result = Decrypted()
        guard token.count <= (Self.maximumPlaintext + Self.tagLength) * 4 / 3 + 2,
            let count = Base64URL.decode(token, into: &result.data), count > Self.tagLength,
            count <= Self.tagLength + Self.maximumPlaintext
        else { return nil }
        result.count = count
        for index in 0..<Self.tagLength { result.vector[index] = result.data[index] }
        crypt(
            result.vector, &result.data, from: Self.tagLength, count: count - Self.tagLength)
        return result
    }

    private mutating func isOurs(
        _ decrypted: borrowing Decrypted, _ dialog: StringVector?
    ) -> Bool {
        let expected = tag(decrypted.plaintext, dialog)
        var difference: UInt8 = 0
        for index in 0..<Self.tagLength { difference |= expected[index] ^ decrypted.vector[index] }
        return difference == 0
    }

    private static func copy(_ decrypted: borrowing Decrypted, into buffer: inout ByteBuffer) {
        buffer.removeAll()
        buffer.append(decrypted.plaintext)
    }

    /// Opens a token that is bound to a dialog, or to nothing, into the buffer; false when it is none of ours.
    package mutating func open(
        _ token: Span<UInt8>, of dialog: StringVector? = nil, into buffer: inout ByteBuffer
    ) -> Bool {
        guard let decrypted = decrypt(token), isOurs(decrypted, dialog) else { return false }
        Self.copy(decrypted, into: &buffer)
        return true
    }

    /// Opens a token that is bound to a Call-ID and to one of two tags into the buffer.
    ///
    /// Returns what it is bound to, and whether to the first tag; nil when it is none of ours.
    ///
    /// An empty second tag is not tried.
    package mutating func open(
        _ token: Span<UInt8>, callID: Span<UInt8>, _ first: Span<UInt8>, _ second: Span<UInt8>,
        into buffer: inout ByteBuffer
    ) -> (dialog: StringVector, isFirst: Bool)? {
        guard let decrypted = decrypt(token) else { return nil }
        var dialog = dialog(callID: callID, tag: first)
        let isFirst = isOurs(decrypted, dialog)
        if !isFirst {
            guard !second.isEmpty else { return nil }
            dialog = self.dialog(callID: callID, tag: second)
            guard isOurs(decrypted, dialog) else { return nil }
        }
        Self.copy(decrypted, into: &buffer)
        return (dialog, isFirst)
    }
}

/// base64 with the alphabet for URLs, without padding (RFC 4648 section 5).
package enum Base64URL {
    private static func letter(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 + value - 26
        case 52..<62: 0x30 + value - 52
        case 62: UInt8(ascii: "-")
        default: UInt8(ascii: "_")
        }
    }

    private static func value(_ letter: UInt8) -> UInt8? {
        switch letter {
        case 0x41...0x5A: letter - 0x41
        case 0x61...0x7A: letter - 0x61 + 26
        case 0x30...0x39: letter - 0x30 + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }

    /// Whether the byte is a letter of the alphabet.
    package static func isLetter(_ byte: UInt8) -> Bool { value(byte) != nil }

    /// Writes the text of the bytes.
    package static func append(_ bytes: Span<UInt8>, to buffer: inout ByteBuffer) {
        var bits: UInt32 = 0
        var pending = 0
        for index in bytes.indices {
            bits = bits << 8 | UInt32(bytes[index])
            pending += 8
            while pending >= 6 {
                pending -= 6
                buffer.append(letter(UInt8(bits >> UInt32(pending) & 63)))
            }
            bits &= 63
        }
        if pending > 0 { buffer.append(letter(UInt8(bits << UInt32(6 - pending) & 63))) }
    }

    /// Decodes the text and returns how many bytes it gave; nil for another text, or one too long.
    package static func decode(_ text: Span<UInt8>, into data: inout InlineArray<176, UInt8>)
        -> Int?
    {
        var bits: UInt32 = 0
        var pending = 0
        var count = 0
        for index in text.indices {
            guard let value = value(text[index]) else { return nil }
            bits = bits << 6 | UInt32(value)
            pending += 6
            if pending >= 8 {
                pending -= 8
                guard count < 176 else { return nil }
                data[count] = UInt8(truncatingIfNeeded: bits >> UInt32(pending))
                count += 1
                bits &= (1 << UInt32(pending)) - 1
            }
        }
        // Left-over bits must be zero, or one token could be written in several ways.
        return bits == 0 && pending < 6 ? count : nil
    }
}
