internal import Sys
internal import Wire

/// What the values of a key look like: in a frame, and as a person writes them.
///
/// Both readers get the bounds from the same constants; the one of frames is total, and a value out of its bounds is
/// a `WireError`.
struct SettingForm<Value: Equatable & Sendable>: Sendable {
    /// One value, for a reader of the documents: "1 to 1000".
    let one: String
    /// Several of them, behind their number: "networks or addresses".
    let many: String
    /// Whether the documents say how many a list takes.
    var isCounted = true
    /// Writes a value into a frame.
    let write: @Sendable (Value, inout WireWriter) -> Void
    /// Reads a value of a frame; the text is the field's name in errors.
    let read: @Sendable (inout WireReader, String) throws(WireError) -> Value
    /// Reads the text of a value.
    let text: @Sendable (any SettingText.Type, String) throws(ValueError) -> Value
    /// A value as it would be written.
    var written: @Sendable (Value) -> String = { "\($0)" }

    /// The values that a key may have, with so many items, for a reader of the documents.
    func range(of items: ClosedRange<Int>?) -> String {
        guard let items else { return one }
        return isCounted ? "\(items.lowerBound) to \(items.upperBound) \(many)" : many
    }
}

extension SettingForm where Value == UInt32 {
    /// A whole number within bounds.
    static func count(_ range: ClosedRange<UInt32>) -> SettingForm {
        let text = "\(range.lowerBound) to \(range.upperBound)"
        return SettingForm(
            one: text, many: "of \(text)", write: { $1.u32($0) },
            read: { reader, name throws(WireError) in try reader.count(name, in: range) },
            text: { reader, text throws(ValueError) in try reader.count(text, in: range) })
    }
}

extension SettingForm where Value == Milliseconds {
    /// A span of time within bounds.
    static func span(_ range: ClosedRange<Milliseconds>) -> SettingForm {
        SettingForm(
            one: range.text, many: "of \(range.text)", write: { $1.milliseconds($0) },
            read: { reader, name throws(WireError) in try reader.span(name, in: range) },
            text: { reader, text throws(ValueError) in try reader.duration(text, in: range) },
            written: { $0.duration })
    }
}

extension SettingForm where Value == Limit {
    /// So many in such a time.
    static func limit(_ counts: ClosedRange<UInt32>) -> SettingForm {
        let text = "\(counts.lowerBound) to \(counts.upperBound) in \(Limit.windows.text)"
        return SettingForm(
            one: text, many: "of \(text)",
            write: { limit, writer in
                writer.u32(limit.count)
                writer.milliseconds(limit.window)
            },
            read: { reader, name throws(WireError) in
                let count = try reader.count(name, in: counts)
                return Limit(count, in: try reader.span(name, in: Limit.windows))
            },
            text: { reader, text throws(ValueError) in
                try reader.limit(text, counts, in: Limit.windows)
            },
            written: { "\($0.count) in \($0.window.duration)" })
    }
}

extension SettingForm where Value == Bool {
    /// true or false.
    static let truth = SettingForm(
        one: "true, false", many: "true, false", write: { $1.bool($0) },
        read: { reader, _ throws(WireError) in try reader.bool() },
        text: { reader, text throws(ValueError) in try reader.truth(text) })
}

/// A value that a person writes as one of some words.
protocol SettingWord: RawRepresentable<UInt8>, CaseIterable, Equatable, Sendable {
    /// The word.
    var name: String { get }
}

extension SettingForm where Value: SettingWord {
    /// One of the words of a type, each of which is a `what`.
    static func word(_ type: Value.Type, _ what: String) -> SettingForm {
        let all = Array(type.allCases)
        let words = all.map(\.name)
        let list = words.joined(separator: ", ")
        return SettingForm(
            one: list, many: list, isCounted: false, write: { $1.u8($0.rawValue) },
            read: { reader, name throws(WireError) in try reader.choice(name) },
            text: { reader, text throws(ValueError) in
                all[try reader.word(text, of: words, what)]
            },
            written: { $0.name })
    }
}

extension SettingForm where Value == String {
    /// A text of so many bytes.
    private init(
        one: String, many: String, isCounted: Bool = true, atMost limit: Int,
        text: @escaping @Sendable (any SettingText.Type, String) throws(ValueError) -> String
    ) {
        self.init(
            one: one, many: many, isCounted: isCounted, write: { $1.string($0) },
            read: { reader, name throws(WireError) in try reader.string(name, limit: limit) },
            text: text)
    }

    /// A host name or an IP address, in lower case.
    static let domain = SettingForm(
        one: "a host name or IP address", many: "host names or IP addresses",
        atMost: Bounds.longestDomain,
        text: { reader, text throws(ValueError) in try reader.domain(text) })

    /// The URL of what has the accounts.
    static let source = SettingForm(
        one:
            "asterisk:///FOLDER, ari://HOST:PORT, ari+https://HOST:PORT, sqlite:///PATH, odbc://DSN or"
            + " freepbx:///FILE, at most \(Bounds.longestURL) bytes",
        many:
            "of asterisk:///FOLDER, ari://HOST:PORT, sqlite:///PATH, odbc://DSN and freepbx:///FILE",
        atMost: Bounds.longestURL,
        text: { reader, text throws(ValueError) in
            try reader.source(text, atMost: Bounds.longestURL)
        })

    /// The name of a table, which can stand between quotation marks in a statement.
    static let table = SettingForm(
        one: "1 to \(Bounds.longestTable) letters, digits, `_` and `.`; not `sqlite_` first",
        many: "of letters, digits, `_` and `.`", write: { $1.string($0) },
        read: { reader, name throws(WireError) in
            let table = try reader.string(name, limit: Bounds.longestTable)
            guard Bounds.isTable(table) else { throw .badValue(name) }
            return table
        },
        text: { reader, text throws(ValueError) in try reader.table(text) })

    /// A statement that finds an account by its name.
    static let query = SettingForm(
        one: "a SELECT with one `?` and no `;`, at most \(Bounds.longestQuery) bytes",
        many: "of SELECTs with one `?` and no `;`", write: { $1.string($0) },
        read: { reader, name throws(WireError) in
            let query = try reader.string(name, limit: Bounds.longestQuery)
            guard Bounds.isQuery(query) else { throw .badValue(name) }
            return query
        },
        text: { reader, text throws(ValueError) in try reader.query(text) })

    /// The absolute path of a file.
    static let path = SettingForm(
        one: "an absolute path, at most \(Bounds.longestPath) bytes", many: "absolute paths",
        atMost: Bounds.longestPath,
        text: { reader, text throws(ValueError) in
            try reader.path(text, atMost: Bounds.longestPath)
        })

    /// A digest realm.
    static let realm = SettingForm(
        one: "1 to \(Bounds.longestRealm) bytes without \" and \\", many: "realms",
        atMost: Bounds.longestRealm,
        text: { reader, text throws(ValueError) in
            try reader.realm(text, atMost: Bounds.longestRealm)
        })

    /// The name of a login to a database.
    static let login = SettingForm(
        one: "1 to \(Bounds.longestLogin) bytes without `;`, `{` and `}`", many: "logins",
        atMost: Bounds.longestLogin,
        text: { reader, text throws(ValueError) in
            try reader.login(text, atMost: Bounds.longestLogin)
        })

    /// The name of an account.
    static let account = SettingForm(
        one: "a name of at most \(Bounds.longestName) bytes",
        many: "names of at most \(Bounds.longestName) bytes", atMost: Bounds.longestName,
        text: { reader, text throws(ValueError) in
            try reader.account(text, atMost: Bounds.longestName)
        })

    /// The two letters of a country.
    static let country = SettingForm(
        one: "a country code of two letters", many: "country codes of two letters",
        write: { $1.string($0) },
        read: { reader, _ throws(WireError) in try reader.country() },
        text: { reader, text throws(ValueError) in try reader.country(text) })

    /// The name of a SIP method, upper case.
    static let method = SettingForm(
        one: "a name of a SIP method", many: "names of SIP methods", isCounted: false, atMost: 16,
        text: { reader, text throws(ValueError) in try reader.method(text) })

    /// The name of a trunk.
    static let trunkName = SettingForm(
        one: "the name of a trunk", many: "names of trunks", atMost: Bounds.longestGroupName,
        text: { reader, text throws(ValueError) in try reader.trunkName(text) })

    /// So many digits.
    static func digits(_ range: ClosedRange<Int>) -> SettingForm {
        let text = "\(range.lowerBound) to \(range.upperBound) digits"
        return SettingForm(
            one: text, many: "numbers of \(text)", atMost: range.upperBound,
            text: { reader, text throws(ValueError) in try reader.digits(text, in: range) })
    }

    /// What an international number begins with: + or so many digits.
    static func prefix(_ range: ClosedRange<Int>) -> SettingForm {
        let text = "+ or \(range.lowerBound) to \(range.upperBound) digits"
        return SettingForm(
            one: text, many: "of \(text)", atMost: range.upperBound,
            text: { reader, text throws(ValueError) in try reader.prefix(text, in: range) })
    }

    /// What is never called: a country, or the first digits of a number, so many, behind a + or as they are dialled.
    static func neverCalled(_ range: ClosedRange<Int>) -> SettingForm {
        let text = "+DIGITS, DIGITS as they are dialled, or country codes"
        return SettingForm(
            one: text, many: "of \(text)", atMost: 1 + range.upperBound,
            text: { reader, text throws(ValueError) in try reader.neverCalled(text, in: range) })
    }
}

extension SettingForm where Value == Network {
    private init(
        _ text: @escaping @Sendable (any SettingText.Type, String) throws(ValueError) -> Network
    ) {
        self.init(
            one: "a network or address", many: "networks or addresses",
            write: { $1.network($0) },
            read: { reader, _ throws(WireError) in try reader.network() }, text: text)
    }

    /// A network, or one address.
    static let network = SettingForm { reader, text throws(ValueError) in
        try reader.network(text)
    }

    /// A network that is not everybody.
    static let trunkNetwork = SettingForm { reader, text throws(ValueError) in
        try reader.trunkNetwork(text)
    }
}

extension SettingForm where Value == SocketAddress {
    private init(
        _ text:
            @escaping @Sendable (any SettingText.Type, String) throws(ValueError)
            -> SocketAddress
    ) {
        self.init(
            one: "ADDRESS:PORT, over UDP", many: "of ADDRESS:PORT, over UDP",
            write: { $1.address($0) },
            read: { reader, name throws(WireError) in try reader.reachable(name) }, text: text)
    }

    /// The address of an Asterisk.
    static let server = SettingForm { reader, text throws(ValueError) in try reader.server(text) }

    /// The address of a trunk's server.
    static let trunkServer = SettingForm { reader, text throws(ValueError) in
        try reader.trunkServer(text)
    }
}

extension SettingForm where Value == ServerName {
    /// A server that is reached by TCP, by its name or address; without a port it is the one given.
    static func tcpServer(port: UInt16) -> SettingForm {
        SettingForm(
            one: "HOST:PORT, a name or an address", many: "of HOST:PORT",
            write: { $1.string("\($0)") },
            read: { reader, name throws(WireError) in
                let text = try reader.string(name, limit: Bounds.longestDomain + 8)
                guard let server = ServerName(text, defaultPort: port) else {
                    throw .badValue(name)
                }
                return server
            },
            text: { reader, text throws(ValueError) in
                try reader.tcpServer(text, port: port)
            })
    }
}

extension SettingForm where Value == Endpoint {
    /// An endpoint of one of these transports.
    private init(
        _ transports: [Transport], one: String, many: String,
        text: @escaping @Sendable (any SettingText.Type, String) throws(ValueError) -> Endpoint
    ) {
        self.init(
            one: one, many: many, write: { $1.endpoint($0) },
            read: { reader, name throws(WireError) in
                let endpoint = try reader.endpoint()
                guard transports.contains(endpoint.transport) else { throw .badValue(name) }
                return endpoint
            },
            text: text)
    }

    /// An endpoint toward the Asterisks.
    static let inside = SettingForm(
        [.udp, .tcp], one: "udp:// or tcp://ADDRESS:PORT", many: "of udp:// or tcp://ADDRESS:PORT",
        text: { reader, text throws(ValueError) in try reader.inside(text) })

    /// A trunk's own socket toward the Asterisks.
    static let trunkInside = SettingForm(
        [.udp], one: "udp://ADDRESS:PORT", many: "of udp://ADDRESS:PORT",
        text: { reader, text throws(ValueError) in try reader.trunkInside(text) })
}

extension SettingForm where Value == OutsideEndpoint {
    /// An endpoint toward the Internet, behind NAT with the address that is seen there.
    static let outside = SettingForm(
        one: "udp://, tcp:// or tls://ADDRESS:PORT, behind NAT with `as ADDRESS`",
        many: "of udp://, tcp:// or tls://ADDRESS:PORT, behind NAT with `as ADDRESS`",
        write: { outside, writer in
            writer.advertised(outside.advertised)
            writer.endpoint(outside.endpoint)
        },
        read: { reader, _ throws(WireError) in
            let advertised = try reader.advertised()
            let endpoint = try reader.endpoint()
            guard advertised.map({ $0.ip.isV4 == endpoint.address.ip.isV4 }) ?? true else {
                throw .badValue("advertised")
            }
            return OutsideEndpoint(endpoint, advertised: advertised)
        },
        text: { reader, text throws(ValueError) in try reader.outside(text) })
}

extension SettingForm where Value == OpenHours {
    /// Days and hours.
    static let hours = SettingForm(
        one: "DAYS HH:MM-HH:MM", many: "of DAYS HH:MM-HH:MM",
        write: { hours, writer in
            writer.u8(hours.days)
            writer.u16(hours.from)
            writer.u16(hours.to)
        },
        read: { reader, name throws(WireError) in
            let hours = OpenHours(
                days: try reader.u8(), from: try reader.u16(), to: try reader.u16())
            guard hours.days != 0, hours.days < 128, hours.from < hours.to, hours.to <= 1440
            else { throw .badValue(name) }
            return hours
        },
        text: { reader, text throws(ValueError) in try reader.hours(text) })
}
