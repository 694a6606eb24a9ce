// One name's way through ARI: its endpoint first, then what that names.
internal import AsteriskFiles
internal import HTTP
internal import Messages

/// The look-up of a name, in two rounds of requests, each of which may stand in a batch with those of other names.
///
/// A name that nobody has costs as many requests as one with an auth and an address of record.
struct ARILookUp {
    private let query: LookUp
    private var endpoint: (id: String, object: ARIObject)?

    /// The id of the endpoint that there is; nil when there is none.
    var endpointID: String? { endpoint?.id }

    /// How many items of a comma list are followed.
    private static let listLimit = 8

    /// A look-up that has asked nothing yet.
    init(_ query: LookUp) { self.query = query }

    /// What is asked first: the endpoint `name@domain` for the served domains, and `name`.
    var first: [ARIName] { query.pjsipIds.map { ARIName("endpoint", $0) } }

    /// What is asked next: auths, the address of record, and whether Asterisk registers under the endpoint's name.
    var second: [ARIName] {
        let auths = self.auths
        return (auths.isEmpty ? [query.account] : auths).map { ARIName("auth", $0) }
            + [ARIName("aor", aor ?? query.account)]
            + [ARIName("registration", endpoint?.id ?? query.account)]
    }

    private var auths: [String] { list("auth") }
    private var aor: String? { PjsipAddress.chosen(list("aors"), preferring: query.pjsipIds) }

    private func list(_ name: String) -> [String] {
        Array((endpoint?.object.items(name) ?? []).prefix(Self.listLimit))
    }

    /// Takes the answers to `first`, in that order: the first endpoint there is counts.
    mutating func take(
        first results: [Result<HTTPAnswer, HTTPFailure>], _ asker: ARIAsker
    ) throws(ARIFailure) {
        for (name, result) in zip(first, results) {
            guard let object = try object(name, result, asker) else { continue }
            if endpoint == nil { endpoint = (name.id, object) }
            let acl = [object.value("acl"), object.value("contact_acl")].filter { !$0.isEmpty }
            query.steps?.remark(
                "auth=\(object.value("auth")) aors=\(object.value("aors"))"
                    + (acl.isEmpty ? "" : "; acl=\(acl.joined(separator: ","))"))
        }
    }

    /// The account, of the answers to `second`, in that order.
    func account(
        second results: [Result<HTTPAnswer, HTTPFailure>], _ asker: ARIAsker, realm: String,
        _ access: ARIAccessLists
    ) throws(ARIFailure) -> ReadAccount {
        let names = second
        var credentials = Credentials(user: query.account, boundRealm: query.ownRealm)
        for (name, result) in zip(names, results).dropLast(2) {
            let object = try object(name, result, asker)
            guard !auths.isEmpty else { continue }
            let read = object.map { secret($0, realm).credentials }
            query.steps?.remark(read?.words ?? PjsipSecret.missing)
            credentials.add(read)
        }
        let (ofAor, ofRegistration) = (names.count - 2, names.count - 1)
        let found = try object(names[ofAor], results[ofAor], asker)
        let address = PjsipAddress(
            id: aor, contacts: found.map { Int64($0.value("max_contacts")) ?? 0 })
        query.steps?.remark(address.words(hasEndpoint: endpoint != nil))
        let isRegistered =
            try object(names[ofRegistration], results[ofRegistration], asker) != nil
        if let endpoint, isTrunk(endpoint.object, isRegistered) {
            credentials = .ofTrunk(query)
        }
        let list = endpoint.map { access.list(of: $0.id, $0.object) } ?? AccessList()
        guard let list else { return .unavailable }
        return credentials.account(
            realm: query.realm, aor: found == nil ? query.account : aor ?? query.account,
            mayRegister: endpoint != nil && address.whyNotRegister == nil, access: list,
            table: asker.url, hasRow: endpoint != nil)
    }

    private func object(
        _ name: ARIName, _ result: Result<HTTPAnswer, HTTPFailure>, _ asker: ARIAsker
    ) throws(ARIFailure) -> ARIObject? {
        let object = try asker.object(name, result)
        if let steps = query.steps, case .success(let answer) = result {
            steps.add(
                "\(asker.url) \(name.type) \(name.id)", found: object != nil,
                microseconds: answer.microseconds)
        }
        return object
    }

    private func secret(_ auth: ARIObject, _ realm: String) -> PjsipSecret {
        let bound = auth.value("realm")
        return PjsipSecret(
            kind: auth.value("auth_type"), user: auth.value("username"),
            password: Array(auth.value("password").utf8), md5: Array(auth.value("md5_cred").utf8),
            digests: auth.items("password_digest"), realm: bound.isEmpty ? realm : bound)
    }

    private func isTrunk(_ endpoint: ARIObject, _ isRegistered: Bool) -> Bool {
        PjsipTrunk(
            isRegistered: isRegistered, hasAuth: !auths.isEmpty,
            isKnownOtherwise: !endpoint.value("outbound_auth").isEmpty,
            identifiers: endpoint.items("identify_by").map { Array($0.utf8) }
        ).isOne
    }
}

/// The access lists of endpoints, of which ARI tells no more than that there are some.
struct ARIAccessLists {
    /// How rules are read.
    let rules: AccessRules
    /// What Asterisk's files say, as far as it has told them.
    var files: AsteriskConfiguration?
    /// Whether they may be told yet.
    var areAwaited = false

    /// `default_realm` of the files' section of type=global; nil without one.
    var defaultRealm: String? {
        guard let realm = files?.pjsip.global?.value("default_realm"), !realm.isEmpty else {
            return nil
        }
        return realm.text
    }

    /// The list of an endpoint: nobody where its rules are not known, nil while they may be told yet.
    func list(of id: String, _ endpoint: ARIObject) -> AccessList? {
        let told = endpoint.value("acl") + endpoint.value("contact_acl")
        guard !told.isEmpty, rules.order != .ignore else { return AccessList() }
        guard !areAwaited else { return nil }
        let lines = files?.pjsip.endpoint(Array(id.utf8))?.access ?? []
        guard let files, !lines.isEmpty else { return .nobody }
        return rules.list(lines, files.accessLists)
    }

    /// What to do about an account whose list is not known.
    static func remedy(hasManager: Bool) -> String {
        hasManager
            ? "Asterisk's pjsip.conf does not have its permit, deny and acl, or they cannot be read there: read its"
                + " accounts where they are (odbc:// or sqlite://), or set accounts.acl-order to ignore"
            : "ARI does not tell the rules of permit, deny and acl: set accounts.ami, or accounts.acl-order to ignore"
    }
}
