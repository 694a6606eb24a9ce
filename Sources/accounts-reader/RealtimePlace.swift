// Where Asterisk's files say that Realtime has a driver's accounts.
internal import AsteriskFiles
internal import Messages

/// Where Realtime has the accounts of a channel driver.
enum RealtimePlace: Equatable {
    /// Nowhere: they are all in files.
    case none
    /// In an SQLite file, in tables of these names.
    case sqlite(path: String, TableNames)
    /// Where they are not read: the sentence says why, and what to do.
    case unread(String)
}

extension AsteriskConfiguration {
    /// Where Realtime has the accounts of a driver.
    func realtimePlace(of driver: Driver) -> RealtimePlace {
        switch driver {
        case .chanSip:
            realtimePlace([(.sippeers, AccountFamily.sippeers.bytes)])
        case .pjsip:
            realtimePlace([
                (.endpoints, family("endpoint")), (.auths, family("auth")), (.aors, family("aor")),
            ])
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
            guard let mapping, mapping.engine == first.engine, mapping.database == first.database
            else {
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
        guard mapping.engine.isSpelled("sqlite3") else {
            return .unread(
                "\(mapping.place): Asterisk has accounts in a database by its driver \(mapping.engine.shown),"
                    + " which this version of Rempart cannot read: they serve nobody here")
        }
        let file = databases.sqlite.last { $0.name == mapping.database }
        guard let file, let path = String(validating: file.path, as: UTF8.self),
            path.hasPrefix("/")
        else {
            return .unread(
                "\(mapping.place): res_config_sqlite3.conf has no section [\(mapping.database.shown)] with the absolute"
                    + " path of a file as dbfile: correct it")
        }
        var names = families
        // The lists that have names, where they are in the same database.
        let lists = realtime.mappings(of: AccountFamily.accessLists.bytes).first
        if let lists, lists.engine == mapping.engine, lists.database == mapping.database,
            Bounds.isTable(lists.table.text)
        {
            names[.accessLists] = lists.table.text
        }
        return .sqlite(path: path, names)
    }
}

extension AccountFamily {
    /// Its name in extconfig.conf.
    fileprivate var bytes: [UInt8] { Array(rawValue.utf8) }
}
