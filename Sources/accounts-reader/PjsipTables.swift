// PJSIP's accounts: a row of `ps_endpoints` each, which names rows of `ps_auths` and `ps_aors`.
internal import Messages

/// PJSIP's `ps_endpoints`, `ps_auths` and `ps_aors`.
struct PjsipTables {
    /// The columns that were found.
    let columns: TableColumns
    private let endpoint: KeyedStatement
    private let auth: KeyedStatement
    private let aor: KeyedStatement
    private let access: AccessTables

    private struct Endpoint {
        var auths: [String]
        var aors: [String]
        var isTrunk: Bool
        var access: [String]
    }

    /// How many items of a comma list are followed.
    private static let listLimit = 8

    /// The columns of `ps_auths` that are read beside the id.
    private static let wantedOfAuths = [
        "auth_type", "username", "password", "md5_cred", "realm", "password_digest",
    ]

    /// The columns of `ps_endpoints` that tell another exchange from a phone, where they are there.
    private static let wantedOfTrunks = ["outbound_auth", "identify_by"]

    /// Prepares the statements; throws when a column they cannot do without is missing.
    init(
        _ database: any RealtimeDatabase, _ columns: TableColumns, _ rules: AccessRules
    ) throws {
        self.columns = columns
        try columns.requireReadable(
            .endpoints, ["id", "auth", "aors"] + Self.wantedOfTrunks, in: database)
        try columns.requireReadable(.auths, ["id"] + Self.wantedOfAuths, in: database)
        try columns.requireReadable(.aors, ["id", "max_contacts"], in: database)
        access = try AccessTables(database, columns, of: .endpoints, rules)
        try columns.require(.endpoints, ["id", "auth", "aors"])
        try columns.require(
            .auths, ["id", "username"], oneOf: ["password", "md5_cred", "password_digest"])
        try columns.require(.aors, ["id", "max_contacts"])
        endpoint = try columns.select(
            ["auth", "aors"] + Self.wantedOfTrunks + access.names, from: .endpoints, key: "id",
            in: database)
        auth = try columns.select(Self.wantedOfAuths, from: .auths, key: "id", in: database)
        aor = try columns.select(["max_contacts"], from: .aors, key: "id", in: database)
    }

    /// The account of a name: the endpoint `name@domain` for a served domain, else `name`.
    ///
    /// An unknown name costs the same statements: its lists stand for one item each.
    func lookUp(_ query: LookUp) throws(RealtimeError) -> ReadAccount {
        let ids = query.pjsipIds
        var found: Endpoint?
        for id in ids {
            let row = try endpoint.first(id, query.steps) { row in
                let auths = Self.list(row.text(0))
                let trunk = PjsipTrunk(
                    isRegistered: false, hasAuth: !auths.isEmpty,
                    isKnownOtherwise: !row.text(2).isEmpty,
                    identifiers: Self.list(row.text(3)).map { Array($0.utf8) })
                return Endpoint(
                    auths: auths, aors: Self.list(row.text(1)), isTrunk: trunk.isOne,
                    access: access.texts(row, from: 4))
            }
            if let row {
                query.steps?.remark(
                    "auth=\(row.auths.joined(separator: ",")) aors=\(row.aors.joined(separator: ","))"
                )
            }
            found = found ?? row
        }
        var credentials = try credentials(found?.auths ?? [], query)
        if found?.isTrunk == true {
            credentials = .ofTrunk(query)
        }
        let aor = try address(found?.aors, preferring: ids, query)
        return credentials.account(
            realm: query.realm, aor: aor?.id ?? query.account,
            mayRegister: aor?.mayRegister ?? false,
            access: try access.list(found?.access ?? [], query.steps),
            table: columns.names[.endpoints], hasRow: found != nil)
    }

    /// The first of the auths that can be used, completed by those for the same user.
    private func credentials(
        _ ids: [String], _ query: LookUp
    ) throws(RealtimeError) -> Credentials {
        var result = Credentials(user: query.account, boundRealm: query.ownRealm)
        for id in ids.isEmpty ? [query.account] : ids {
            let read = try auth.first(id, query.steps) { Self.credentials($0, query) }
            if let read { query.steps?.remark(read.words) }
            guard !ids.isEmpty else { continue }
            if read == nil { query.steps?.remark(PjsipSecret.missing) }
            result.add(read)
        }
        return result
    }

    /// What one row of `ps_auths` holds.
    private static func credentials(_ row: RealtimeRow, _ query: LookUp) -> Credentials {
        let realm = row.text(4)
        return PjsipSecret(
            kind: row.text(0), user: row.text(1), password: row.plain(2), md5: row.bytes(3),
            digests: list(row.text(5)), realm: realm.isEmpty ? query.ownRealm : realm
        ).credentials
    }

    /// The address of record that is registered for the account, and whether it may be; `ids` is nil without an endpoint.
    private func address(
        _ ids: [String]?, preferring names: [String], _ query: LookUp
    ) throws(RealtimeError) -> (id: String, mayRegister: Bool)? {
        let id = PjsipAddress.chosen(ids ?? [], preferring: names)
        let contacts = try aor.first(id ?? query.account, query.steps) { $0.integer(0) }
        let address = PjsipAddress(id: id, contacts: contacts)
        query.steps?.remark(address.words(hasEndpoint: ids != nil))
        guard let id, contacts != nil else { return nil }
        return (id, address.whyNotRegister == nil)
    }

    /// The items of a comma list, without the blanks around them.
    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").prefix(listLimit)
            .map { item in
                let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
                return String(
                    item.drop(while: blank).reversed().drop(while: blank).reversed())
            }
            .filter { !$0.isEmpty }
    }
}
