internal import Proxy
internal import SIP
internal import Sys

/// STUN.
extension Properties {
    /// What is answered is a Binding Request of whole attributes, by the message that RFC 5389 asks for.
    ///
    /// The first byte chooses whether the source is an IPv6 one; the datagram follows.
    package static func stun(_ bytes: Span<UInt8>) -> String? {
        guard bytes.count > 0 else { return nil }
        let datagram = bytes.extracting(1..<bytes.count)
        let isRequest = STUN.isBindingRequest(datagram)
        if isRequest, !STUN.mayBe(datagram) { return "a request that may not be STUN" }
        if STUN.mayBe(datagram) {
            // The same bytes must not be SIP as well.
            var index = MessageIndex()
            if (try? MessageParser().parse(datagram, into: &index)) != nil { return "SIP too" }
        }
        guard isRequest else { return nil }
        guard datagram.count % 4 == 0 else { return "\(datagram.count) bytes are no STUN" }
        let isV6 = bytes[0] & 1 == 1
        let ip =
            isV6
            ? IPAddress(high: 0x2001_0DB8_0000_0001, low: 0x42) : IPAddress(v4: 0xC633_6407)
        let source = SocketAddress(ip, port: 40_001)
        var buffer = ByteBuffer(capacity: 128)
        STUN.writeAnswer(to: datagram, source, into: &buffer)
        let answer = [UInt8](copying: buffer.span)
        let length = isV6 ? 16 : 4
        guard !buffer.overflowed, answer.count == 28 + length else {
            return "an answer of \(answer.count) bytes"
        }
        guard answer[0] == 1, answer[1] == 1, Int(answer[3]) == answer.count - 20 else {
            return "no Binding Success Response"
        }
        for place in 4..<20 where answer[place] != datagram[place] {
            return "another transaction"
        }
        // RFC 5389 section 15.2, undone.
        let port = UInt16(answer[26] ^ 0x21) << 8 | UInt16(answer[27] ^ 0x12)
        guard port == source.port else { return "port \(port)" }
        for place in 0..<length
        where answer[28 + place] ^ answer[4 + place] != ip.byte(16 - length + place) {
            return "another address"
        }
        return nil
    }
}
