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

    /// The first that is not confirmed and that a request of a moment may wait for; nil when it may for none.
    func unconfirmed(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> AccountID? {
        if let party, !accounts.isConfirmed(party, now), accounts.mayWait(party, since: moment, now)
        {
            return party
        }
        guard let user, !accounts.isConfirmed(user, now),
            accounts.mayWait(user, since: moment, now)
        else { return nil }
        return user
    }

    /// The first that the source has not answered about since a moment and that a request of it may wait for; nil when it
    /// may for none.
    func unheard(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> AccountID? {
        if let party, Self.isOpen(party, moment, accounts),
            accounts.mayWait(party, since: moment, now)
        {
            return party
        }
        guard let user, Self.isOpen(user, moment, accounts),
            accounts.mayWait(user, since: moment, now)
        else { return nil }
        return user
    }

    /// Whether there is one of them about which the source itself has not answered since a moment.
    package func isAnyOpen(
        since moment: Milliseconds, _ accounts: borrowing AccountCache
    ) -> Bool {
        party.map { Self.isOpen($0, moment, accounts) } ?? false
            || user.map { Self.isOpen($0, moment, accounts) } ?? false
    }

    /// Whether there is one of them that is open since a moment and has no young row, so that directory, which was asked,
    /// could not say how it stands.
    package func isAnyLeftOpen(
        since moment: Milliseconds, _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> Bool {
        party.map { Self.isOpen($0, moment, accounts) && !accounts.isConfirmed($0, now) } ?? false
            || user.map { Self.isOpen($0, moment, accounts) && !accounts.isConfirmed($0, now) }
                ?? false
    }

    /// Why credentials with a username prove none of them, when they stand as they are known; `account` is the one that
    /// they would be of.
    func refusal(
        _ account: AccountID?, _ username: Span<UInt8>, isProven: Bool,
        _ accounts: borrowing AccountCache, _ now: Milliseconds
    ) -> Refusal {
        guard account == nil else { return isProven ? .accessList : .wrongPassword }
        let isMourned =
            party.map { Self.isMourned($0, username, accounts, now) } ?? false
            || user.map { Self.isMourned($0, username, accounts, now) } ?? false
        return isMourned ? .accountGone : .unknownAccount
    }

    /// Whether it is not known how an account stands now: the source has not answered about it since a moment, or there
    /// was no room for what it said.
    private static func isOpen(
        _ account: AccountID, _ moment: Milliseconds, _ accounts: borrowing AccountCache
    ) -> Bool {
        !accounts.isHeard(account, since: moment) || accounts.state(account) == .unavailable
    }

    /// Whether an account that the credentials would have been of is gone, and nobody is counted for it.
    private static func isMourned(
        _ account: AccountID, _ username: Span<UInt8>, _ accounts: borrowing AccountCache,
        _ now: Milliseconds
    ) -> Bool {
        accounts.isMourned(account, now) && accounts.authUser(account).equals(username)
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
