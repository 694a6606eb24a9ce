/// An account that the core has heard of: its place in the cache (`AccountCache`).
package struct AccountID: BitwiseCopyable, Hashable, Sendable {
    /// The place, at least 0.
    package let place: Int32

    /// The account at a place.
    package init(_ place: Int32) { self.place = place }
}

/// A trunk, for as long as the process lives: its place in the table (`Trunks`).
package struct TrunkID: BitwiseCopyable, Hashable, Sendable {
    /// The place, at least 0.
    package let place: Int32

    /// The trunk at a place.
    package init(_ place: Int32) { self.place = place }
}

/// Whose a request, a call or a part of a table is.
///
/// What is held against accounts is asked of an account: a trunk has no bar, no standing and no guard.
package enum Party: BitwiseCopyable, Hashable, Sendable {
    /// It cannot be told.
    case nobody
    /// An account that has authenticated, or is called.
    case account(AccountID)
    /// A trunk that calls, or is called.
    case trunk(TrunkID)

    /// The account, when it is one.
    package var account: AccountID? {
        if case .account(let account) = self { account } else { nil }
    }

    /// The trunk, when it is one.
    package var trunk: TrunkID? {
        if case .trunk(let trunk) = self { trunk } else { nil }
    }

    /// Whether it is a trunk.
    package var isTrunk: Bool { trunk != nil }
}
