internal import Messages
internal import Sys

/// How the text of each kind of value is read.
enum Value: SettingText {
    /// A host name (RFC 1123, section 2.1) or an IP address, in lower case.
    static func domain(_ text: String) throws(ValueError) -> String {
        let name = text.lowercased()
        if name.hasPrefix("["), name.hasSuffix("]") {
            guard let ip = IPAddress(name.dropFirst().dropLast()), !ip.isV4 else {
                throw ValueError("`\(text)` is not an IPv6 address in brackets")
            }
            return "[\(ip)]"
        }
        if name.contains(":") {
            throw ValueError(
                "`\(text)` is not a domain: give a host name without scheme or port, such as"
                    + " `sip.example.com`; an IPv6 address stands in brackets and quotes")
        }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isName = name.utf8.count <= 253 && labels.allSatisfy(isLabel)
        // A name whose last label is a number is read as an IPv4 address (RFC 1123, section 2.1).
        let isNumeric = labels.last.map { $0.utf8.allSatisfy(isDigit) } ?? false
        guard isName, !isNumeric || IPAddress(name) != nil else {
            throw ValueError("`\(text)` is not a domain, such as `sip.example.com`")
        }
        return name
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isLabel(_ label: Substring) -> Bool {
        let bytes = label.utf8
        return (1...63).contains(bytes.count) && bytes.first != UInt8(ascii: "-")
            && bytes.last != UInt8(ascii: "-")
            && bytes.allSatisfy { byte in
                isDigit(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "-")
            }
    }

    /// "udp://203.0.113.5:5060"; without a port, SIP's own (RFC 3261, section 19.1.2).
    static func endpoint(_ text: String) throws(ValueError) -> Endpoint {
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw ValueError(
                "`\(text)` lacks its transport: write `udp://\(text)`, `tcp://...` or `tls://...`")
        }
        let names = Transport.allCases.map(\.name)
        let transport = Transport.allCases[try word(String(parts[0]), of: names, "transport")]
        let port: UInt16 = transport == .tls ? 5061 : 5060
        return Endpoint(transport, try address(parts[1], port: port, mayBeEvery: true))
    }

    /// An endpoint, and behind `as` the address by which a NAT before this machine has it, with the port of the
    /// endpoint when it names none.
    static func outside(_ text: String) throws(ValueError) -> OutsideEndpoint {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard let first = words.first, words.count > 1 else {
            return OutsideEndpoint(try endpoint(text))
        }
        let bound = try endpoint(String(first))
        guard words[1] == "as", words.count == 3 else {
            throw ValueError(
                "`\(text)` is not an endpoint, such as `\(bound)`, or one behind NAT, such as"
                    + " `\(bound) as 203.0.113.5`")
        }
        let shown = String(words[2])
        guard !isName(shown) else {
            throw ValueError(
                "`\(shown)` is a name, which a later version will look up: write the address that"
                    + " the Internet sees")
        }
        let advertised = try address(shown, port: bound.address.port)
        guard advertised.ip.isV4 == bound.address.ip.isV4 else {
            throw ValueError(
                "`\(shown)` is not of the family of `\(bound)`: an IPv4 address is seen as an IPv4"
                    + " one, an IPv6 address as an IPv6 one")
        }
        return OutsideEndpoint(bound, advertised: advertised)
    }

    /// An endpoint toward the Asterisks, which have no TLS.
    static func inside(_ text: String) throws(ValueError) -> Endpoint {
        let endpoint = try endpoint(text)
        guard endpoint.transport != .tls else {
            throw ValueError("tls is for outside: inside is udp or tcp")
        }
        return endpoint
    }

    /// The address of an Asterisk; without a port, SIP's own.
    static func server(_ text: String) throws(ValueError) -> SocketAddress {
        try address(text, port: 5060)
    }

    /// Whether a text is a host name with or without a port, rather than an address that is mistyped.
    private static func isName(_ text: String) -> Bool {
        let parts = text.lowercased().split(separator: ":", omittingEmptySubsequences: false)
        guard let name = parts.first,
            parts.count == 1 || parts.count == 2 && UInt16(parts[1]) != nil
        else { return false }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy(isLabel) && labels.last?.utf8.allSatisfy(isDigit) == false
    }

    /// An address of one host and a port from 1 to 65,535; `mayBeEvery` takes 0.0.0.0 and [::] as well, where
    /// somebody listens.
    static func address(
        _ text: some StringProtocol, port: UInt16, mayBeEvery: Bool = false
    ) throws(ValueError) -> SocketAddress {
        guard let address = SocketAddress(text, defaultPort: port) else {
            throw ValueError(
                "`\(text)` is not an IP address with a port from 1 to 65535, such as"
                    + " `203.0.113.5:5060` or `[2001:db8::5]:5060`")
        }
        guard address.port > 0 else { throw ValueError("port 0 in `\(text)`: it is 1 to 65535") }
        // Nobody can be called at "every address".
        guard mayBeEvery || !address.ip.isUnspecified else {
            throw ValueError("`\(text)` stands for every address: name the one to use")
        }
        guard !address.ip.isMulticast else {
            throw ValueError("`\(text)` is the address of many hosts: name that of one")
        }
        // A link-local IPv6 address means nothing without its link, which SIP cannot write.
        guard address.ip.isV4 || !address.ip.isLinkLocal else {
            throw ValueError(
                "`\(text)` holds on one link alone: name an address that has no link, such as"
                    + " `[2001:db8::5]:5060`")
        }
        return address
    }

    /// The schemes of sources that lie in the file system, each with the path of an example.
    private static let sources = [
        (scheme: "sqlite", path: "/var/lib/asterisk/realtime.sqlite3"),
        (scheme: "asterisk", path: "/etc/asterisk"),
        (scheme: "freepbx", path: "/etc/freepbx.conf"),
    ]

    /// What is read.
    private static let readSources =
        "this version reads asterisk:///FOLDER, ari://HOST:PORT, ari+https://HOST:PORT, sqlite:///PATH,"
        + " odbc://DSN and freepbx:///FILE"

    /// The URL of a source this version can read.
    static func source(_ text: String, atMost limit: Int) throws(ValueError) -> String {
        if let scheme = ["ari", "ari+https"].first(where: { text.hasPrefix("\($0)://") }) {
            guard ARIServers(text) != nil else {
                // What stands there may be a password.
                throw ValueError(
                    "\(scheme):// names no Asterisk: an address or a name, or 2 to"
                        + " \(ARIServers.most) of them with commas between, each with a port or without, and nothing"
                        + " behind them, such as"
                        + " `\(scheme)://10.0.0.10:8088`; the login stands in accounts.user and"
                        + " accounts.secret-file")
            }
            return try bounded(text, limit)
        }
        if text.hasPrefix("odbc://") {
            guard Bounds.isDataSource(text.dropFirst("odbc://".count)) else {
                // What stands there may be a password.
                throw ValueError(
                    "odbc:// names no DSN: 1 to \(Bounds.longestDataSource) letters, digits, blanks, `_`, `-`"
                        + " and `.`, as a section of /etc/odbc.ini is called, such as `odbc://asterisk`"
                )
            }
            return text
        }
        guard let (scheme, path) = sources.first(where: { text.hasPrefix("\($0.scheme)://") })
        else {
            // The scheme alone: behind it a password may stand, and this goes into the journal.
            let scheme = text.prefix { $0 != ":" }
            throw ValueError("`\(scheme)` is no source of accounts: \(readSources)")
        }
        let head = "\(scheme):///"
        guard text.hasPrefix(head), text.utf8.count > head.utf8.count else {
            throw ValueError(
                "\(scheme):// names no absolute path: three slashes, as in `\(scheme)://\(path)`")
        }
        return try bounded(text, limit)
    }

    /// A server that is reached by TCP, by its name or address.
    static func tcpServer(_ text: String, port: UInt16) throws(ValueError) -> ServerName {
        guard let server = ServerName(text, defaultPort: port) else {
            throw ValueError(
                "`\(text)` is not a host with a port from 1 to 65535, such as `10.0.0.10:\(port)` or"
                    + " `pbx.example.com:\(port)`")
        }
        return server
    }

    /// The name of a table.
    static func table(_ text: String) throws(ValueError) -> String {
        guard Bounds.isTable(text) else {
            throw ValueError(
                "`\(text)` is not the name of a table: 1 to \(Bounds.longestTable) letters, digits,"
                    + " `_` and `.`, such as `sip_buddies`; what begins with `sqlite_` is SQLite's"
                    + " own")
        }
        return text
    }

    /// A statement that finds an account, without the blanks and line ends around it.
    static func query(_ text: String) throws(ValueError) -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0.isNewline }
        let inner = text.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        let query = String(inner)
        guard Bounds.beginsAsQuery(query) else {
            throw ValueError("a query begins with SELECT or WITH")
        }
        guard !query.utf8.contains(UInt8(ascii: ";")) else {
            throw ValueError(
                "a query is one statement: leave out `;`, also at its end and in quotes")
        }
        let marks = query.utf8.count { $0 == UInt8(ascii: "?") }
        guard marks == 1 else {
            throw ValueError(
                "a query has one `?`, which stands for the account's name, and this one has \(marks): one in quotes"
                    + " counts too")
        }
        guard query.utf8.count <= Bounds.longestQuery else {
            throw ValueError("longer than \(Bounds.longestQuery) bytes")
        }
        guard Bounds.isQuery(query) else {
            throw ValueError("control characters other than line ends are not allowed here")
        }
        return query
    }

    /// The absolute path of a file.
    static func path(_ text: String, atMost limit: Int) throws(ValueError) -> String {
        guard text.hasPrefix("/") else {
            throw ValueError("`\(text)` is not an absolute path: it begins with `/`")
        }
        return try bounded(text, limit)
    }

    /// A text that stands in a quoted-string of a SIP header without escapes.
    static func realm(_ text: String, atMost limit: Int) throws(ValueError) -> String {
        guard !text.isEmpty, !text.contains("\""), !text.contains("\\") else {
            throw ValueError("a realm is not empty and holds no `\"` and no `\\`")
        }
        return try bounded(text, limit)
    }

    /// A text that stands in a connection string as it is.
    static func login(_ text: String, atMost limit: Int) throws(ValueError) -> String {
        guard !text.isEmpty, !text.contains(where: ";{}".contains) else {
            throw ValueError("a login is not empty and holds no `;`, `{` and `}`")
        }
        return try bounded(text, limit)
    }

    private static func bounded(_ text: String, _ limit: Int) throws(ValueError) -> String {
        guard text.utf8.count <= limit else { throw ValueError("longer than \(limit) bytes") }
        guard !text.unicodeScalars.contains(where: \.isTerminalControl) else {
            throw ValueError("control characters are not allowed here")
        }
        return text
    }

    /// Whether a text can be the name of an account as sip-router looks it up: a user part without its parameters,
    /// escapes and domain (RFC 3261 section 25.1).
    static func isAccountName(_ text: String) -> Bool {
        (1...Bounds.longestName).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar {
                case "0"..."9", "A"..."Z", "a"..."z": true
                default: signsOfAccounts.unicodeScalars.contains(scalar)
                }
            }
    }

    /// What stands in names of accounts beside letters and digits.
    static let signsOfAccounts = "-_.!~*'()&=+$,?/#"

    /// The name of an account.
    static func account(_ text: String, atMost limit: Int) throws(ValueError) -> String {
        guard (1...limit).contains(text.utf8.count) else {
            throw ValueError("`\(text)` is not a name of 1 to \(limit) bytes")
        }
        return text
    }

    /// The place of one of these words, which are names of a `what`.
    static func word(
        _ text: String, of words: [String], _ what: String
    ) throws(ValueError) -> Int {
        if let place = words.firstIndex(of: text) { return place }
        let last = words.last ?? ""
        let all =
            words.count > 1 ? words.dropLast().joined(separator: ", ") + " or \(last)" : last
        let hint = Spelling.nearest(to: text, among: words).map { "did you mean `\($0)`?" }
        throw ValueError("unknown \(what) `\(text)`; \(hint ?? "it is \(all)")")
    }

    /// A span of time within bounds.
    static func duration(
        _ text: String, in range: ClosedRange<Milliseconds>
    ) throws(ValueError) -> Milliseconds {
        guard let span = Milliseconds(duration: text) else {
            throw ValueError("`\(text)` is not a duration, such as `30s`, `5m`, `2h` or `1d`")
        }
        guard range.contains(span) else {
            throw ValueError("\(text) is out of range: \(range.text)")
        }
        return span
    }

    /// A whole number within bounds.
    static func count(_ text: String, in range: ClosedRange<UInt32>) throws(ValueError) -> UInt32 {
        guard text.utf8.allSatisfy(isDigit), !text.isEmpty else {
            throw ValueError("`\(text)` is not a whole number")
        }
        guard let count = UInt32(text), range.contains(count) else {
            throw ValueError(
                "\(text) is out of range: \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    /// A network in CIDR form, or one address.
    static func network(_ text: String) throws(ValueError) -> Network {
        guard let network = Network(text) else {
            throw ValueError(
                "`\(text)` is not a network, such as `192.0.2.0/24`, `2001:db8::/32` or one address"
            )
        }
        return network
    }

    /// The two letters of a country that there is (ISO 3166-1).
    static func country(_ text: String) throws(ValueError) -> String {
        guard text.utf8.count == 2, text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
            throw ValueError("`\(text)` is not a country code: two capital letters, such as `FR`")
        }
        guard CountryCodes.all.contains(text) else {
            let hint = CountryCodes.meant(by: text).map { "did you mean `\($0)`?" }
            throw ValueError(
                "no country has the code `\(text)`; "
                    + (hint ?? "the codes are those of ISO 3166-1, such as `GB`"))
        }
        return text
    }

    /// true or false.
    static func truth(_ text: String) throws(ValueError) -> Bool {
        guard let truth = Bool(text) else { throw ValueError("`\(text)` is not true or false") }
        return truth
    }
}
