internal import Digest
internal import Proxy
internal import Sys

/// Tokens and nonces.
extension Properties {
    private static var key: [UInt8] { [UInt8](repeating: 42, count: 32) }

    /// Bytes from outside are no token; what a token of ours says is what is written again.
    package static func token(_ bytes: Span<UInt8>) -> String? {
        var tokens = Tokens(key: key)
        guard tokens.asterisk(bytes) == nil, tokens.phone(bytes) == nil, tokens.host(bytes) == nil
        else { return "forged" }
        guard bytes.count <= TokenSeal.maximumPlaintext else { return nil }
        var seal = TokenSeal(key: key)
        var sealed = ByteBuffer(capacity: 512)
        seal.seal(bytes, into: &sealed)
        var plain = ByteBuffer(capacity: 512)
        guard !bytes.isEmpty else { return nil }
        guard seal.open(sealed.span, into: &plain),
            [UInt8](copying: plain.span) == [UInt8](copying: bytes)
        else { return "a token does not open to what was sealed" }
        return opened(sealed.span, &tokens)
    }

    private static func opened(_ token: Span<UInt8>, _ tokens: inout Tokens) -> String? {
        var again = ByteBuffer(capacity: 512)
        if let way = tokens.asterisk(token) {
            let user = way.user
            let good = tokens.write(
                asterisk: way.asterisk, sequenceShift: way.sequenceShift, account: way.account,
                source: way.source, user: user.span, into: &again)
            guard good, tokens.asterisk(again.span) == way else { return "another way to Asterisk" }
            return tokens.phone(token) == nil && tokens.host(token) == nil ? nil : "of two kinds"
        }
        if let way = tokens.phone(token) {
            let account = way.account
            tokens.write(flow: way.flow, account: account.span, into: &again)
            guard tokens.phone(again.span) == way else { return "another way to a phone" }
            return tokens.host(token) == nil ? nil : "of two kinds"
        }
        if let host = tokens.host(token) {
            tokens.write(host: host, into: &again)
            guard tokens.host(again.span) == host else { return "another host" }
        }
        return nil
    }

    /// Bytes from outside are no nonce; ours is good for its source, its time and each count once.
    ///
    /// The bytes are the nonce that comes back; the first also choose its age and how ours is changed.
    package static func nonce(_ bytes: Span<UInt8>) -> String? {
        let input = [UInt8](copying: bytes)
        let source = IPAddress(v4: 0xC633_6407)
        let made = Milliseconds.seconds(1_800_000_000)
        var nonces = Nonces(key: key, began: made, places: 16)
        guard nonces.check(bytes, count: 1, message: 1, made, source, 1) == .foreign else {
            return "forged"
        }
        var buffer = ByteBuffer(capacity: 64)
        nonces.make(made, source, 1, into: &buffer)
        let nonce = [UInt8](copying: buffer.span)
        let age = Int64(input.number(2)) - 256
        let now = made + .seconds(age)
        if input.count > 3 {
            var changed = nonce
            changed[Int(input[2]) % changed.count] ^= input[3]
            guard
                changed == nonce
                    || nonces.check(changed.span, count: 1, message: 1, now, source, 1) == .foreign
            else { return "a changed nonce is taken for ours" }
        }
        let other = IPAddress(v4: 0xC633_6408)
        guard nonces.check(nonce.span, count: 1, message: 1, now, other, 1) == .foreign,
            nonces.check(nonce.span, count: 1, message: 1, now, source, 2) == .foreign
        else { return "a nonce is good for another source" }
        let isYoung = age >= 0 && age < Nonces.lifetime.seconds
        guard
            nonces.check(nonce.span, count: 1, message: 1, now, source, 1)
                == (isYoung ? .fresh : .stale)
        else { return "age \(age) is judged wrongly" }
        guard isYoung else { return nil }
        return counted(nonce, Array(input.dropFirst(4)), &nonces, now, source)
    }

    /// Each byte is a count: used once by one request, never again by another.
    private static func counted(
        _ nonce: [UInt8], _ counts: [UInt8], _ nonces: inout Nonces, _ now: Milliseconds,
        _ source: IPAddress
    ) -> String? {
        var used: Set<UInt32> = [1]
        for (place, byte) in counts.prefix(64).enumerated() {
            let count = UInt32(byte)
            let verdict = nonces.check(
                nonce.span, count: count, message: UInt64(place) + 2, now, source, 1)
            if verdict == .fresh, !used.insert(count).inserted { return "count \(count) replayed" }
            if verdict == .fresh, count == 0 { return "a count of 0 is taken" }
            if verdict == .foreign { return "our nonce is taken for another's" }
        }
        return nil
    }
}
