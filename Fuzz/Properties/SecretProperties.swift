internal import Digest
internal import Proxy
internal import SIPWriting
internal import Sys

/// Tokens and nonces.
extension Properties {
    private static var key: [UInt8] { [UInt8](repeating: 42, count: 32) }

    /// A dialog: its Call-ID, the tag of who began it, and the other one.
    private static let dialog = (
        callID: Array("a84b4c76e66710".utf8), tag: Array("1928301774".utf8),
        other: Array("a6c85cf".utf8)
    )

    /// Bytes from outside are no token; ours opens in its dialog alone, and what it says is what is written
    /// again.
    package static func token(_ bytes: Span<UInt8>) -> String? {
        var tokens = Tokens(key: key)
        guard isNone(bytes, &tokens) else { return "forged" }
        guard !bytes.isEmpty, bytes.count <= TokenSeal.maximumPlaintext else { return nil }
        return unbound(bytes, &tokens) ?? bound(bytes, &tokens)
    }

    private static func isNone(_ token: Span<UInt8>, _ tokens: inout Tokens) -> Bool {
        isNoneOfDialog(token, &tokens) && tokens.host(token) == nil
            && tokens.registration(token) == nil && tokens.oldAsterisk(token) == nil
            && tokens.oldPhone(token) == nil
    }

    private static func isNoneOfDialog(_ token: Span<UInt8>, _ tokens: inout Tokens) -> Bool {
        let (callID, tag, other) = dialog
        return tokens.asterisk(token, callID: callID.span, tag: tag.span) == nil
            && tokens.phone(token, callID: callID.span, tag.span, other.span) == nil
    }

    // MARK: Bound to nothing

    private static func unbound(_ bytes: Span<UInt8>, _ tokens: inout Tokens) -> String? {
        var seal = TokenSeal(key: key)
        var sealed = ByteBuffer(capacity: 512)
        seal.seal(bytes, into: &sealed)
        var plain = ByteBuffer(capacity: 512)
        guard seal.open(sealed.span, into: &plain),
            [UInt8](copying: plain.span) == [UInt8](copying: bytes)
        else { return "a token does not open to what was sealed" }
        guard isNoneOfDialog(sealed.span, &tokens) else { return "a token of no dialog is one's" }
        return unboundKind(sealed.span, &tokens)
    }

    private static func unboundKind(_ token: Span<UInt8>, _ tokens: inout Tokens) -> String? {
        var again = ByteBuffer(capacity: 512)
        var kinds = 0
        if tokens.oldAsterisk(token) != nil { kinds += 1 }
        if tokens.oldPhone(token) != nil { kinds += 1 }
        if let host = tokens.host(token) {
            kinds += 1
            switch host {
            case .address(let address): tokens.write(host: address, into: &again)
            case .text(let text):
                guard tokens.write(hostText: text.span, into: &again) else { return "too long" }
            }
            guard tokens.host(again.span) == host else { return "another host" }
        }
        if let contact = tokens.registration(token) {
            kinds += 1
            again.removeAll()
            let user = contact.user
            let good = tokens.write(
                registrationOf: contact.asterisk, account: contact.account, user: user.span,
                into: &again)
            guard good, tokens.registration(again.span) == contact else {
                return "another registration"
            }
        }
        return kinds < 2 ? nil : "of two kinds"
    }

    // MARK: Bound to a dialog

    private static func bound(_ bytes: Span<UInt8>, _ tokens: inout Tokens) -> String? {
        let (callID, tag, other) = dialog
        var seal = TokenSeal(key: key)
        let binding = seal.dialog(callID: callID.span, tag: tag.span)
        var sealed = ByteBuffer(capacity: 512)
        seal.seal(bytes, of: binding, into: &sealed)
        var plain = ByteBuffer(capacity: 512)
        for (first, second) in [(tag, other), (other, tag)] {
            let found = seal.open(
                sealed.span, callID: callID.span, first.span, second.span, into: &plain)
            let isFirst = first == tag
            guard let found, found.dialog == binding, found.isFirst == isFirst,
                [UInt8](copying: plain.span) == [UInt8](copying: bytes)
            else {
                return "a token does not open in its dialog"
            }
        }
        for (id, first, second) in [
            (other, tag, other), (callID, other, []), (callID, other, callID),
        ] {
            let found = seal.open(
                sealed.span, callID: id.span, first.span, second.span, into: &plain)
            guard found == nil else { return "a token opens in another dialog" }
        }
        guard tokens.host(sealed.span) == nil, tokens.registration(sealed.span) == nil,
            tokens.oldAsterisk(sealed.span) == nil, tokens.oldPhone(sealed.span) == nil
        else { return "a dialog's token opens without it" }
        return boundKind(sealed.span, &tokens)
    }

    private static func boundKind(_ token: Span<UInt8>, _ tokens: inout Tokens) -> String? {
        let (callID, tag, other) = dialog
        var again = ByteBuffer(capacity: 512)
        if let way = tokens.asterisk(token, callID: callID.span, tag: tag.span) {
            let user = way.user
            let good = tokens.write(
                asterisk: way.asterisk, sequenceShift: way.sequenceShift, account: way.account,
                source: way.source, user: user.span, of: way.dialog, into: &again)
            guard good,
                tokens.asterisk(again.span, callID: callID.span, tag: tag.span) == way,
                tokens.asterisk(again.span, callID: callID.span, tag: other.span) == nil
            else { return "another way to Asterisk" }
            let isPhone = tokens.phone(token, callID: callID.span, tag.span, other.span) != nil
            return isPhone ? "of two kinds" : nil
        }
        if let way = tokens.phone(token, callID: callID.span, tag.span, other.span) {
            let account = way.account
            tokens.write(
                flow: way.flow, sequenceShift: way.sequenceShift, account: account.span,
                of: way.dialog, into: &again)
            // Who began the dialog is told by the order of the tags, which is another one here.
            let second = tokens.phone(again.span, callID: callID.span, other.span, tag.span)
            guard let second, second.flow == way.flow, second.account == way.account,
                second.sequenceShift == way.sequenceShift, second.dialog == way.dialog,
                tokens.isPhone(again.span, of: way.dialog)
            else { return "another way to a phone" }
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
        var nonces = Nonces(key: key, life: 7, began: made, places: 16)
        guard nonces.check(bytes, count: 1, message: bytes, made, source, 1) == .foreign else {
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
                    || nonces.check(changed.span, count: 1, message: bytes, now, source, 1)
                        == .foreign
            else { return "a changed nonce is taken for ours" }
        }
        let other = IPAddress(v4: 0xC633_6408)
        guard nonces.check(nonce.span, count: 1, message: bytes, now, other, 1) == .foreign,
            nonces.check(nonce.span, count: 1, message: bytes, now, source, 2) == .foreign
        else { return "a nonce is good for another source" }
        let isYoung = age >= 0 && age < Nonces.lifetime.seconds
        guard
            nonces.check(nonce.span, count: 1, message: bytes, now, source, 1)
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
                nonce.span, count: count, message: [UInt8(place)].span, now, source, 1)
            if verdict == .fresh, !used.insert(count).inserted { return "count \(count) replayed" }
            if verdict == .fresh, count == 0 { return "a count of 0 is taken" }
            if verdict == .foreign { return "our nonce is taken for another's" }
        }
        return nil
    }
}
