package import AccountCache
package import Connections
internal import Journal
internal import Messages
package import ProxyBench
internal import SIP
internal import SIPWriting
package import Sys
package import Transactions

/// Whether an Asterisk still has what accounts have registered there.
struct ContactWatch: Sendable {
    /// The place of the account that is asked for next.
    var place: Int32 = 0
    /// When it is.
    var due = Milliseconds(0)
    /// How many accounts in a row it had no Contact of ours for.
    var missing = 0
    /// Whether it shows our Contact when asked: what one never shows it cannot have lost.
    ///
    /// chan_sip shows none of an account that it does not hold in memory (`rtcachefriends=no`).
    var shows = false
    /// When all accounts may be registered again.
    var renewal = Milliseconds(0)
    /// How often in a row that was done and no Contact has been shown since.
    var vain = 0
    /// The account that it could not call last, and when that was.
    var notCalled: (account: AccountID, moment: Milliseconds)?
}

/// Asterisks that have lost their contacts.
///
/// One that is replaced behind its address, or started anew, quickly enough answers OPTIONS as if nothing had been, and
/// no phone can be called any more. So it is asked what it has (RFC 3261 section 10.2.3), of one account at a time: that
/// costs one REGISTER, and has no message lamp sent again but that account's.
extension AsteriskPool {
    /// How often it is looked whether an Asterisk is to be asked.
    package static let contactsInterval = Milliseconds.seconds(1)
    /// How often one is, while nothing is missing.
    private static let questionInterval = Milliseconds.seconds(10)
    /// How soon after accounts were registered again it is asked for the next one.
    static let verification = Milliseconds.seconds(2)
    /// How many accounts in a row without our Contact mean that all are lost.
    private static let missesToLost = 2
    /// How many places of accounts are looked at for the next one in one go.
    private static let mostPlaces: Int32 = 16_384
    /// In which time two accounts that cannot be called mean the same.
    private static let notCalledWindow = Milliseconds.seconds(5)
    /// How soon all are registered again when that has not helped; twice as long each time, up to an hour.
    private static let renewalInterval = Milliseconds.seconds(60)

    // MARK: Asking

    /// Asks each Asterisk that is due, of the next account that is registered there, whether it has our Contact.
    package mutating func askForContacts(
        _ accounts: inout AccountCache, _ transactions: inout ClientTransactions,
        _ connections: inout Connections, _ bench: inout Bench
    ) {
        _ = bench.setTimer(Handle.none.payload(.contacts), after: Self.contactsInterval)
        for number in asterisks.indices
        where asterisks[number].state == .up && asterisks[number].missed == 0
            && asterisks[number].contacts.due <= bench.now.monotonic
        {
            let found = nextRegistered(number, accounts.places.upperBound)
            // Where nobody is registered nobody is looked for each second.
            if found != nil || registrations.granted(at: number) == 0 {
                asterisks[number].contacts.due = bench.now.monotonic + Self.questionInterval
            }
            guard let handle = found else { continue }
            registrations[handle].isQuestion = true
            registrations[handle].challenges = 0
            send(handle, answering: nil, &accounts, &transactions, &connections, &bench)
        }
    }

    /// The next account that is registered at an Asterisk, after the one that was asked for last; nil when none is found
    /// in one go.
    private mutating func nextRegistered(_ number: Int, _ end: Int32) -> Handle? {
        for _ in 0..<min(end, Self.mostPlaces) {
            let place = asterisks[number].contacts.place
            asterisks[number].contacts.place = place + 1 < end ? place + 1 : 0
            guard place < end, let handle = registrations.find(AccountID(place), at: number),
                registrations[handle].state == .registered, !registrations[handle].isLeaving
            else { continue }
            return handle
        }
        return nil
    }

    /// An Asterisk has told which contacts an account has there.
    mutating func contactsTold(
        _ handle: Handle, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex,
        _ places: Range<Int32>, _ bench: inout Bench
    ) {
        registrations[handle].isQuestion = false
        let number = registrations[handle].asterisk
        let flow = bench.way(toAsterisk: asterisks[number].address)
        if Self.shows(bench.writer.shown(flow), bytes, index) {
            asterisks[number].contacts.shows = true
            asterisks[number].contacts.missing = 0
            asterisks[number].contacts.vain = 0
            return
        }
        guard asterisks[number].contacts.shows else { return }
        asterisks[number].contacts.missing += 1
        let isLost = asterisks[number].contacts.missing >= Self.missesToLost
        guard !isLost || !renew(number, places, &bench) else { return }
        // This account is registered again in any case; whether it is alone the next one tells.
        registrations[handle].isGranted = false
        registrations[handle].state = .waiting
        schedule(handle, after: Milliseconds(0), &bench)
        guard !isLost else { return }
        asterisks[number].contacts.due = bench.now.monotonic + Self.contactsInterval
    }

    /// Whether one of a message's Contacts is at an address.
    private static func shows(
        _ own: SocketAddress, _ bytes: Span<UInt8>, _ index: borrowing MessageIndex
    ) -> Bool {
        var values = FieldValues(.contact)
        while let value = values.next(bytes, index) {
            guard let contact = try? NameAddress(value, in: bytes) else { continue }
            let port = contact.uri.port == 0 ? 5060 : contact.uri.port
            if contact.uri.ip(in: bytes) == own.ip, port == own.port { return true }
        }
        return false
    }

    // MARK: What is lost

    /// An Asterisk calls an account by what is registered there.
    package mutating func calls(_ account: AccountID, _ bench: borrowing Bench) {
        registrations.called(account, bench.now.monotonic)
    }

    /// An Asterisk says that it has no way to an account that somebody calls.
    ///
    /// A dialplan may say so too, and a phone that has said no. So two such accounts within five seconds, which are
    /// registered there and were not called just now, only have it asked for theirs at once.
    package mutating func cannotCall(
        _ account: AccountID, at address: SocketAddress, _ bench: borrowing Bench
    ) {
        let now = bench.now.monotonic
        guard let number = number(of: address),
            let handle = registrations.find(account, at: number),
            registrations[handle].state == .registered, !registrations[handle].isLeaving,
            !registrations.isCalled(account, now)
        else { return }
        let last = asterisks[number].contacts.notCalled
        asterisks[number].contacts.notCalled = (account, now)
        guard let last, last.account != account, now - last.moment <= Self.notCalledWindow else {
            return
        }
        asterisks[number].contacts.notCalled = nil
        asterisks[number].contacts.place = account.place
        asterisks[number].contacts.due = min(asterisks[number].contacts.due, now)
    }

    /// Registers all accounts again at an Asterisk that has lost them; false while that was done a moment ago.
    private mutating func renew(
        _ number: Int, _ places: Range<Int32>, _ bench: inout Bench
    ) -> Bool {
        let now = bench.now.monotonic
        guard now >= asterisks[number].contacts.renewal || asterisks[number].contacts.vain == 0
        else { return false }
        let (count, span) = registerAgain(number, places, missedAlone: false, &bench)
        let wait = Self.renewalInterval.count << min(asterisks[number].contacts.vain, 6)
        asterisks[number].contacts.vain += 1
        asterisks[number].contacts.renewal = now + span + Milliseconds(wait)
        let address = asterisks[number].address
        bench.effects.journal.add(
            .contactsLost, .warning,
            "Asterisk \(address) has lost its contacts: all \(count) accounts are being registered there again, which"
                + " takes \(span.seconds + 1) s",
            [(.asterisk, "\(address)")])
        return true
    }
}
