internal import Digest
internal import ProxyBench
internal import SIP
internal import SIPWriting
internal import Sys

/// Whether credentials were made for the request that they stand in.
extension DigestHeader {
    /// Whether a digest's `uri` names what the Request-URI names (RFC 7616 section 3.4.6): this is the first hop,
    /// and nobody has rewritten it on the way.
    ///
    /// The user is compared as it means, without parameters and escapes; a token of ours in its bytes. The host is a served
    /// domain or an address of ours, whichever. Ports and parameters are not compared: phones write them into one
    /// and not into the other. A REGISTER names no user there; whose bindings it changes stands in To.
    func isFor(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ bench: borrowing Bench
    ) -> Bool {
        guard let named = try? URI(uri, in: bytes) else { return false }
        let asked = index.requestURI
        let users = (bytes.bytes(named.user), bytes.bytes(asked.user))
        guard named.scheme != .tel, asked.scheme != .tel else {
            let (meant, dialled) = (UserPart(users.0), UserPart(users.1))
            return named.scheme == asked.scheme && meant.span.isSameNumber(dialled.span)
        }
        guard asked.scheme != .other else {
            return bytes.bytes(named.whole).equalsCaseless(bytes.bytes(asked.whole))
        }
        guard named.scheme == .sip || named.scheme == .sips, bench.isOurHost(named, bytes) else {
            return false
        }
        if index.method == .register { return true }
        let meant = users.0.extracting(0..<users.0.lengthOfUser)
        let dialled = users.1.extracting(0..<users.1.lengthOfUser)
        return dialled.count >= Tokens.shortest
            ? meant.equals(dialled) : meant.equalsUnescaped(dialled)
    }
}
