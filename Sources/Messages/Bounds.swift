package import Sys
internal import Wire

/// The ranges that numbers between processes lie in, alike for writer and reader.
///
/// A reader refuses what lies outside; a writer cuts it, so that an honest process never writes
/// such a number. A process that has a clock checks moments against the spans below too.
package enum Bounds {
    /// The last moment that any message names, the beginning of the year 2200; far from where sums of
    /// moments overflow, here and in the kernel.
    package static let lastMoment = Milliseconds.seconds(7_258_118_400)
    /// The longest ban, 365 d.
    package static let longestBan = Milliseconds.seconds(31_536_000)
    /// The longest binding that the settings permit, 7 d (`registration.maximum`).
    package static let longestBinding = Milliseconds.seconds(604_800)
    /// How much longer than its registration a source is announced as a resident.
    package static let announcement = Milliseconds.seconds(1800)
    /// The longest protection of a source: as long as a binding, and its announcement.
    package static let longestProtection = longestBinding + announcement
    /// How long an account calls nobody abroad at most, 30 d (`calls.new-country`).
    package static let longestHold = Milliseconds.seconds(2_592_000)
    /// The longest time that a row serves whose source does not confirm it, 30 d (`accounts.stale`).
    package static let longestStale = Milliseconds.seconds(2_592_000)
    /// How far a clock may have been put forward or back between who wrote a moment and who reads it.
    package static let clockStep = Milliseconds.seconds(3600)
    /// How many offences a ban may be founded on.
    package static let mostOffences: UInt32 = 1_000_000
    /// The highest CSeq (RFC 3261 section 8.1.1.5).
    package static let highestSequence: UInt32 = 0x7FFF_FFFF
    /// How many endpoints there may be toward the Internet, and toward the Asterisks.
    static let mostOutside = 32, mostInside = 8
    /// How many Asterisks there may be.
    package static let mostAsterisks = 64
    /// How many trunks there may be.
    package static let mostTrunks = 32
    /// How many endpoints there may be; each trunk has one of its own.
    package static let mostListeners = mostOutside + mostInside + mostTrunks
    /// How many certificates there may be (`tls.certificates`).
    package static let mostCertificates = 32
    /// How many connections tls-terminator has.
    package static let mostConnections = 20_000
    /// The longest name of an account, in bytes.
    package static let longestName = 64
    /// The longest name that the settings give a trunk or a profile, in bytes.
    package static let longestGroupName = 32
    /// The most accounts that may show callers of their own.
    package static let mostCallers = 1024
    /// The longest digest realm, domain, URL of a database, and path of a file, in bytes.
    package static let longestRealm = 128
    static let longestDomain = 255, longestURL = 1024, longestPath = 4096
    /// The longest name of a table, in bytes.
    package static let longestTable = 64
    /// The longest statement that finds an account, in bytes.
    package static let longestQuery = 4096
    /// The longest name of a login to a database, in bytes; MariaDB's has 128 characters at most.
    static let longestLogin = 128
    /// The longest file with a password, in bytes (`accounts.secret-file`).
    package static let longestSecretFile = 4096
    /// The longest name of a DSN, in bytes (SQL_MAX_DSN_LENGTH of ODBC).
    package static let longestDataSource = 32
    /// How many networks the files of `defence.blocklists` have together.
    package static let mostListedNetworks = 100_000
    /// How long after its end a ban still lengthens the next one of its source (`defence.growth`).
    package static let banMemory = Milliseconds.seconds(30 * 86_400)
    /// How many countries a list of the settings has at most: those of ISO 3166-1.
    static let mostCountries = 249
    /// The longest Contact URI of a binding, in bytes; those of phones that are woken by push are the longest.
    package static let longestContact = 2048

    /// Whether a text can be the name of a DSN, and cannot be more than that in a connection string.
    package static func isDataSource(_ text: Substring) -> Bool {
        (1...longestDataSource).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x20, UInt8(ascii: "_"),
                    UInt8(ascii: "-"),
                    UInt8(ascii: "."):
                    true
                default: false
                }
            } && text.first != " " && text.last != " "
    }

    /// Whether a text is the name of a table, which holds no quotation mark, and is none of SQLite's own.
    package static func isTable(_ text: String) -> Bool {
        (1...longestTable).contains(text.utf8.count) && !text.lowercased().hasPrefix("sqlite_")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    /// Whether a text can be the statement that finds an account: one that reads, with one parameter and no control
    /// character but line ends and tabs.
    ///
    /// A `?` and a `;` count wherever they stand, since databases do not agree about what quotes them.
    package static func isQuery(_ text: String) -> Bool {
        (1...longestQuery).contains(text.utf8.count) && beginsAsQuery(text)
            && text.utf8.count { $0 == UInt8(ascii: "?") } == 1
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar {
                case ";": false
                case "\t", "\n", "\r": true
                default: scalar.properties.generalCategory != .control
                }
            }
    }

    /// Whether the first word of a text is one that a statement which reads begins with.
    package static func beginsAsQuery(_ text: String) -> Bool {
        let word = text.utf8.prefix { byte in
            let letter = byte | 0x20
            return (0x61...0x7A).contains(letter) || (0x30...0x39).contains(byte)
                || byte == UInt8(ascii: "_")
        }
        return ["select", "with"].contains(String(Substring(word)).lowercased())
    }

    /// Whether a text is a country's two capital letters (ISO 3166-1).
    package static func isCountry(_ text: String) -> Bool {
        text.utf8.count == 2 && areCountries(text)
    }

    /// Whether a text is of countries, two capital letters each.
    static func areCountries(_ text: String) -> Bool {
        text.utf8.count.isMultiple(of: 2)
            && text.utf8.allSatisfy { (0x41...0x5A).contains($0) }
    }
}

extension WireWriter {
    /// Writes a moment since 1970, cut to those that a message may name.
    mutating func moment(_ value: Milliseconds) {
        milliseconds(min(max(value, Milliseconds(0)), Bounds.lastMoment))
    }

    /// Writes a span, cut to what it may be.
    mutating func span(_ value: Milliseconds, upTo longest: Milliseconds) {
        milliseconds(min(max(value, Milliseconds(0)), longest))
    }

    /// Writes a name that has to be whole: one that is too long becomes empty, since the beginning of it
    /// might be another's.
    mutating func name(_ value: String, limit: Int = Bounds.longestName) {
        string(value.utf8.count <= limit ? value : "")
    }
}

extension WireReader {
    /// Reads a number that must lie in a range.
    mutating func count(
        _ name: String, in range: ClosedRange<UInt32>
    ) throws(WireError) -> UInt32 {
        let value = try u32()
        guard range.contains(value) else { throw .badValue(name) }
        return value
    }

    /// Reads a span that must lie in a range.
    mutating func span(
        _ name: String, in range: ClosedRange<Milliseconds>
    ) throws(WireError) -> Milliseconds {
        let value = try milliseconds()
        guard range.contains(value) else { throw .badValue(name) }
        return value
    }

    /// Reads a moment since 1970.
    mutating func moment(_ name: String) throws(WireError) -> Milliseconds {
        try span(name, upTo: Bounds.lastMoment)
    }

    /// Reads a span from 0 on.
    mutating func span(
        _ name: String, upTo longest: Milliseconds
    ) throws(WireError) -> Milliseconds {
        let value = try milliseconds()
        guard value.count >= 0, value <= longest else { throw .badValue(name) }
        return value
    }

    /// Reads an address that something can be sent to: its port is not 0.
    mutating func reachable(_ name: String) throws(WireError) -> SocketAddress {
        let value = try address()
        guard value.port > 0 else { throw .badValue(name) }
        return value
    }

    /// Reads what a ban may cover: a source, or its neighbourhood.
    mutating func source() throws(WireError) -> Network {
        let value = try network()
        guard value == .source(of: value.address) || value == .neighbourhood(of: value.address)
        else { throw .badValue("source") }
        return value
    }

    /// Reads a listener's number.
    mutating func listener() throws(WireError) -> UInt8 {
        let value = try u8()
        guard value < Bounds.mostListeners else { throw .badValue("listener") }
        return value
    }

    /// Reads a country's two capital letters.
    mutating func country() throws(WireError) -> String {
        let text = try string("country", limit: 2)
        guard Bounds.isCountry(text) else { throw .badValue("country") }
        return text
    }
}
