internal import AccountCache
internal import ProxyBench
internal import Sys

/// The registrations at all Asterisks: a list for each account, which stays among the accounts while it has one.
struct UpstreamRegistrations: ~Copyable {
    private var table = Slots(
        capacity: Capacity.registrations, empty: UpstreamRegistration(AccountID(0)))
    /// By the accounts' places.
    private var accounts = ReservedArray<UpstreamAccount>(zeros: Capacity.accounts)

    /// How many accounts each Asterisk, of at most 64, has registered, by its number.
    private var grants = InlineArray<64, UInt32>(repeating: 0)
    /// How many accounts have a phone that is there.
    private(set) var boundCount: UInt32 = 0

    /// How many there are.
    var count: Int { table.count }

    /// Whether a registration stands.
    func contains(_ handle: Handle) -> Bool { table.contains(handle) }

    /// A registration that stands.
    subscript(handle: Handle) -> UpstreamRegistration {
        _read { yield table[handle] }
        _modify {
            let before = table[handle].grantedAt
            defer { recount(before, table[handle].grantedAt) }
            yield &table[handle]
        }
    }

    /// How many accounts an Asterisk has registered.
    func granted(at number: Int) -> UInt32 { grants[number] }

    /// Follows a registration that counted at the one Asterisk, and counts at the other now.
    private mutating func recount(_ before: Int?, _ after: Int?) {
        guard before != after else { return }
        if let before { grants[before] -= 1 }
        if let after { grants[after] += 1 }
    }

    // MARK: Accounts

    /// Whether an account has a binding.
    func isBound(_ account: AccountID) -> Bool { accounts[Int(account.place)].isBound }

    /// An account has a binding, or has none any more.
    mutating func setBound(_ account: AccountID, _ isBound: Bool) {
        guard self.isBound(account) != isBound else { return }
        accounts[Int(account.place)].isBound = isBound
        if isBound { boundCount += 1 } else { boundCount -= 1 }
    }

    /// How long it takes until an account may be registered anew, which it then is: five seconds lie between two times.
    mutating func renew(_ account: AccountID, _ now: Milliseconds) -> Milliseconds {
        let second = UInt16(truncatingIfNeeded: now.seconds)
        let renewed = accounts[Int(account.place)].renewed
        // One is on its way.
        let ahead = renewed &- second
        if 1...5 ~= ahead { return .seconds(Int64(ahead)) }
        let since = second &- renewed
        let wait = since < 5 ? 5 - since : 0
        accounts[Int(account.place)].renewed = second &+ wait
        return .seconds(Int64(wait))
    }

    /// An Asterisk calls an account.
    mutating func called(_ account: AccountID, _ now: Milliseconds) {
        accounts[Int(account.place)].called = UpstreamAccount.moment(now)
    }

    /// Whether an Asterisk has called an account in the last minute, or about a quarter of an hour and a minute ago.
    func isCalled(_ account: AccountID, _ now: Milliseconds) -> Bool {
        let called = accounts[Int(account.place)].called
        guard called > 0 else { return false }
        let steps = (Int(UpstreamAccount.moment(now)) - Int(called) + 255) % 255
        return steps <= 15
    }

    /// The first registration of an account; nil when it has none.
    func first(of account: AccountID) -> Handle? { handle(accounts[Int(account.place)].first) }

    /// The one that follows in an account's list; nil at its end.
    func next(after handle: Handle) -> Handle? { self.handle(table[handle].next) }

    private func handle(_ link: UInt32) -> Handle? { link == 0 ? nil : table.handle(at: link - 1) }

    /// An account's registration at an Asterisk; nil when there is none.
    func find(_ account: AccountID, at number: Int) -> Handle? {
        var at = first(of: account)
        while let handle = at {
            if table[handle].asterisk == number { return handle }
            at = next(after: handle)
        }
        return nil
    }

    // MARK: Lists

    /// Adds a registration to its account's list; nil when there is no room.
    mutating func add(
        _ registration: UpstreamRegistration, _ cache: inout AccountCache
    ) -> Handle? {
        guard let handle = table.take(registration) else { return nil }
        if first(of: registration.account) == nil { cache.retain(registration.account) }
        append(handle)
        return handle
    }

    /// Puts a registration at the end of its account's list.
    private mutating func append(_ handle: Handle) {
        let account = table[handle].account
        table[handle].next = 0
        var last: Handle?
        var at = first(of: account)
        while let other = at {
            last = other
            at = next(after: other)
        }
        if let last {
            table[last].next = handle.index + 1
        } else {
            accounts[Int(account.place)].first = handle.index + 1
        }
    }

    /// Takes a registration, whose timer is not set, out of its account's list.
    mutating func remove(_ handle: Handle, _ cache: inout AccountCache) {
        let account = table[handle].account
        let next = table[handle].next
        recount(table[handle].grantedAt, nil)
        table.release(handle)
        guard accounts[Int(account.place)].first != handle.index + 1 else {
            accounts[Int(account.place)].first = next
            if next == 0 { cache.release(account) }
            return
        }
        var at = first(of: account)
        while let other = at {
            if table[other].next == handle.index + 1 {
                table[other].next = next
                return
            }
            at = self.next(after: other)
        }
    }
}
