package import SIP
internal import Sys

/// Who calls, when it is a phone: an Asterisk is told of its account, and beside that of what the phone has shown.
extension MessageWriter {
    /// Writes From of a phone's request with the account's name; as the phone wrote it where that is the same, or where
    /// the name is empty.
    ///
    /// An Asterisk finds the account by it. A display name goes on where it is the account's own. The host stays,
    /// unless it is nobody's.
    package mutating func account(
        _ from: NameAddress, _ message: Span<UInt8>, _ name: Span<UInt8>, isHidden: Bool = false
    ) {
        let user = message.bytes(from.uri.user)
        guard !name.isEmpty, isHidden || !user.equals(name) else {
            party("From", from, message)
            return
        }
        begin("From", "From")
        if isHidden {
            append("\"Anonymous\" ")
        } else if UserPart(user).span.equals(name) {
            displayName(from, message)
        } else if from.uri.isAnonymous(in: message) {
            append("\"Anonymous\" ")
        }
        append("<")
        append(accountURI: name, from.uri, message)
        append(">")
        partyParameters(from, message)
        endLine()
    }

    /// Writes what a phone's request that begins something shows beside its account, which an Asterisk believes of a
    /// peer that it trusts: P-Asserted-Identity and Privacy (RFC 3325 section 9), and Remote-Party-ID
    /// (draft-ietf-sip-privacy-04) for those that know no other.
    package mutating func shownCaller(
        _ from: NameAddress, _ message: Span<UInt8>, _ caller: WrittenCaller, _ name: Span<UInt8>
    ) {
        guard caller == .hiddenAccount || caller == .shown else { return }
        append("P-Asserted-Identity: ")
        appendShown(from, message, caller, name)
        append("\r\nRemote-Party-ID: ")
        appendShown(from, message, caller, name)
        append(";party=calling")
        if caller == .shown {
            append(";privacy=off;screen=no\r\n")
        } else {
            append(";privacy=full;screen=yes\r\nPrivacy: id\r\n")
        }
    }

    private mutating func appendShown(
        _ from: NameAddress, _ message: Span<UInt8>, _ caller: WrittenCaller, _ name: Span<UInt8>
    ) {
        guard caller == .shown else {
            append("<")
            append(accountURI: name, from.uri, message)
            append(">")
            return
        }
        displayName(from, message)
        append("<")
        append(accountURI: UserPart(message.bytes(from.uri.user)).span, from.uri, message)
        append(">")
    }

    /// Writes a SIP URI of a user at the host of From, or at the domain where that is nobody's.
    private mutating func append(
        accountURI user: Span<UInt8>, _ from: URI, _ message: Span<UInt8>
    ) {
        append("sip:")
        append(user)
        append("@")
        let host = message.bytes(from.host)
        guard from.scheme == .sip || from.scheme == .sips, !host.isEmpty,
            !host.isCaseless("anonymous.invalid")
        else {
            appendDomain()
            return
        }
        append(host)
        guard from.port != 0 else { return }
        append(":")
        append(decimal: UInt64(from.port))
    }
}
