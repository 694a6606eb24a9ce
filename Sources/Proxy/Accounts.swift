package import Digest
package import Messages
internal import Registrar
internal import SIP
package import Sys

/// What is known of an account's credentials.
package enum AccountState: UInt8, Sendable {
    /// directory has not been asked, or what it said is too old.
    case unasked
    /// directory has been asked.
    case asked
    /// It stands.
    case found
    /// There is none.
    case unknown
    /// The database could not be asked.
    case unavailable
}

/// An account as the router holds it: cached credentials, and the heads of its lists.
package struct AccountEntry: Sendable {
    /// The name.
    package var name: [UInt8] = []
    /// What is known.
    package var state = AccountState.unasked
    /// When directory answered.
    package var answered = Milliseconds(0)
    /// HA1 for our realm.
    package var ha1MD5 = HashValue()
    /// HA1 for our realm.
    package var ha1SHA256 = HashValue()
    /// The digest user name.
    package var authUser: [UInt8] = []
    /// The user part of To in a REGISTER at Asterisk.
    package var aor: [UInt8] = []
    /// Whether phones may register it.
    package var mayRegister = false
    /// The first of its bindings, -1 for none.
    package var bindings: Int32 = -1
    /// Its registrations at the Asterisks, by the Asterisk's number; empty while it has none.
    package var presences: [Handle] = []

    /// HA1 of an algorithm, of length 0 when there is none.
    package func ha1(_ algorithm: DigestAlgorithm) -> HashValue {
        algorithm == .md5 ? ha1MD5 : ha1SHA256
    }
}

/// The accounts that the router has heard of, with what directory said, for a while.
package struct Accounts: ~Copyable {
    /// How long an answer is used.
    package static let freshness = Milliseconds.seconds(60)
    /// The longest name, in bytes.
    package static let longestName = 64

    private var entries: [AccountEntry] = []
    private var names = NameTable()
    private var free: [Int32] = []
    private let capacity: Int
    private var generation = Milliseconds(Int64.min)
    /// Whether directory could not ask the database when it last tried.
    package private(set) var areUnavailable = false

    /// No accounts, and room for so many.
    package init(capacity: Int) { self.capacity = capacity }

    /// The account of a number.
    package subscript(number: Int32) -> AccountEntry {
        get { entries[Int(number)] }
        _modify { yield &entries[Int(number)] }
    }

    /// Every account's number.
    package var indices: Range<Int32> { 0..<Int32(entries.count) }

    /// The number of a name, or nil when it was not heard of.
    package func find(_ name: Span<UInt8>) -> Int32? {
        names.find(NameTable.hash(name)) { number in
            let known = entries[Int(number)].name
            return known.span.equals(name)
        }
    }

    /// The number of a name, taken now if need be; nil when there is no room.
    package mutating func number(_ name: Span<UInt8>) -> Int32? {
        if let number = find(name) { return number }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(name.count)
        for index in name.indices { bytes.append(name[index]) }
        var entry = AccountEntry()
        entry.name = bytes
        let number: Int32
        if let reused = free.popLast() {
            entries[Int(reused)] = entry
            number = reused
        } else {
            guard entries.count < capacity else { return nil }
            entries.append(entry)
            number = Int32(entries.count - 1)
        }
        names.add(number, NameTable.hash(name))
        return number
    }

    /// Forgets an account that has neither bindings nor a good answer: a name that was only tried.
    package mutating func forgetIfIdle(_ number: Int32) {
        let entry = entries[Int(number)]
        guard entry.bindings < 0, entry.presences.isEmpty, entry.state != .found,
            entry.state != .asked, !entry.name.isEmpty
        else { return }
        names.remove(number, NameTable.hash(entry.name.span))
        entries[Int(number)] = AccountEntry()
        free.append(number)
    }

    /// Whether directory has to be asked before the account is used.
    package func isStale(_ number: Int32, _ now: Milliseconds) -> Bool {
        let entry = entries[Int(number)]
        switch entry.state {
        case .unasked, .unknown, .unavailable: return true
        case .asked: return false
        case .found: return entry.answered < generation || now - entry.answered > Self.freshness
        }
    }

    /// Everything answered before now is stale.
    package mutating func forgetAnswers(_ now: Milliseconds) { generation = now }

    /// Takes directory's answer.
    package mutating func take(_ answer: AccountAnswer, for number: Int32, _ now: Milliseconds) {
        entries[Int(number)].answered = now
        areUnavailable = answer == .unavailable
        switch answer {
        case .found(let account):
            entries[Int(number)].state = .found
            entries[Int(number)].ha1MD5 = HashValue(account.ha1MD5)
            entries[Int(number)].ha1SHA256 = HashValue(account.ha1SHA256)
            entries[Int(number)].authUser = Array(account.authUser.utf8)
            entries[Int(number)].aor = Array(account.aor.utf8)
            entries[Int(number)].mayRegister = account.mayRegister
        case .unknown: entries[Int(number)].state = .unknown
        case .unavailable:
            // What was known serves on while the database cannot be asked.
            if entries[Int(number)].state != .found { entries[Int(number)].state = .unavailable }
        }
    }
}
