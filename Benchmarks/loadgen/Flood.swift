// Floods of datagrams at a given rate, whatever comes back.

internal import Glibc
internal import Sys

/// What a flood is made of.
enum Flood: String {
    /// OPTIONS requests, the measure of the others.
    case options
    /// 16 KB that are no SIP.
    case garbage
    /// OPTIONS with white space before the colon of its last header.
    case smuggled
    /// BYE to a token that nobody has sealed.
    case forged

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    /// As long as the edge's own token of a dialog with an Asterisk.
    private static let tokenLength = 56

    /// Datagram `number` of the flood.
    func datagram(_ number: Int, from local: SocketAddress, to edge: SocketAddress) -> [UInt8] {
        switch self {
        case .garbage:
            return (0..<16_384).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
        case .options: return request("OPTIONS", "sip:\(Unit.domain)", number, local)
        case .smuggled:
            return request("OPTIONS", "sip:\(Unit.domain)", number, local, last: "X-Note : a")
        case .forged:
            let token = (0..<Self.tokenLength).map { _ in Self.alphabet.randomElement() ?? 65 }
            let user = String(decoding: token, as: UTF8.self)
            return request("BYE", "sip:\(user)@\(edge)", number, local)
        }
    }

    private func request(
        _ method: String, _ uri: String, _ number: Int, _ local: SocketAddress,
        last: String = "X-Note: a"
    ) -> [UInt8] {
        let lines = [
            "\(method) \(uri) SIP/2.0",
            "Via: SIP/2.0/UDP \(local);branch=z9hG4bKflood\(number);rport", "Max-Forwards: 70",
            "From: <sip:u1@\(Unit.domain)>;tag=t\(number)",
            "To: <sip:u1@\(Unit.domain)>\(method == "BYE" ? ";tag=pbx" : "")",
            "Call-ID: f\(number)@bench", "CSeq: 1 \(method)", "Contact: <sip:u1@\(local)>",
            "User-Agent: loadgen", last, "Content-Length: 0", "", "",
        ]
        return Array(lines.joined(separator: "\r\n").utf8)
    }

    /// Sends `units` datagrams at `rate` a second; what is late is caught up with.
    func send(
        to edge: SocketAddress, from source: SocketAddress, _ options: Options
    ) throws(SystemError) {
        let socket = try Datagrams(source, slotSize: 20_480)
        // Made beforehand, so that making them keeps no rate from being kept.
        let datagrams = (0..<256).map { datagram($0, from: source, to: edge) }
        let start = microseconds()
        var sent = 0
        while sent < options.units {
            let due = min(
                Int(microseconds() - start) * max(options.rate, 1) / 1_000_000, options.units)
            while sent < due {
                socket.send(datagrams[sent % datagrams.count], to: edge)
                sent += 1
            }
            socket.flush()
            while socket.receive() == Int(Datagrams.slots) {}
            usleep(500)
        }
    }
}
