internal import Messages
internal import Proxy
internal import SIP
internal import Sys

/// STUN, and the line of a session description that the edge writes anew.
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

    /// Of a session description that leaves, nothing but an inside address in the origin line is changed, and
    /// what is written says its length.
    package static func origin(_ bytes: Span<UInt8>) -> String? {
        let body = [UInt8](copying: bytes)
        let message =
            Array(
                """
                INVITE sip:bob@198.51.100.7 SIP/2.0\r
                Via: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bK1\r
                From: <sip:300@10.0.0.10>;tag=1\r
                To: <sip:bob@10.0.0.1>\r
                Call-ID: 1\r
                CSeq: 1 INVITE\r
                Content-Type: application/sdp\r
                Content-Length: \(body.count)\r
                \r

                """.utf8) + body
        var index = MessageIndex()
        guard (try? MessageParser().parse(message.span, into: &index)) != nil else { return nil }
        let inside = Endpoint(.udp, SocketAddress(IPAddress(v4: 0x0A00_0001), port: 5060))
        let asterisk = SocketAddress(IPAddress(v4: 0x0A00_000A), port: 5060)
        var writer = MessageWriter(
            listeners: [Listener(index: 0, side: .inside, endpoint: inside)],
            key: [UInt8](repeating: 7, count: 32))
        writer.configure(RouterSettings([.domain("example.com"), .asterisk(asterisk)]))
        writer.begin()
        writer.append("INVITE sip:bob@198.51.100.7 SIP/2.0\r\n")
        let identity = Array("0123456789abcdef".utf8)
        writer.answerIdentity(message.span, index, asterisk, tag: identity.span)
        writer.rest(message.span, index, .outward)
        guard writer.isWhole, writer.buffer.count <= MessageParser.maximumMessage else {
            return nil
        }
        let written = Array(copying: writer.buffer.span)
        var again = MessageIndex()
        do {
            try MessageParser().parse(written.span, into: &again)
        } catch {
            return "what is written is refused: \(error.code)"
        }
        let after = Array(copying: written.span.bytes(again.body))
        return after == expected(body) ? nil : "\(body) is written as \(after)"
    }

    /// The body with the last word of its first origin line replaced when that is an inside address.
    private static func expected(_ body: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isFirst = true
        for (number, line) in body.split(separator: 0x0A, omittingEmptySubsequences: false)
            .enumerated()
        {
            if number > 0 { result.append(0x0A) }
            guard isFirst, line.starts(with: Array("o=".utf8)) else {
                result += line
                continue
            }
            isFirst = false
            let blank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
            var end = line.endIndex
            while end > line.startIndex, blank(line[end - 1]) { end -= 1 }
            var start = end
            while start > line.startIndex, line[start - 1] > 0x20 { start -= 1 }
            let word = Array(line[start..<end])
            let ip = IPAddress(parsing: word.span)
            let isInside = ip == IPAddress(v4: 0x0A00_0001) || ip == IPAddress(v4: 0x0A00_000A)
            result += isInside ? line[..<start] + Array("example.com".utf8) + line[end...] : line
        }
        return result
    }
}
