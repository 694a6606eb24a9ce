internal import SIP
internal import Sys

/// The marks of programs that look for victims: by how they write messages first, by name second.
enum Scanner {
    /// The names that such programs give as User-Agent when nobody has changed them, lower case.
    private static let names: [StaticString] = [
        "friendly-scanner", "sipvicious", "sipcli", "pplsip", "sundayddr", "iwar", "sipsak",
        "sipscan", "smap", "voipsec", "usaairport", "simplesip", "viproy", "zxcvfdf11",
        "fdgddfg546df4g8d5f",
    ]
    /// Names that such programs have borrowed from phones: Broadcom's, VaxSIP's, Conaito's.
    private static let borrowedNames: [StaticString] = [
        "elite 1.0 brcm callctrl", "vaxsipuseragent", "conaito",
    ]

    /// Whether a request carries enough marks to be no phone's: one that no phone makes, or two that
    /// hardly any does.
    static func wrote(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) -> Bool {
        if isNamed(names, bytes, index) { return true }
        // The made-up host of SIPVicious, in From and Contact.
        if isFake(bytes.bytes(index.from.uri.host)) { return true }
        let hasCookie = index.via.hasCookie(in: bytes)
        // SIPPTS writes 71 letters where RFC 3261 wants its cookie.
        if !hasCookie, index.via.branch.length >= 64 { return true }
        let isFakeSender = isFake(bytes.bytes(index.via.host))
        // Phones of before RFC 3261 write these two as well, so only a name makes them a mark.
        let isOdd = !hasCookie || index.method == .register && !index.requestURI.user.isEmpty
        return (isFakeSender || isOdd) && isNamed(borrowedNames, bytes, index)
    }

    private static func isFake(_ host: Span<UInt8>) -> Bool { host.isExactly("1.1.1.1") }

    private static func isNamed(
        _ names: [StaticString], _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        guard let value = index.value(.userAgent), !value.isEmpty else { return false }
        let agent = bytes.bytes(value)
        for name in names where agent.count >= name.utf8CodeUnitCount {
            if agent.extracting(0..<name.utf8CodeUnitCount).isCaseless(name) { return true }
        }
        return false
    }
}
