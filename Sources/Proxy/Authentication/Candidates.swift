package import AccountCache
internal import Messages
package import ProxyBench
internal import SIP
package import Sys

/// The accounts that a request may be of: that of From (in a REGISTER of To), and that of the username of its
/// credentials.
///
/// A phone that calls anonymously, or shows a caller of its own, is known by the latter (RFC 3261 section 22.3).
package struct Candidates: BitwiseCopyable, Sendable {
    /// From's; nil when From cannot name one.
    package var party: AccountID?
    /// The username's, when it is another; else nil.
    package var user: AccountID?

    /// These accounts.
    package init(party: AccountID? = nil, user: AccountID? = nil) {
        self.party = party
        self.user = user
    }

    /// Asks directory about each whose row is not confirmed; about those that are not known only if `mayAsk`.
    func ask(mayAsk: Bool, _ accounts: inout AccountCache, _ bench: inout Bench) {
        if let party { Self.ask(party, mayAsk, &accounts, &bench) }
        if let user { Self.ask(user, mayAsk, &accounts, &bench) }
    }

    private static func ask(
        _ account: AccountID, _ mayAsk: Bool, _ accounts: inout AccountCache,
        _ bench: inout Bench
    ) {
        guard !accounts.isConfirmed(account, bench.now.monotonic) else { return }
        if mayAsk || accounts.state(account) == .found { accounts.ask(account, &bench) }
    }

    /// Has the source itself asked about each that it has not answered about since a moment.
    package func askSource(
        since moment: Milliseconds, _ accounts: inout AccountCache, _ bench: inout Bench
    ) {
        if let party, Self.isOpen(party, moment, accounts) {
            accounts.ask(party, asksSource: true, &bench)
        }
        if let user, Self.isOpen(user, moment, accounts) {
            accounts.ask(user, asksSource: true, &bench)
        }
    }

    /// The first of them of which something holds.
    private func first(where holds: (AccountID) -> Bool) -> AccountID? {
        if let party, holds(party) { return party }
        guard let user, holds(user) else { return nil }
        return user
    }

    /// The first that is not confirmed and that a request of a moment may wait for; nil when it may for none.
    func unconfirmed(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> AccountID? {
        first { !accounts.isConfirmed($0, now) && accounts.mayWait($0, since: moment, now) }
    }

    /// The first that the source has not answered about since a moment and that a request of it may wait for; nil when it
    /// may for none.
    func unheard(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> AccountID? {
        first {
            Self.isOpen($0, moment, accounts) && accounts.mayWait($0, since: moment, now)
        }
    }

    /// Whether there is one of them about which the source itself has not answered since a moment.
    package func isAnyOpen(
        since moment: Milliseconds, _ accounts: borrowing AccountCache
    ) -> Bool {
        first { Self.isOpen($0, moment, accounts) } != nil
    }

    /// Whether there is one of them that is open since a moment and has no young row, so that directory, which was asked,
    /// could not say how it stands.
    package func isAnyLeftOpen(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> Bool {
        first { Self.isOpen($0, moment, accounts) && !accounts.isConfirmed($0, now) } != nil
    }

    /// Why credentials with a username prove none of them, when they stand as they are known; `account` is the one that
    /// they would be of.
    func refusal(
        _ account: AccountID?, _ username: Span<UInt8>, isProven: Bool,
        _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> Refusal {
        guard account == nil else { return isProven ? .accessList : .wrongPassword }
        // Nobody is counted for an account that is gone and that the credentials would have been of.
        let mourned = first {
            accounts.isMourned($0, now) && accounts.authUser($0).equals(username)
        }
        return mourned == nil ? .unknownAccount : .accountGone
    }

    /// Whether there is one of them of which it is not known that it is an account.
    package func hasUnknown(_ accounts: borrowing AccountCache) -> Bool {
        first { accounts.state($0) != .found } != nil
    }

    /// The first whose digest user is the username; nil when none is.
    package func account(
        of username: Span<UInt8>, _ accounts: borrowing AccountCache
    ) -> AccountID? {
        first { accounts.state($0) == .found && accounts.authUser($0).equals(username) }
    }

    /// Whether directory has said that no account has From's name.
    package func isPartyNobody(_ accounts: borrowing AccountCache) -> Bool {
        guard let party else { return false }
        return accounts.state(party) == .unknown
    }

    /// Whether it is not known how an account stands now: the source has not answered about it since a moment, or there
    /// was no room for what it said.
    private static func isOpen(
        _ account: AccountID, _ moment: Milliseconds, _ accounts: borrowing AccountCache
    ) -> Bool {
        !accounts.isHeard(account, since: moment) || accounts.state(account) == .unavailable
    }

    /// Forgets those of which nothing is known: names that were only tried.
    package func forgetIdle(_ accounts: inout AccountCache, _ now: Milliseconds) {
        if let party { accounts.forgetIfIdle(party, now) }
        if let user { accounts.forgetIfIdle(user, now) }
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
