internal import Sys

/// Values that follow one rule of a grammar, on bytes.
extension Span<UInt8> {
    /// Whether the bytes are UTF-8 (RFC 3629 section 4): nothing longer than it need be, and no surrogates.
    package var isUTF8: Bool {
        var at = 0
        while at < count {
            guard self[at] >= 0x80 else {
                at += 1
                continue
            }
            let length = scalarLength(at: at)
            guard length > 0 else { return false }
            at += length
        }
        return true
    }

    /// Whether the bytes are a token (RFC 3261 section 25.1).
    @inline(__always)
    var isToken: Bool {
        for index in indices where !Characters.isToken(self[index]) { return false }
        return count > 0
    }

    /// Whether all bytes may stand in a URI.
    var isURIText: Bool {
        for index in indices where !Characters.isURI(self[index]) { return false }
        return true
    }

    /// Whether the bytes are the scheme of a URI (RFC 3986 section 3.1).
    var isScheme: Bool {
        guard count > 0, Characters.lower(self[0]) &- 0x61 < 26 else { return false }
        for index in indices {
            let byte = self[index]
            guard
                Characters.lower(byte) &- 0x61 < 26 || byte &- 0x30 <= 9
                    || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
                    || byte == UInt8(ascii: ".")
            else { return false }
        }
        return true
    }

    /// Whether the bytes may follow the scheme of a URI that is not looked into (uric in RFC 2396 section 2).
    var isOpaque: Bool {
        for index in indices {
            switch self[index] {
            case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"),
                UInt8(ascii: "|"), UInt8(ascii: "^"), UInt8(ascii: "`"):
                return false
            default: continue
            }
        }
        return count > 0
    }

    /// Whether the bytes are a telephone number, global or local (RFC 3966 section 3).
    package var isTelephoneNumber: Bool {
        for index in indices {
            let byte = self[index]
            guard
                Characters.hex(byte) != nil || Characters.isVisualSeparator(byte)
                    || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "*")
                    || byte == UInt8(ascii: "#")
            else { return false }
        }
        return count > 0
    }

    /// Whether the bytes of a host are a name that a dot may follow (hostname in RFC 3261 section
    /// 25.1).
    ///
    /// No label of it is empty, and the last one begins with a letter, as no part of an address
    /// does.
    var isDomainName: Bool {
        var isLabelStart = true
        var isAlpha = false
        for index in indices {
            let byte = self[index]
            if byte == UInt8(ascii: ".") {
                guard !isLabelStart else { return false }
                isLabelStart = true
            } else if isLabelStart {
                isAlpha = Characters.lower(byte) &- 0x61 < 26
                isLabelStart = false
            }
        }
        return isAlpha && !isLabelStart
    }

    /// Whether the bytes are the parameters of a SIP URI (uri-parameter in RFC 3261 section 25.1).
    ///
    /// Each has one equals sign at most, and a name before it.
    var areURIParameters: Bool {
        var isNamed = false
        var hasValue = false
        var at = 0
        while at < count {
            let byte = self[at]
            if byte == UInt8(ascii: ";") {
                isNamed = false
                hasValue = false
            } else if byte == UInt8(ascii: "=") {
                guard isNamed, !hasValue else { return false }
                hasValue = true
            } else {
                guard Characters.isParameter(byte) else { return false }
                if byte == UInt8(ascii: "%") {
                    guard at + 2 < count, Characters.hex(self[at + 1]) != nil,
                        Characters.hex(self[at + 2]) != nil
                    else { return false }
                    at += 2
                }
                isNamed = true
            }
            at += 1
        }
        return true
    }

    /// Whether the bytes are the value of a header's parameter (gen-value in RFC 3261 section 25.1).
    ///
    /// It is a token or a quoted string; none at all is taken too. PJSIP throws away what has an address in brackets.
    var isParameterValue: Bool {
        guard count > 0 else { return true }
        if self[0] == UInt8(ascii: "\"") { return isQuotedString && isUTF8 }
        return isToken
    }

    /// Whether a quoted string fills the bytes.
    var isQuotedString: Bool {
        guard count > 1, self[0] == UInt8(ascii: "\"") else { return false }
        var at = 1
        while at < count, self[at] != UInt8(ascii: "\"") {
            at += self[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        return at == count - 1
    }

    /// Whether the bytes from `start` on are the parameters of a header, each behind a semicolon; none is empty.
    func areParameters(from start: Int) -> Bool {
        guard start < count else { return true }
        guard self[count - 1] != UInt8(ascii: ";") else { return false }
        var list = Parameters(Slice.from(start + 1, to: count))
        while let parameter = list.next(in: self) {
            guard bytes(parameter.name).isToken, bytes(parameter.value).isParameterValue else {
                return false
            }
        }
        return !list.isOpen
    }

    /// Whether the bytes are a media type or range with parameters (media-type, media-range in RFC 3261
    /// section 25.1).
    var isMediaType: Bool {
        let end = first(UInt8(ascii: ";")) ?? count
        guard let slash = first(UInt8(ascii: "/")), slash < end else { return false }
        return bytes(Slice(0, slash).trimmed(in: self)).isToken
            && bytes(Slice.from(slash + 1, to: end).trimmed(in: self)).isToken
            && areParameters(from: end)
    }

    /// Whether the bytes are a number of seconds with parameters (Session-Expires and Min-SE in RFC 4028
    /// section 4, 5).
    var isInterval: Bool {
        let end = first(UInt8(ascii: ";")) ?? count
        return bytes(Slice(0, end).trimmed(in: self)).decimal() != nil && areParameters(from: end)
    }

    /// Whether the bytes are a number of seconds, with a comment or parameters (Retry-After in RFC 3261 section
    /// 25.1).
    ///
    /// PJSIPs of ten years ago never come to the end of what follows a number otherwise.
    var isRetryAfter: Bool {
        var at = 0
        while at < count, self[at] &- 0x30 <= 9 { at += 1 }
        guard extracting(0..<at).decimal() != nil else { return false }
        at = start(after: at)
        if at < count, self[at] == UInt8(ascii: "(") {
            // A comment may have others in it.
            var close = count - 1
            while close > at, self[close] != UInt8(ascii: ")") { close -= 1 }
            guard close > at else { return false }
            at = start(after: close + 1)
        }
        return at == count || self[at] == UInt8(ascii: ";") && areParameters(from: at)
    }

    /// Whether the bytes are a weight among others (qvalue in RFC 3261 section 25.1), with as many digits as one likes.
    var isWeight: Bool {
        guard count > 0, self[0] == UInt8(ascii: "0") || self[0] == UInt8(ascii: "1") else {
            return false
        }
        guard count > 1 else { return true }
        return self[1] == UInt8(ascii: ".") && (2..<count).allSatisfy { self[$0] &- 0x30 <= 9 }
    }

    /// Whether the bytes name a package, or a state, with parameters (Event and Subscription-State in RFC 6665
    /// section 8.4).
    var isEvent: Bool {
        let end = first(UInt8(ascii: ";")) ?? count
        return bytes(Slice(0, end).trimmed(in: self)).isToken && areParameters(from: end)
    }

    /// The second number, a CSeq, of what are two numbers and a method (RAck in RFC 3262 section 10); nil for anything
    /// else.
    package var acknowledgedSequence: Slice? {
        let numberEnd = end(of: 0)
        let sequenceStart = start(after: numberEnd)
        let sequenceEnd = end(of: sequenceStart)
        let methodStart = start(after: sequenceEnd)
        guard extracting(0..<numberEnd).decimal() != nil,
            extracting(sequenceStart..<sequenceEnd).decimal(limit: 2_147_483_647) != nil,
            extracting(methodStart..<count).isToken
        else { return nil }
        return .from(sequenceStart, to: sequenceEnd)
    }

    /// The place of the white space that ends a word.
    private func end(of word: Int) -> Int {
        var at = word
        while at < count, self[at] > 0x20 { at += 1 }
        return at
    }

    /// The place of the word that follows white space.
    private func start(after end: Int) -> Int {
        var at = end
        while at < count, self[at] <= 0x20 { at += 1 }
        return at
    }
}
