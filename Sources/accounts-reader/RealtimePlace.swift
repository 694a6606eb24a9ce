// Where Asterisk's files say that Realtime has a driver's accounts.
internal import AsteriskFiles
internal import Messages

/// Where Realtime has the accounts of a channel driver.
enum RealtimePlace: Equatable {
    /// Nowhere: they are all in files.
    case none
    /// In an SQLite file, in tables of these names.
    case sqlite(path: String, TableNames)
    /// In a database server, in tables of these names.
    case server(ServerLogin, TableNames)
    /// Where they are not read: the sentence says why, and what to do.
    case unread(String)
}

extension RealtimePlace {
    /// Whether it is a server, which tells of no changes.
    var isServer: Bool { if case .server = self { true } else { false } }
}

extension AsteriskConfiguration {
    /// Whether sorcery.conf names Realtime before any file for PJSIP's endpoints.
    var asksRealtimeFirst: Bool {
        if case .realtime? = sorcery.sources("endpoint", of: "res_pjsip").first {
            true
        } else {
            false
        }
    }

    /// Whether an endpoint of pjsip.conf is the one that Asterisk takes: nothing else is asked before that file.
    var hasPjsipConfFirst: Bool {
        if case .file("pjsip.conf", _)? = sorcery.sources("endpoint", of: "res_pjsip").first {
            true
        } else {
            false
        }
    }

    /// What of a driver's Realtime Asterisk asks too and Rempart does not, each with its place.
    func further(of driver: Driver) -> [String] {
        families(of: driver).flatMap { _, name in
            (name.map { realtime.mappings(of: $0) } ?? []).dropFirst()
        }.map {
            "\($0.place): Rempart asks the database of the first priority alone: have all accounts there"
        }
    }

    /// Where Realtime has the accounts of a driver.
    func realtimePlace(of driver: Driver) -> RealtimePlace { realtimePlace(families(of: driver)) }

    /// The families of a driver, the first of which has the accounts themselves, with their names in extconfig.conf.
    private func families(of driver: Driver) -> [(AccountFamily, [UInt8]?)] {
        switch driver {
        case .chanSip: [(.sippeers, AccountFamily.sippeers.bytes)]
        case .pjsip:
            [(.endpoints, family("endpoint")), (.auths, family("auth")), (.aors, family("aor"))]
        }
    }

    /// The family of extconfig.conf that sorcery.conf names for a type; nil when a file alone has it.
    private func family(_ type: StaticString) -> [UInt8]? {
        sorcery.sources(type, of: "res_pjsip").lazy.compactMap { source in
            if case .realtime(let family) = source { family } else { nil }
        }.first
    }

    /// The one place of families, the first of which has the accounts themselves.
    private func realtimePlace(_ families: [(AccountFamily, [UInt8]?)]) -> RealtimePlace {
        let mapped = families.map { family, name in
            (family, name.flatMap { realtime.mappings(of: $0).first })
        }
        // Asterisk has none of a family that extconfig.conf does not map.
        guard let first = mapped.first?.1 else { return .none }
        var names = TableNames()
        for (family, mapping) in mapped {
            guard let mapping, mapping.isBeside(first) else {
                return .unread(
                    "\(first.place): the accounts are in a database and what belongs to them is not in the same one,"
                        + " which Rempart does not read: map \(family.rawValue) there too")
            }
            let table = mapping.table.text
            guard Bounds.isTable(table) else {
                return .unread(
                    "\(mapping.place): the table's name has other letters than Rempart takes: make a view of it"
                )
            }
            names[family] = table
        }
        return place(first, names)
    }

    private func place(_ mapping: RealtimeMapping, _ families: TableNames) -> RealtimePlace {
        var names = families
        // The lists that have names, where they are in the same database.
        let lists = realtime.mappings(of: AccountFamily.accessLists.bytes).first
        if let lists, lists.isBeside(mapping), Bounds.isTable(lists.table.text) {
            names[.accessLists] = lists.table.text
        }
        let section = "no section [\(mapping.database.shown)]"
        switch mapping.engine.folded {
        case Array("sqlite3".utf8):
            let file = databases.sqlite.last { $0.name == mapping.database }
            guard let path = file.flatMap({ String(validating: $0.path, as: UTF8.self) }),
                path.hasPrefix("/")
            else {
                return lacks(
                    "res_config_sqlite3.conf has \(section) with the absolute path of a file as dbfile",
                    mapping)
            }
            return .sqlite(path: path, names)
        case Array("odbc".utf8):
            guard let odbc = databases.odbc.last(where: { $0.name == mapping.database }) else {
                return lacks("res_odbc.conf has \(section) that is enabled and has a dsn", mapping)
            }
            return .server(ServerLogin(odbc), names)
        case Array("mysql".utf8):
            // Of two names with a slash between them the first is that of the database that is read.
            let name = mapping.database.prefix { $0 != UInt8(ascii: "/") }
            guard let login = databases.mysql.last(where: { $0.name.elementsEqual(name) }) else {
                return lacks("res_config_mysql.conf has \(section)", mapping)
            }
            return .server(ServerLogin(mysql: login), names)
        case Array("pgsql".utf8):
            guard let login = databases.pgsql else {
                return lacks("res_pgsql.conf has no section [general]", mapping)
            }
            return .server(ServerLogin(pgsql: login), names)
        default:
            return .unread(
                "\(mapping.place): Asterisk has accounts in a database by its driver \(mapping.engine.shown),"
                    + " which Rempart cannot read: they serve nobody here")
        }
    }

    private func lacks(_ what: String, _ mapping: RealtimeMapping) -> RealtimePlace {
        .unread("\(mapping.place): \(what): correct it")
    }
}

extension RealtimeMapping {
    /// Whether another one is in the same database; `pgsql` has one, whatever its name.
    fileprivate func isBeside(_ other: RealtimeMapping) -> Bool {
        engine.folded == other.engine.folded
            && (database == other.database || engine.isSpelled("pgsql"))
    }
}

extension AccountFamily {
    /// Its name in extconfig.conf.
    fileprivate var bytes: [UInt8] { Array(rawValue.utf8) }
}
