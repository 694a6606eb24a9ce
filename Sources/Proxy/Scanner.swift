internal import SIP
internal import Sys

/// The marks of programs that look for victims: by how they write messages first, by name second.
enum Scanner {
    /// The names that such programs give as User-Agent when nobody has changed them, lower case.
    private static let names: [StaticString] = [
        "friendly-scanner", "sipvicious", "sipcli", "pplsip", "sundayddr", "iwar", "sipsak",
        "sipscan", "vaxsipuseragent", "smap", "voipsec", "usaairport", "conaito", "simplesip",
        "viproy", "elite 1.0 brcm callctrl", "zxcvfdf11", "fdgddfg546df4g8d5f",
    ]

    /// Whether a request carries enough marks to be no phone's: one that no phone makes, or two that
    /// hardly any does.
    static func wrote(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        var marks = 0
        if isNamed(bytes, index) { marks += 2 }
        // The made-up host of SIPVicious, in From and Contact.
        if isFake(bytes.bytes(index.from.uri.host)) { marks += 2 }
        if index.method == .register, !index.requestURI.user.isEmpty { marks += 1 }
        if !index.via.hasCookie(in: bytes) {
            marks += 1
            // SIPPTS writes 71 letters where RFC 3261 wants its cookie.
            if index.via.branch.length >= 64 { marks += 1 }
        }
        if isFake(bytes.bytes(index.via.host)) { marks += 1 }
        return marks >= 2
    }

    private static func isFake(_ host: Span<UInt8>) -> Bool { host.isExactly("1.1.1.1") }

    private static func isNamed(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        guard let value = index.value(.userAgent), !value.isEmpty else { return false }
        let agent = bytes.bytes(value)
        for name in names where agent.count >= name.utf8CodeUnitCount {
            if agent.extracting(0..<name.utf8CodeUnitCount).isCaseless(name) { return true }
        }
        return false
    }
}
