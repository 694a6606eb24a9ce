// What directory knows of an account for a realm, and what ends when that changes.
internal import Messages
internal import Sys

/// A moment by both clocks.
struct Moment {
    /// By the monotonic clock.
    var monotonic: Milliseconds
    /// Since 1970.
    var sinceEpoch: Milliseconds
}

/// An account that stands, as its source last said it for a realm.
struct KnownRow: Equatable {
    /// The account, with its HA1s for the realm.
    var account: Account
    /// What accounts-reader calls this state of the row.
    var version: UInt64
    /// When its source confirmed it, since 1970.
    var confirmed: Milliseconds
    /// The same by the monotonic clock; nil when that was in a process before this one.
    var read: Milliseconds?
    /// How many changes of the source had been told when it was asked for; 0 in a process before, -1 of one that another
    /// realm's row has put in doubt.
    var change = 0
    /// The confirmation that the file has, since 1970; nil when it has not this row.
    var written: Milliseconds?

    /// When sip-router asked for it last, by the monotonic clock.
    var asked: Milliseconds

    /// How long a row serves at once, when no change of it is known.
    static let freshness = Milliseconds.seconds(60)

    /// How long ago its source confirmed it; nil when the clock says that this is yet to come.
    func age(_ now: Moment) -> Milliseconds? {
        if let read { return max(now.monotonic - read, Milliseconds(0)) }
        guard confirmed <= now.sinceEpoch + Bounds.clockStep else { return nil }
        return max(now.sinceEpoch - confirmed, Milliseconds(0))
    }

    /// Whether it serves without a look at its source, after so many changes of that.
    func isFresh(_ changes: Int, _ now: Moment) -> Bool {
        change == changes && read.map { now.monotonic - $0 <= Self.freshness } ?? false
    }
}

extension Account {
    /// How many of these bindings of the account end when it becomes another one, or none.
    ///
    /// A changed secret ends them all here: which of them it has made already sip-router alone knows. Hosts of
    /// Contacts are not looked at before the next REGISTER.
    func endings(
        _ answer: AccountAnswer, _ bindings: [BindingRecord]
    ) -> Int {
        switch answer {
        case .unavailable: return 0
        case .unknown: return bindings.count
        case .found(let account):
            guard account.mayRegister, hasSameSecret(account) else { return bindings.count }
            let access = account.access.bytes
            return bindings.count { !AccessList.admits(access.span, .source, $0.address.ip) }
        }
    }

    /// Whether something of the account that let its phones in is another one in an answer.
    func isLess(in answer: AccountAnswer) -> Bool {
        switch answer {
        case .unavailable: false
        case .unknown: true
        case .found(let account):
            !hasSameSecret(account) || mayRegister && !account.mayRegister
                || access != account.access
        }
    }

    private func hasSameSecret(_ other: Account) -> Bool {
        ha1MD5 == other.ha1MD5 && ha1SHA256 == other.ha1SHA256
    }
}
