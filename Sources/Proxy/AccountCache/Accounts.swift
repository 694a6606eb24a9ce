internal import Digest
internal import Messages
internal import ProxyBench
internal import SIP
internal import Sys

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

/// What an answer of directory's means for what an account's row has let in while it was not confirmed.
package enum RowVerdict: Equatable, Sendable {
    /// Nothing: nothing was let in, or the source has not been asked.
    case nothing
    /// It stays.
    case confirmed
    /// It is taken back where the row as it stands would not let it in.
    case otherwise(hasNewSecret: Bool)
}

/// An account as the cache holds it; its texts are asked of `Accounts`.
struct AccountEntry: BitwiseCopyable, Sendable {
    /// When the source last answered a question about the name, by the monotonic clock.
    var heard = Milliseconds(Int64.min)
    /// When the source confirmed the row, in seconds of the monotonic clock, counted round.
    var confirmed: UInt32 = 0
    /// When the row turned from found to none, or let nobody in any more, in the same seconds.
    var changed: UInt32 = 0
    /// The mark of the secret; 0 when it has none.
    var secret: UInt32 = 0
    /// The question to directory under way, for our own realm; 0 without one.
    var question: UInt32 = 0
    /// How many rows of other tables are the account's, which then stays.
    var uses: UInt32 = 0
    /// The name, then the digest user name and the user part of To, as far as they differ from it.
    var text = Text.none
    var nameLength: UInt8 = 0
    var authUserLength: UInt8 = 0
    /// HA1 by SHA-256, which few need.
    var sha256 = Text.none
    /// The length of its access list, which stands behind the texts.
    var accessLength: UInt16 = 0
    var md5 = InlineArray<16, UInt8>(repeating: 0)
    var hasMD5 = false
    var hasOwnAuthUser = false
    var hasOwnAOR = false
    /// After how many changes of the database, counted round, directory answered.
    var generation: UInt8 = 0
    /// What is known.
    var state = AccountState.unasked
    /// Whether something is remembered of it by its place, which then stays its own.
    var isPinned = false
    /// Whether phones may register it.
    var mayRegister = false
    /// Whether there was a row, and the source says that there is none.
    var isGone = false
    /// Whether the question under way asks the source itself.
    var asksSource = false
    /// Whether directory has said that what the account has ends.
    var isRevoked = false
    /// Whether something was let in by the row since its source last confirmed it.
    var hasServedUnconfirmed = false
}

/// The names of accounts that the core has heard of, with what directory said, for a while.
struct Accounts: ~Copyable {
    /// For how long after its source has confirmed it a row serves at once.
    static let freshness = Milliseconds.seconds(60)
    /// For how long an account that is gone counts against nobody who asks for it: its table may be written anew.
    static let mourning = Milliseconds.seconds(600)
    /// The longest name, in bytes.
    static let longestName = Bounds.longestName
    /// The longest digest user name, and user part of To, in bytes.
    private static let longestUser = 255

    private var entries: ReservedArray<AccountEntry>
    private var texts: TextStore
    private var names = NameTable()
    private var free: [Int32] = []
    private var generation: UInt8 = 0
    /// Whether HA1s by SHA-256 are kept: only who was offered SHA-256 answers by it.
    var keepsSHA256 = false
    /// Whether there is no room for another name.
    var isFull: Bool { free.isEmpty && entries.count == entries.capacity }

    /// No accounts, and room for so many.
    init(capacity: Int) {
        entries = ReservedArray(capacity: capacity)
        let longest = Self.longestName + 2 * Self.longestUser + AccessList.longest
        texts = TextStore(capacity: (capacity + 1) * longest)
    }

    /// How many places have been used; some are free again.
    var count: Int { entries.count }

    /// What is known of an account.
    func state(_ account: AccountID) -> AccountState { entries[account.index].state }

    /// Whether phones may register an account.
    func mayRegister(_ account: AccountID) -> Bool { entries[account.index].mayRegister }

    /// The mark of the secret that an account has; 0 without one.
    func secret(_ account: AccountID) -> UInt32 { entries[account.index].secret }

    // MARK: Staying

    /// A row of another table is an account's: it stays until that is given back.
    mutating func retain(_ account: AccountID) { entries[account.index].uses += 1 }

    /// A row of another table is an account's no more; whether it is forgotten with that.
    mutating func release(_ account: AccountID) -> Bool {
        entries[account.index].uses -= 1
        return forgetIfIdle(account)
    }

    /// The same, and it is not forgotten with that.
    mutating func giveBack(_ account: AccountID) { entries[account.index].uses -= 1 }

    /// Something is remembered of an account by its place, for good.
    mutating func pin(_ account: AccountID) { entries[account.index].isPinned = true }

    // MARK: Texts

    /// An account's name.
    @_lifetime(borrow self)
    func name(_ account: AccountID) -> Span<UInt8> {
        let entry = entries[account.index]
        return texts.span(entry.text, 0, Int(entry.nameLength))
    }

    /// An account's digest user name.
    @_lifetime(borrow self)
    func authUser(_ account: AccountID) -> Span<UInt8> {
        let entry = entries[account.index]
        guard entry.hasOwnAuthUser else { return name(account) }
        return texts.span(entry.text, Int(entry.nameLength), Int(entry.authUserLength))
    }

    /// The user part of To in a REGISTER at Asterisk.
    @_lifetime(borrow self)
    func aor(_ account: AccountID) -> Span<UInt8> {
        let entry = entries[account.index]
        guard entry.hasOwnAOR else { return name(account) }
        let start = Int(entry.nameLength) + Int(entry.authUserLength)
        let end = Int(entry.text.length) - Int(entry.accessLength)
        return texts.span(entry.text, start, end - start)
    }

    /// From where an account may be used, as the bytes of an `AccessList`.
    @_lifetime(borrow self)
    func access(_ account: AccountID) -> Span<UInt8> {
        let entry = entries[account.index]
        let length = Int(entry.accessLength)
        return texts.span(entry.text, Int(entry.text.length) - length, length)
    }

    /// An account's HA1 for our realm, of length 0 when there is none.
    func ha1(_ account: AccountID, _ algorithm: DigestAlgorithm) -> HashValue {
        let entry = entries[account.index]
        switch algorithm {
        case .md5: return entry.hasMD5 ? HashValue(entry.md5.span) : HashValue()
        case .sha256: return HashValue(texts.span(entry.sha256))
        }
    }

    // MARK: Names

    /// The account of a name; nil when it was not heard of.
    func find(_ name: Span<UInt8>) -> AccountID? {
        names.find(NameTable.hash(name)) { self.name(AccountID($0)).equals(name) }
            .map { AccountID($0) }
    }

    /// The account of a name, which takes a place now if need be; nil when there is no room.
    mutating func account(of name: Span<UInt8>) -> AccountID? {
        if let account = find(name) { return account }
        guard name.count <= Self.longestName, !isFull, let text = texts.store(name) else {
            return nil
        }
        var entry = AccountEntry()
        entry.text = text
        entry.nameLength = UInt8(name.count)
        let place: Int32
        if let reused = free.popLast() {
            entries[Int(reused)] = entry
            place = reused
        } else {
            guard entries.append(entry) else {
                texts.release(&entry.text)
                return nil
            }
            place = Int32(entries.count - 1)
        }
        names.add(place, NameTable.hash(name))
        return AccountID(place)
    }

    /// Forgets an account that nothing is known of, a name that was only tried; false when it stays.
    mutating func forgetIfIdle(_ account: AccountID) -> Bool {
        let entry = entries[account.index]
        guard entry.uses == 0, !entry.isPinned, entry.state != .found, entry.state != .asked,
            entry.nameLength > 0, !entry.isGone
        else { return false }
        names.remove(account.place, NameTable.hash(name(account)))
        texts.release(&entries[account.index].text)
        texts.release(&entries[account.index].sha256)
        entries[account.index] = AccountEntry()
        free.append(account.place)
        return true
    }

    // MARK: What directory said

    /// The question about an account that is under way for our own realm; 0 without one.
    func question(_ account: AccountID) -> UInt32 { entries[account.index].question }

    /// Whether the question under way asks the source itself.
    func asksSource(_ account: AccountID) -> Bool { entries[account.index].asksSource }

    /// A question about an account is under way for our own realm, or (0) none any more.
    mutating func setQuestion(_ account: AccountID, _ question: UInt32, asksSource: Bool) {
        entries[account.index].question = question
        entries[account.index].asksSource = asksSource
    }

    /// Whether the source has answered about a name since a moment.
    func isHeard(_ account: AccountID, since moment: Milliseconds) -> Bool {
        entries[account.index].heard >= moment
    }

    /// The source has answered about a name.
    mutating func heard(_ account: AccountID, _ now: Milliseconds) {
        entries[account.index].heard = now
    }

    /// Directory is asked about an account, or could not be; what is known of it serves on.
    mutating func asked(_ account: AccountID, _ isAsked: Bool) {
        guard entries[account.index].state != .found else { return }
        entries[account.index].state = isAsked ? .asked : .unavailable
    }

    /// Whether a row serves at once: its source has confirmed it within a minute.
    func isConfirmed(_ account: AccountID, _ now: Milliseconds) -> Bool {
        let entry = entries[account.index]
        return entry.state == .found && entry.generation == generation
            && Self.age(entry.confirmed, now) <= Self.freshness.seconds
    }

    /// A row that its source has not confirmed for so long serves no more.
    mutating func expire(_ account: AccountID, after span: Milliseconds, _ now: Milliseconds) {
        let entry = entries[account.index]
        guard entry.state == .found, Self.age(entry.confirmed, now) > span.seconds else { return }
        entries[account.index].state = .unasked
    }

    /// How many seconds ago something was, which may be a second ahead.
    private static func age(_ moment: UInt32, _ now: Milliseconds) -> Int64 {
        Int64(Int32(bitPattern: UInt32(truncatingIfNeeded: now.seconds) &- moment))
    }

    /// Everything answered before now is stale.
    mutating func forgetAnswers() { generation &+= 1 }

    /// Something is let in by a row that its source has not confirmed for a minute.
    mutating func serveUnconfirmed(_ account: AccountID) {
        entries[account.index].hasServedUnconfirmed = true
    }

    /// Whether an account is gone, and nobody is counted who asks for it.
    func isMourned(_ account: AccountID, _ now: Milliseconds) -> Bool {
        entries[account.index].isGone
            && Self.age(entries[account.index].changed, now) <= Self.mourning.seconds
    }

    /// An account that has been gone for long is a name like any other, unless it had calls.
    mutating func forgetGone(_ account: AccountID, _ now: Milliseconds) {
        let entry = entries[account.index]
        guard entry.isGone, !entry.isPinned, !isMourned(account, now) else { return }
        entries[account.index].isGone = false
    }

    /// Directory has said that what an account has ends.
    mutating func revoke(_ account: AccountID) { entries[account.index].isRevoked = true }

    /// Whether the row lets an address in: there is one, and its access list does.
    func admits(_ account: AccountID, _ ip: IPAddress) -> Bool {
        !entries[account.index].isGone && AccessList.admits(access(account), .source, ip)
    }

    /// Whether a call of an account may go on, whose phone is at an address.
    ///
    /// What is gone or shut out ends once directory has said so, or after a minute: a table that is written anew is
    /// empty for a moment.
    func mayGoOn(_ account: AccountID, at ip: IPAddress, _ now: Milliseconds) -> Bool {
        if admits(account, ip) { return true }
        let entry = entries[account.index]
        return !entry.isRevoked && Self.age(entry.changed, now) <= Self.freshness.seconds
    }

    /// Takes directory's answer, which the source has confirmed so long ago.
    mutating func receive(
        _ answer: AccountAnswer, for account: AccountID, age: Milliseconds, _ now: Milliseconds
    ) -> RowVerdict {
        let place = account.index
        switch answer {
        case .found(let found): return receive(found, for: account, age: age, now)
        case .unknown:
            let wasFound = entries[place].state == .found
            if wasFound || entries[place].hasServedUnconfirmed {
                entries[place].isGone = true
                entries[place].changed = UInt32(truncatingIfNeeded: now.seconds)
            }
            entries[place].state = .unknown
            return settle(account, hasNewSecret: true)
        case .unavailable:
            // What was known serves on while the source cannot be asked.
            if entries[place].state != .found { entries[place].state = .unavailable }
            return .nothing
        }
    }

    private mutating func receive(
        _ found: Account, for account: AccountID, age: Milliseconds, _ now: Milliseconds
    ) -> RowVerdict {
        let old = entries[account.index]
        let confirmed = UInt32(truncatingIfNeeded: (now - age).seconds)
        // Directory was started anew, and has an older row than it has told. Seconds are cut on either side.
        if old.state == .found, old.generation == generation,
            Int32(bitPattern: confirmed &- old.confirmed) < -1
        {
            return .nothing
        }
        let secret = found.secretMark
        let isSame =
            old.secret == secret && old.mayRegister == found.mayRegister && !old.isGone
            && access(account).equals(found.access.bytes.span)
            && authUser(account).equals(Array(found.authUser.utf8).span)
        guard store(found, of: account) else {
            entries[account.index].state = .unavailable
            return .nothing
        }
        entries[account.index].state = .found
        entries[account.index].secret = secret
        entries[account.index].mayRegister = found.mayRegister
        entries[account.index].confirmed = confirmed
        entries[account.index].generation = generation
        if !isSame {
            entries[account.index].changed = UInt32(truncatingIfNeeded: now.seconds)
            entries[account.index].isGone = false
            entries[account.index].isRevoked = false
        }
        guard isSame else { return settle(account, hasNewSecret: old.secret != secret) }
        return age <= Self.freshness ? settle(account, hasNewSecret: nil) : .nothing
    }

    /// What an answer means for what the row before has let in unconfirmed; `hasNewSecret` is nil when it is the same.
    private mutating func settle(_ account: AccountID, hasNewSecret: Bool?) -> RowVerdict {
        guard entries[account.index].hasServedUnconfirmed else { return .nothing }
        entries[account.index].hasServedUnconfirmed = false
        return hasNewSecret.map { .otherwise(hasNewSecret: $0) } ?? .confirmed
    }

    /// Stores the names that an account has beside its own, its list and its hashes; false when there is no room.
    private mutating func store(_ found: Account, of account: AccountID) -> Bool {
        let name = Array(copying: name(account))
        let authUser = Array(found.authUser.utf8.prefix(Self.longestUser))
        let aor = Array(found.aor.utf8.prefix(Self.longestUser))
        let none: [UInt8] = []
        let ownAuthUser = authUser == name ? none : authUser
        let ownAOR = aor == name ? none : aor
        let access = found.access.bytes
        guard let text = texts.store(name.span, ownAuthUser.span, ownAOR.span, access.span) else {
            return false
        }
        let place = account.index
        texts.release(&entries[place].text)
        entries[place].text = text
        entries[place].authUserLength = UInt8(ownAuthUser.count)
        entries[place].hasOwnAuthUser = authUser != name
        entries[place].hasOwnAOR = aor != name
        entries[place].accessLength = UInt16(access.count)
        return storeHashes(found, of: account)
    }

    private mutating func storeHashes(_ found: Account, of account: AccountID) -> Bool {
        let place = account.index
        let md5 = found.ha1MD5
        entries[place].hasMD5 = md5.count == 16
        if md5.count == 16 { for index in 0..<16 { entries[place].md5[index] = md5[index] } }
        texts.release(&entries[place].sha256)
        guard keepsSHA256, found.ha1SHA256.count == 32 else { return true }
        guard let hash = texts.store(found.ha1SHA256.span) else { return false }
        entries[place].sha256 = hash
        return true
    }
}

extension AccountID {
    fileprivate var index: Int { Int(place) }
}
