internal import Digest
internal import Messages
internal import SIP
internal import SIPWriting
internal import Sys

/// The tokens that requests bring back, and whose they are.
extension Router {
    /// A token is longer than any number that is dialled, in bytes.
    static let shortestToken = 27
    /// For how long tokens count that were sealed before tokens were bound to dialogs.
    private static let oldTokens = Milliseconds.seconds(4 * 3600)

    // MARK: From outside

    /// The token in the Request-URI, when the URI is one that we have handed out in the request's dialog.
    mutating func dialogToken(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ trunk: Int?
    ) -> AsteriskToken? {
        guard index.requestURI.user.length >= Self.shortestToken else { return nil }
        let token = writer.tokens.asterisk(
            bytes.bytes(index.requestURI.user), callID: bytes.bytes(index.callID),
            tag: bytes.bytes(index.to.tag))
        // Out of any dialog a trunk brings back what an Asterisk has registered there.
        guard token == nil, trunk == nil || !index.to.tag.isEmpty else { return token }
        return oldToken(bytes, index, trunk)
    }

    /// A token of before tokens were bound to dialogs, with the account that has its mark.
    private mutating func oldToken(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ trunk: Int?
    ) -> AsteriskToken? {
        guard boundSince.count > 0,
            let (old, mark) = writer.tokens.oldAsterisk(bytes.bytes(index.requestURI.user))
        else { return nil }
        var token = old
        token.dialog = writer.tokens.dialog(
            callID: bytes.bytes(index.callID), tag: bytes.bytes(index.from.tag))
        let name = UserPart(bytes.bytes(index.from.uri.user))
        let from = name.span
        if let trunk, Self.mark(&writer, accounts, trunks[trunk].account) == mark {
            token.account = Self.tokenAccount(&writer, accounts, trunks[trunk].account)
        } else if writer.tokens.mark(from) == mark {
            token.account = writer.tokens.account(from)
        } else if let call = calls.find(bytes, index),
            Self.mark(&writer, accounts, calls[call].account) == mark
        {
            token.account = Self.tokenAccount(&writer, accounts, calls[call].account)
        }
        return token
    }

    private static func mark(
        _ writer: inout MessageWriter, _ accounts: borrowing Accounts, _ account: Int32
    ) -> UInt32 {
        writer.tokens.mark(accounts.name(account))
    }

    /// Whether tokens of before tokens were bound to dialogs count still.
    private var areOldTokensGood: Bool {
        boundSince.count > 0 && now.sinceEpoch - boundSince <= Self.oldTokens
    }

    /// Whether a token may be used for a request: an old one ends a call or refreshes it, and brings no new
    /// session description.
    func mayUse(_ token: AsteriskToken, _ index: borrowing MessageIndex) -> Bool {
        guard token.isOld else { return true }
        guard areOldTokensGood, index.body.isEmpty else { return false }
        switch index.method {
        case .bye, .ack, .invite, .update: return true
        default: return false
        }
    }

    /// What a trunk calls out of any dialog, when it is the Contact by which an Asterisk has registered there.
    mutating func registrationToken(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ trunk: Int?
    ) -> RegistrationToken? {
        let user = bytes.bytes(index.requestURI.user)
        guard let trunk, index.to.tag.isEmpty, user.count >= Self.shortestToken else { return nil }
        if let token = writer.tokens.registration(user) { return token }
        // The Asterisk may have registered before.
        let account = trunks[trunk].account
        guard areOldTokensGood, let (old, mark) = writer.tokens.oldAsterisk(user),
            Self.mark(&writer, accounts, account) == mark
        else { return nil }
        return RegistrationToken(
            asterisk: old.asterisk, account: Self.tokenAccount(&writer, accounts, account),
            user: old.user)
    }

    /// Whether a request that is for nobody here has what looks like a token, of another dialog or of nobody; it
    /// was answered then, but for what a stranger has sent by UDP.
    mutating func isForeignToken(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex, _ flow: Flow, _ trunk: Int?,
        _ replayed: Bool
    ) -> Bool {
        let user = bytes.bytes(index.requestURI.user)
        guard user.count >= Self.shortestToken, index.requestURI.scheme != .tel else {
            return false
        }
        // No letter of a token is that of a number with its parameters.
        for place in user.indices where !Base64URL.isLetter(user[place]) { return false }
        if isStranger, !replayed { offence(.forgedToken, flow) }
        guard !index.to.tag.isEmpty || trunk == nil && !isForUs(bytes, index) else { return false }
        let isKnown = !isStranger || trunk != nil || flow.transport.isStream
        let isSilent = !isKnown && !isForUs(bytes, index)
        if isSilent {
            refuseRecord("foreign-token", 0, index, bytes, flow)
        } else {
            refuse(bytes, index, flow, 481, "Call/Transaction Does Not Exist", "foreign-token")
        }
        return true
    }

    // MARK: From inside

    /// The token in the topmost Route, by which an Asterisk reaches a phone.
    ///
    /// An old one serves for every method, since nobody but an Asterisk can bring it.
    mutating func routeToken(
        _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> PhoneToken? {
        guard let value = index.value(.route) else { return nil }
        var list = ValueList(value)
        guard let top = list.next(in: bytes), let route = try? NameAddress(top, in: bytes) else {
            return nil
        }
        let user = bytes.bytes(route.uri.user)
        let callID = bytes.bytes(index.callID)
        let from = bytes.bytes(index.from.tag)
        let token = writer.tokens.phone(user, callID: callID, from, bytes.bytes(index.to.tag))
        guard token == nil, areOldTokensGood, var old = writer.tokens.oldPhone(user) else {
            return token
        }
        old.dialog = writer.tokens.dialog(callID: callID, tag: from)
        return old
    }

    // MARK: Whose

    /// Whether a token's account is that of a row.
    mutating func isName(of account: Int32, _ named: TokenAccount) -> Bool {
        Self.tokenAccount(&writer, accounts, account) == named
    }

    /// The account of a dialog's token, whoever From names; -1 when it cannot be told.
    ///
    /// A name too long for tokens is told by the call, if there is one, or by From. A trunk speaks from its own
    /// addresses alone, and is nobody elsewhere.
    mutating func number(
        of token: AsteriskToken, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ call: Handle
    ) -> Int32 {
        let name = UserPart(bytes.bytes(index.from.uri.user))
        let from = name.span
        var account: Int32 = -1
        if call.exists {
            account = calls[call].account
        } else if !token.account.isHash {
            account = number(ofToken: token.account.span)
        } else if writer.tokens.account(from) == token.account {
            account = number(ofToken: from)
        }
        return account >= 0 && trunk(of: account) == nil ? account : -1
    }

    /// The number of a name out of a token, which was an account's when the token was made.
    mutating func number(ofToken name: Span<UInt8>) -> Int32 {
        if let known = accounts.find(name) { return known }
        guard !name.isEmpty, !name.isTrunkRow, let number = accounts.number(name) else { return -1 }
        accounts[number].isKept = true
        return number
    }
}

extension Span where Element == UInt8 {
    /// Whether a name is that of the row of a trunk.
    fileprivate var isTrunkRow: Bool {
        count > Trunk.prefix.utf8.count && first(UInt8(ascii: ":")) == Trunk.prefix.utf8.count - 1
    }
}
