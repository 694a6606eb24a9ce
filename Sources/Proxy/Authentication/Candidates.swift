package import AccountCache
internal import Messages
package import ProxyBench
internal import SIP
internal import Sys

/// The accounts that a request may be of: that of From (in a REGISTER of To), and that of the username of its
/// credentials.
///
/// A phone that calls anonymously, or shows a caller of its own, is known by the latter (RFC 3261 section 22.3).
package struct Candidates: BitwiseCopyable, Sendable {
    /// How many there may be.
    static let most: UInt8 = 2

    /// From's; nil when From cannot name one.
    package var party: AccountID?
    /// The username's, when it is another; else nil.
    package var user: AccountID?

    /// These accounts.
    package init(party: AccountID? = nil, user: AccountID? = nil) {
        self.party = party
        self.user = user
    }

    /// One of them; nil when there is none.
    package var first: AccountID? { party ?? user }

    /// The first of which directory has not answered yet; nil when it has.
    package func asked(_ accounts: borrowing AccountCache) -> AccountID? {
        if let party, accounts.state(party) == .asked { return party }
        if let user, accounts.state(user) == .asked { return user }
        return nil
    }

    /// Whether one of them is known, and one that is not.
    package func has(_ isKnown: Bool, _ accounts: borrowing AccountCache) -> Bool {
        if let party, (accounts.state(party) == .found) == isKnown { return true }
        if let user, (accounts.state(user) == .found) == isKnown { return true }
        return false
    }

    /// The first whose digest user is the username; nil when none is.
    package func account(
        of username: Span<UInt8>, _ accounts: borrowing AccountCache
    ) -> AccountID? {
        if let party, Self.isKnown(party, by: username, accounts) { return party }
        if let user, Self.isKnown(user, by: username, accounts) { return user }
        return nil
    }

    /// Whether directory has said that no account has From's name.
    package func isPartyNobody(_ accounts: borrowing AccountCache) -> Bool {
        guard let party else { return false }
        return accounts.state(party) == .unknown
    }

    private static func isKnown(
        _ account: AccountID, by username: Span<UInt8>, _ accounts: borrowing AccountCache
    ) -> Bool {
        accounts.state(account) == .found && accounts.authUser(account).equals(username)
    }

    /// Forgets those of which nothing is known: names that were only tried.
    package func forgetIdle(_ accounts: inout AccountCache) {
        if let party { accounts.forgetIfIdle(party) }
        if let user { accounts.forgetIfIdle(user) }
    }
}

extension Span where Element == UInt8 {
    /// Whether the username of credentials may be the name of an account, which stands as a user part as it is.
    package var isAccountName: Bool {
        guard !isEmpty, count <= Bounds.longestName else { return false }
        for index in indices {
            let byte = self[index]
            guard Characters.isUser(byte), byte != UInt8(ascii: ";"), byte != UInt8(ascii: "%")
            else { return false }
        }
        return true
    }
}
