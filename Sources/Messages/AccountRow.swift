package import Sys
internal import Wire

/// What directory has of an account, whatever its source says now.
package struct KeptOfAccount: Equatable, Sendable {
    /// How many phones are registered for it.
    package var phones: UInt32
    /// What stands against it.
    package var standing: AccountStanding
    /// How long ago its source confirmed the row that directory has; nil when it has none.
    package var age: Milliseconds?
    /// Whether that row serves without a look at its source.
    package var isConfirmed: Bool

    /// What is kept, of its parts.
    package init(
        phones: UInt32, standing: AccountStanding, age: Milliseconds? = nil,
        isConfirmed: Bool = false
    ) {
        self.phones = phones
        self.standing = standing
        self.age = age
        self.isConfirmed = isConfirmed
    }
}

/// What the source has under a name, as `rempart accounts` shows it: no secret, and no hash.
package struct AccountRow: Equatable, Sendable {
    /// The name, as the source has it; at most `Bounds.longestName` bytes.
    package var name: String
    /// Whether it is an account.
    package var isAccount: Bool
    /// The digest user name, at most 255 bytes; empty for what is no account.
    package var user: String
    /// Whether there is an HA1 for `accounts.realm`, of MD5 and of SHA-256.
    package var hasMD5, hasSHA256: Bool
    /// Whether phones may register it.
    package var mayRegister: Bool
    /// From where it may be used.
    package var access: AccessList
    /// What directory has of it.
    package var kept: KeptOfAccount
    /// The table or file that was read, at most 128 bytes.
    package var source: String
    /// Why it is none, or serves nobody; nil for an account that can be used.
    package var why: AccountAbsence?

    /// What an answer of the source says; nil while the source cannot be asked.
    package init?(_ name: String, _ read: ReadAccount, _ kept: KeptOfAccount) {
        self.name = name
        self.kept = kept
        source = read.source
        why = read.why
        switch read.answer {
        case .found(let account):
            isAccount = true
            user = account.authUser
            hasMD5 = !account.ha1MD5.isEmpty
            hasSHA256 = !account.ha1SHA256.isEmpty
            mayRegister = account.mayRegister
            access = account.access
        case .unknown:
            isAccount = false
            user = ""
            hasMD5 = false
            hasSHA256 = false
            mayRegister = false
            access = AccessList()
        case .unavailable: return nil
        }
    }

    private static let longestUser = 255
}

extension AccountRow {
    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.name(name)
        for flag in [isAccount, hasMD5, hasSHA256, mayRegister] { writer.bool(flag) }
        writer.string(user, cutTo: Self.longestUser)
        writer.data(access.bytes)
        kept.write(to: &writer)
        writer.string(source, cutTo: ReadAccount.longestSource)
        writer.u8(why?.rawValue ?? 0)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        name = try reader.string("name", limit: Bounds.longestName)
        isAccount = try reader.bool()
        hasMD5 = try reader.bool()
        hasSHA256 = try reader.bool()
        mayRegister = try reader.bool()
        user = try reader.string("user", limit: Self.longestUser)
        access = try AccessList(from: &reader)
        kept = try KeptOfAccount(from: &reader)
        source = try reader.string("source", limit: ReadAccount.longestSource)
        why = try AccountAbsence.read(from: &reader)
    }
}

extension KeptOfAccount {
    /// Writes the columns.
    fileprivate func write(to writer: inout WireWriter) {
        writer.u32(phones)
        standing.write(to: &writer)
        writer.bool(age != nil)
        if let age { writer.span(age, upTo: Bounds.longestStale) }
        writer.bool(isConfirmed)
    }

    /// Reads the columns.
    fileprivate init(from reader: inout WireReader) throws(WireError) {
        phones = try reader.u32()
        standing = try AccountStanding(from: &reader)
        age = try reader.bool() ? try reader.span("age", upTo: Bounds.longestStale) : nil
        isConfirmed = try reader.bool()
    }
}
