package import Digest
package import Messages
internal import SIP
package import Sys

/// What is known of an account's credentials.
package enum AccountState: UInt8, BitwiseCopyable, Sendable {
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

/// An account as the router holds it: cached credentials, and the heads of its lists; its texts are asked of
/// `Accounts`.
package struct AccountEntry: BitwiseCopyable, Sendable {
    /// When directory answered, in seconds of the monotonic clock.
    fileprivate var answered: UInt32 = 0
    /// The first of its bindings, -1 for none.
    package var bindings: Int32 = -1
    /// The first of its registrations at the Asterisks, by its place; -1 for none.
    package var presences: Int32 = -1
    /// The name, then the digest user name and the user part of To, as far as they differ from it.
    fileprivate var text = Text.none
    fileprivate var nameLength: UInt8 = 0
    fileprivate var authUserLength: UInt8 = 0
    /// HA1 by SHA-256, which few need.
    fileprivate var sha256 = Text.none
    /// The length of its access list, which stands behind the texts.
    fileprivate var accessLength: UInt16 = 0
    fileprivate var md5 = InlineArray<16, UInt8>(repeating: 0)
    fileprivate var hasMD5 = false
    fileprivate var hasOwnAuthUser = false
    fileprivate var hasOwnAOR = false
    /// After how many changes of the database, counted round, directory answered.
    fileprivate var generation: UInt8 = 0
    /// What is known.
    package var state = AccountState.unasked
    /// Whether something is remembered of it by its number, which then stays its own.
    package var isKept = false
    /// Whether phones may register it.
    package fileprivate(set) var mayRegister = false
    /// How much it has of the tables that all share.
    var share = AccountShare()
    /// Its place among the accounts whose bindings have changed lately (`RegistrationRecords`), -1 for none.
    var changed: Int32 = -1
}

/// How much an account has of the tables that all share: at most an eighth of each.
struct AccountShare: BitwiseCopyable, Sendable {
    /// One part of so many is an account's.
    static let parts = 8
    /// Of so many sizes of blocks, the largest, an account has a part.
    static let sharedSizes = 3

    /// Requests that are passed on for it.
    var exchanges: UInt32 = 0
    /// What those were split into.
    var branches: UInt32 = 0
    /// Blocks of those sizes that its messages take.
    var longBlocks = InlineArray<3, UInt32>(repeating: 0)
    /// Whether it is the row of a trunk, whose calls are those of a whole company: it has limits of its own.
    var isTrunk = false

    /// Whether it has nothing.
    var isNothing: Bool { exchanges == 0 && branches == 0 && hasNoBlocks }

    private var hasNoBlocks: Bool {
        for place in longBlocks.indices where longBlocks[place] != 0 { return false }
        return true
    }

    /// Whether whoever has so many of a table may have one more.
    func allows(_ count: UInt32, of capacity: Int) -> Bool {
        isTrunk || Int(count) < capacity / Self.parts
    }
}

/// The accounts that the router has heard of, with what directory said, for a while.
package struct Accounts: ~Copyable {
    /// How long an answer is used.
    package static let freshness = Milliseconds.seconds(60)
    /// The longest name, in bytes.
    package static let longestName = Bounds.longestName
    /// The longest digest user name, and user part of To, in bytes.
    private static let longestUser = 255

    private var entries: ReservedArray<AccountEntry>
    private var texts: TextStore
    private var names = NameTable()
    private var free: [Int32] = []
    private var generation: UInt8 = 0
    /// Whether HA1s by SHA-256 are kept: only who was offered SHA-256 answers by it.
    package var keepsSHA256 = false
    /// Whether directory could not ask the database when it last tried.
    package private(set) var areUnavailable = false
    /// How many names found no room, since the beginning.
    private(set) var refused = 0

    /// Whether there is no room for another name.
    var isFull: Bool { free.isEmpty && entries.count == entries.capacity }
    /// How many names there may be.
    var capacity: Int { entries.capacity }

    /// No accounts, and room for so many.
    package init(capacity: Int) {
        entries = ReservedArray(capacity: capacity)
        let longest = Self.longestName + 2 * Self.longestUser + AccessList.longest
        texts = TextStore(capacity: (capacity + 1) * longest)
    }

    /// The account of a number.
    package subscript(number: Int32) -> AccountEntry {
        _read { yield entries[Int(number)] }
        _modify { yield &entries[Int(number)] }
    }

    /// Every account's number.
    package var indices: Range<Int32> { 0..<Int32(entries.count) }

    // MARK: Texts

    /// An account's name; of none (-1) it is empty.
    @_lifetime(borrow self)
    package func name(_ number: Int32) -> Span<UInt8> {
        let entry = number < 0 ? AccountEntry() : entries[Int(number)]
        return texts.span(entry.text, 0, Int(entry.nameLength))
    }

    /// An account's digest user name.
    @_lifetime(borrow self)
    package func authUser(_ number: Int32) -> Span<UInt8> {
        let entry = entries[Int(number)]
        guard entry.hasOwnAuthUser else { return name(number) }
        return texts.span(entry.text, Int(entry.nameLength), Int(entry.authUserLength))
    }

    /// The user part of To in a REGISTER at Asterisk.
    @_lifetime(borrow self)
    package func aor(_ number: Int32) -> Span<UInt8> {
        let entry = entries[Int(number)]
        guard entry.hasOwnAOR else { return name(number) }
        let start = Int(entry.nameLength) + Int(entry.authUserLength)
        let end = Int(entry.text.length) - Int(entry.accessLength)
        return texts.span(entry.text, start, end - start)
    }

    /// From where an account may be used, as the bytes of an `AccessList`.
    @_lifetime(borrow self)
    package func access(_ number: Int32) -> Span<UInt8> {
        let entry = entries[Int(number)]
        let length = Int(entry.accessLength)
        return texts.span(entry.text, Int(entry.text.length) - length, length)
    }

    /// An account's HA1 for our realm, of length 0 when there is none.
    package func ha1(_ number: Int32, _ algorithm: DigestAlgorithm) -> HashValue {
        let entry = entries[Int(number)]
        switch algorithm {
        case .md5: return entry.hasMD5 ? HashValue(entry.md5.span) : HashValue()
        case .sha256: return HashValue(texts.span(entry.sha256))
        }
    }

    // MARK: Names

    /// The number of a name, or nil when it was not heard of.
    package func find(_ name: Span<UInt8>) -> Int32? {
        names.find(NameTable.hash(name)) { self.name($0).equals(name) }
    }

    /// The number of a name, taken now if need be; nil when there is no room.
    package mutating func number(_ name: Span<UInt8>) -> Int32? {
        if let number = find(name) { return number }
        guard name.count <= Self.longestName else { return nil }
        guard !isFull, let text = texts.store(name) else {
            refused += 1
            return nil
        }
        var entry = AccountEntry()
        entry.text = text
        entry.nameLength = UInt8(name.count)
        let number: Int32
        if let reused = free.popLast() {
            entries[Int(reused)] = entry
            number = reused
        } else {
            guard entries.append(entry) else {
                texts.release(&entry.text)
                return nil
            }
            number = Int32(entries.count - 1)
        }
        names.add(number, NameTable.hash(name))
        return number
    }

    /// Forgets an account that has neither bindings nor a good answer: a name that was only tried.
    package mutating func forgetIfIdle(_ number: Int32) {
        let entry = entries[Int(number)]
        guard entry.bindings < 0, entry.presences < 0, entry.state != .found, !entry.isKept,
            entry.state != .asked, entry.nameLength > 0, entry.share.isNothing,
            entry.changed < 0
        else { return }
        names.remove(number, NameTable.hash(name(number)))
        texts.release(&entries[Int(number)].text)
        texts.release(&entries[Int(number)].sha256)
        entries[Int(number)] = AccountEntry()
        free.append(number)
    }

    // MARK: What directory said

    /// Whether directory has to be asked before the account is used.
    package func isStale(_ number: Int32, _ now: Milliseconds) -> Bool {
        let entry = entries[Int(number)]
        switch entry.state {
        case .unasked, .unknown, .unavailable: return true
        case .asked: return false
        case .found:
            let age = UInt32(truncatingIfNeeded: now.seconds) &- entry.answered
            return entry.generation != generation || Int64(age) > Self.freshness.seconds
        }
    }

    /// Everything answered before now is stale.
    package mutating func forgetAnswers() { generation &+= 1 }

    /// Takes directory's answer.
    package mutating func take(_ answer: AccountAnswer, for number: Int32, _ now: Milliseconds) {
        entries[Int(number)].answered = UInt32(truncatingIfNeeded: now.seconds)
        entries[Int(number)].generation = generation
        areUnavailable = answer == .unavailable
        switch answer {
        case .found(let account):
            guard keep(account, for: number) else {
                entries[Int(number)].state = .unavailable
                return
            }
            entries[Int(number)].state = .found
            entries[Int(number)].mayRegister = account.mayRegister
        case .unknown: entries[Int(number)].state = .unknown
        case .unavailable:
            // What was known serves on while the database cannot be asked.
            if entries[Int(number)].state != .found { entries[Int(number)].state = .unavailable }
        }
    }

    /// Keeps the names that an account has beside its own; false when there is no room.
    private mutating func keep(_ account: Account, for number: Int32) -> Bool {
        let name = Array(name(number))
        let authUser = Array(account.authUser.utf8.prefix(Self.longestUser))
        let aor = Array(account.aor.utf8.prefix(Self.longestUser))
        let none: [UInt8] = []
        let ownAuthUser = authUser == name ? none : authUser
        let ownAOR = aor == name ? none : aor
        let access = account.access.bytes
        guard let text = texts.store(name.span, ownAuthUser.span, ownAOR.span, access.span) else {
            return false
        }
        texts.release(&entries[Int(number)].text)
        entries[Int(number)].text = text
        entries[Int(number)].authUserLength = UInt8(ownAuthUser.count)
        entries[Int(number)].hasOwnAuthUser = authUser != name
        entries[Int(number)].hasOwnAOR = aor != name
        entries[Int(number)].accessLength = UInt16(access.count)
        return keepHashes(account, for: number)
    }

    private mutating func keepHashes(_ account: Account, for number: Int32) -> Bool {
        let md5 = account.ha1MD5
        entries[Int(number)].hasMD5 = md5.count == 16
        if md5.count == 16 { for index in 0..<16 { entries[Int(number)].md5[index] = md5[index] } }
        texts.release(&entries[Int(number)].sha256)
        guard keepsSHA256, account.ha1SHA256.count == 32 else { return true }
        guard let hash = texts.store(account.ha1SHA256.span) else { return false }
        entries[Int(number)].sha256 = hash
        return true
    }
}
