// extconfig.conf and sorcery.conf: which of Asterisk's tables stand in databases, and where PJSIP's objects come from.

/// A line of extconfig.conf: a table of Asterisk's, and where it stands.
package struct RealtimeMapping: Equatable, Sendable {
    /// The table's name in Asterisk, such as `sippeers` or `ps_endpoints`, or that of a file that a database has.
    package let family: [UInt8]
    /// The driver: `odbc`, `pgsql`, `mysql`, `sqlite3` and others, as it stands.
    package let engine: [UInt8]
    /// What the driver calls its database: a class of res_odbc.conf, a section of its own file; `pgsql` ignores it.
    package let database: [UInt8]
    /// The table's name in the database; the family's when the line has none.
    package let table: [UInt8]
    /// The order in which Asterisk asks several, from 1.
    package let priority: Int
    /// Where the line stands.
    package let place: Place
}

/// extconfig.conf.
package struct RealtimeMap: Sendable {
    /// How much of a line Asterisk looks at, in bytes.
    private static let longest = 511
    /// What Asterisk maps to no database.
    private static let never: [StaticString] = ["extconfig.conf", "asterisk.conf", "logger.conf"]

    /// The lines in order, without those that Asterisk does not understand.
    package private(set) var mappings: [RealtimeMapping] = []

    /// No line.
    init() {}

    /// The section `settings`.
    init(_ file: Configuration, _ folder: inout AsteriskFolder) {
        for variable in file.section("settings")?.variables ?? [] {
            if let mapping = Self.mapping(variable) {
                mappings.append(mapping)
            } else {
                folder.note(
                    Finding(
                        .ignored, at: variable.place,
                        "the line has no form such as FAMILY => odbc,CLASS,TABLE, and names no database"
                    ))
            }
        }
    }

    /// The mappings of a family in the order in which Asterisk asks them: priorities 1, 2 and on, up to the first
    /// that no line has; of two lines with one priority the later one.
    package func mappings(of family: some Collection<UInt8>) -> [RealtimeMapping] {
        var found: [RealtimeMapping] = []
        while let next = mappings.last(where: {
            $0.priority == found.count + 1 && $0.family.isSpelled(family)
        }) { found.append(next) }
        return found
    }

    /// The line that says that a database has a file, or every file.
    func mapping(ofFile name: String) -> RealtimeMapping? {
        mappings(of: Array(name.utf8)).first ?? mappings(of: [UInt8](of: "global")).first
    }

    private static func mapping(_ variable: Variable) -> RealtimeMapping? {
        let value = variable.value.prefix(longest)
        let comma = UInt8(ascii: ",")
        let quote = UInt8(ascii: "\"")
        guard let end = value.firstIndex(of: comma),
            !never.contains(where: { variable.name.elementsEqual([UInt8](of: $0)) })
        else { return nil }
        var rest = value[(end + 1)...]
        let database: ArraySlice<UInt8>
        if let begin = rest.firstIndex(of: quote) {
            rest = rest[(begin + 1)...]
            database = rest.prefix { $0 != quote }
            // What stands between the quotation and the next comma belongs to nothing.
            rest = rest[database.endIndex...].dropFirst().drop { $0 != comma }
        } else {
            database = rest.prefix { $0 != comma }
            rest = rest[database.endIndex...]
        }
        let parts = rest.dropFirst().split(
            separator: comma, omittingEmptySubsequences: false)
        // chan_sip's older name, in every Asterisk that has chan_sip.
        let isOld = variable.name.isSpelled("sipfriends")
        let family = isOld ? [UInt8](of: "sippeers") : variable.name
        let table = rest.isEmpty ? variable.name : Array(parts.first ?? [])
        return RealtimeMapping(
            family: family, engine: Array(value[..<end]), database: Array(database), table: table,
            priority: parts.count > 1 ? priority(parts[1]) : 1, place: variable.place)
    }

    /// A number as atoi(3) reads it; 1 for 0, and for what is none.
    private static func priority(_ text: ArraySlice<UInt8>) -> Int {
        let text = String(decoding: text.stripped, as: UTF8.self)
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "-" || $0 == "+") }
        let number = Int(digits) ?? 0
        return number == 0 ? 1 : number
    }
}

/// Where PJSIP's objects of one type come from, one of several in order.
package enum SorcerySource: Equatable, Sendable {
    /// A file, of which the sections count that have these variables.
    case file(String, [Criterion])
    /// A family of extconfig.conf.
    case realtime([UInt8])
    /// Something else, such as memory.
    case other([UInt8])

    /// A variable that a section must have: the first one of its name decides.
    package struct Criterion: Equatable, Sendable {
        /// Its name.
        package let name: [UInt8]
        /// Its value, to the letter.
        package let value: [UInt8]

        /// Whether a section has it.
        func isMet(_ section: Section) -> Bool {
            section.variables.first { $0.name.isSpelled(name) }?.value == value
        }
    }
}

/// sorcery.conf.
package struct SorceryMap: Sendable {
    private let file: Configuration?

    /// The file, or none.
    init(_ file: Configuration?) { self.file = file }

    /// Where the objects of a type come from, in the order in which Asterisk asks; without a line for the type,
    /// the sections of pjsip.conf with that type.
    ///
    /// The module is a section's name, such as `res_pjsip`.
    package func sources(_ type: StaticString, of module: StaticString) -> [SorcerySource] {
        let type = [UInt8](of: type)
        let mapped = (file?.section(module)?.variables ?? []).compactMap { variable in
            let name = variable.name.split(
                separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
            // A cache has no objects of its own.
            let isCache =
                name.count > 1 && String(decoding: name[1], as: UTF8.self).contains("cache")
            return name.first?.elementsEqual(type) == true && !isCache
                ? Self.source(variable.value) : nil
        }
        guard mapped.isEmpty else { return mapped }
        return [
            .file("pjsip.conf", [SorcerySource.Criterion(name: [UInt8](of: "type"), value: type)])
        ]
    }

    private static func source(_ value: [UInt8]) -> SorcerySource? {
        let parts = value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard let wizard = parts.first, !wizard.isEmpty else { return nil }
        let data = parts.dropFirst().first ?? []
        if wizard.elementsEqual("realtime".utf8) { return .realtime(Array(data)) }
        guard wizard.elementsEqual("config".utf8),
            let name = String(validating: data, as: UTF8.self), !name.isEmpty
        else { return .other(Array(wizard)) }
        let criteria = parts.dropFirst(2).compactMap { option -> SorcerySource.Criterion? in
            let words = option.split(
                separator: UInt8(ascii: "="), maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count == 3, words[0].isSpelled("criteria") else { return nil }
            return SorcerySource.Criterion(name: Array(words[1]), value: Array(words[2]))
        }
        return .file(name, criteria)
    }
}
