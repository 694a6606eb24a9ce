// The accounts of one state of Asterisk's own files.
internal import AsteriskFiles
internal import Messages

/// The accounts that one reading of Asterisk's files has.
struct FileAccounts {
    /// What was read.
    let files: AsteriskConfiguration
    /// Whose accounts they are.
    let driver: AsteriskConfiguration.Driver
    /// Where Realtime has others.
    let realtime: RealtimePlace
    /// How access lists are read.
    let rules: AccessRules
    /// Whether Asterisk asks Realtime before the files, by the order of sorcery.conf.
    let asksRealtimeFirst: Bool
    /// What of Realtime is not asked, and where it stands.
    let further: [String]
    /// The file that accounts are in when no other is named.
    private let file: String
    /// The names that a message can tell, in the order of their bytes.
    private let names: [[UInt8]]
    /// The endpoints that are found by addresses.
    private let byAddress: Set<[UInt8]>

    /// The accounts that a reading has; throws when it has some of both drivers and the settings do not choose.
    init(
        _ files: AsteriskConfiguration, _ settings: AccountSettings, folder: String
    ) throws(AccountTablesError) {
        self.files = files
        rules = settings.access
        byAddress = Set(files.pjsip.identifies.map(\.endpoint))
        let trunks = byAddress
        let endpoints = files.pjsip.endpoints.filter { !files.pjsip.isTrunk($0, trunks) }.map(\.id)
        let peers = files.chanSip.peers.filter { !$0.isTrunk }.map(\.name)
        let (ofPjsip, ofChanSip) =
            (files.realtimePlace(of: .pjsip), files.realtimePlace(of: .chanSip))
        let hasPjsip = !endpoints.isEmpty || ofPjsip != .none
        let hasChanSip = !peers.isEmpty || ofChanSip != .none
        switch settings.schema {
        case .chanSip: driver = .chanSip
        case .pjsip: driver = .pjsip
        case .automatic:
            guard !hasPjsip || !hasChanSip else {
                throw .layout(
                    "both chan_sip (sip.conf, users.conf) and PJSIP (pjsip.conf) have accounts in \(folder):"
                        + " set accounts.schema to the one that phones use, chan_sip or pjsip")
            }
            driver = hasChanSip ? .chanSip : .pjsip
        }
        realtime = driver == .pjsip ? ofPjsip : ofChanSip
        asksRealtimeFirst = driver == .pjsip && files.asksRealtimeFirst
        further = files.further(of: driver)
        file = "\(folder)/\(driver == .pjsip ? "pjsip.conf" : "sip.conf")"
        names = (driver == .pjsip ? endpoints : peers)
            .filter { name in
                (1...Bounds.longestName).contains(name.count)
                    && String(validating: name, as: UTF8.self) != nil
            }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The drivers whose files are read for a setting.
    static func drivers(_ schema: AccountSchema) -> Set<AsteriskConfiguration.Driver> {
        switch schema {
        case .automatic: [.pjsip, .chanSip]
        case .chanSip: [.chanSip]
        case .pjsip: [.pjsip]
        }
    }

    /// The layout's name in the settings.
    var layout: String {
        (driver == .pjsip ? AccountSchema.pjsip : AccountSchema.chanSip).name
    }

    /// Whether no file has an account.
    var isEmpty: Bool { names.isEmpty }

    /// The names after one, at most so many.
    func names(after name: String, limit: Int) -> [String] {
        let name = Array(name.utf8)
        return names.lazy.filter { name.lexicographicallyPrecedes($0) }.prefix(limit).map(\.text)
    }

    /// What the files say of a name.
    func lookUp(_ query: LookUp) -> ReadAccount {
        driver == .pjsip ? lookUpEndpoint(query) : lookUpPeer(query)
    }

    /// What the files say of the names of queries, in their order.
    func lookUp(
        _ queries: [AccountQuery], _ settings: AccountSettings, _ steps: TraceSteps?
    ) -> [ReadAccount] {
        queries.map { lookUp(LookUp($0, settings, steps)) }
    }

    /// What a database says of a name, unless Asterisk registers there by a section of a file: that is a trunk.
    func withoutTrunks(_ read: ReadAccount, _ name: String) -> ReadAccount {
        guard driver == .pjsip, read.answer != .unavailable, read.why != .noRow,
            files.pjsip.registered.contains(Array(name.utf8))
        else { return read }
        return ReadAccount(
            answer: .unknown, source: read.source, version: read.version, why: .trunk)
    }

    /// Why the reading before this one is to serve on; nil when this one may.
    ///
    /// Who moves a file away, empties it to write it anew, or slips in extconfig.conf, means to end nobody's account.
    func loss(since old: FileAccounts) -> String? {
        if isEmpty, !old.isEmpty {
            return
                "no file has an account any more, such as \(file): put them back. `systemctl restart rempart` takes"
                + " the files as they are"
        }
        guard case .unread(let why) = realtime, old.realtime != .none else { return nil }
        if case .unread = old.realtime { return nil }
        return why
    }

    /// Whether what Realtime has is to be read as with another reading.
    func hasSameRealtime(as other: FileAccounts) -> Bool {
        realtime == other.realtime && driver == other.driver
            && files.accessLists == other.files.accessLists && realm("") == other.realm("")
    }

    /// The realm of hashes that name none: that of the section `general` or `global`, else a standard one.
    func realm(_ standard: String) -> String {
        let named =
            driver == .pjsip
            ? files.pjsip.global?.value("default_realm") : files.chanSip.general?.value("realm")
        guard let named, !named.isEmpty else { return standard }
        return named.text
    }

    /// Looks for something in what was read, which is told as a step with its place.
    private func find<Value>(
        _ what: @autoclosure () -> String, _ query: LookUp, _ place: (Value) -> Place,
        _ find: () -> Value?
    ) -> Value? {
        guard let steps = query.steps else { return find() }
        let begin = ContinuousClock.now
        let value = find()
        steps.add(
            value.map { "\(place($0)) \(what())" } ?? what(), found: value != nil, since: begin)
        return value
    }
}

// MARK: chan_sip

extension ChanSipPeer {
    /// Whether it is another exchange: phones tell where they are.
    fileprivate var isTrunk: Bool { isCalled && !isDynamic }

    /// What chan_sip lets its phones do.
    fileprivate var abilities: ChanSipAbilities {
        let type = mayCall ? (isCalled ? "friend" : "user") : "peer"
        return ChanSipAbilities(
            type: type, host: isDynamic ? "dynamic" : "fixed", isDynamic: isDynamic)
    }
}

extension FileAccounts {
    private func lookUpPeer(_ query: LookUp) -> ReadAccount {
        let peer = find("[\(query.account)]", query, \.place) {
            files.chanSip.peer(Array(query.account.utf8))
        }
        var credentials = Credentials(
            user: query.account, boundRealm: realm(query.ownRealm))
        if let peer {
            query.steps?.remark(peer.abilities.words)
            if peer.isTrunk {
                credentials.want = .trunk
            } else {
                credentials.setChanSip(secret: peer.secret, md5: peer.md5Secret)
            }
        }
        return credentials.account(
            realm: query.realm, aor: query.account,
            mayRegister: peer.map { $0.abilities.whyNotRegister == nil } ?? false,
            access: rules.list(peer?.access ?? [], files.accessLists),
            table: peer.map { "\($0.place)" } ?? file, hasRow: peer != nil)
    }
}

// MARK: PJSIP

extension PjsipConfiguration {
    /// Whether an endpoint is another exchange; some endpoints are found `byAddress`.
    fileprivate func isTrunk(_ endpoint: PjsipEndpoint, _ byAddress: Set<[UInt8]>) -> Bool {
        PjsipTrunk(
            isRegistered: registered.contains(endpoint.id), hasAuth: !endpoint.auths.isEmpty,
            isKnownOtherwise: endpoint.hasOutboundAuth || byAddress.contains(endpoint.id),
            identifiers: endpoint.identifiers
        ).isOne
    }
}

extension FileAccounts {
    /// How many items of a comma list are followed.
    private static let listLimit = 8

    private func lookUpEndpoint(_ query: LookUp) -> ReadAccount {
        let ids = query.pjsipIds
        var found: PjsipEndpoint?
        for id in ids {
            let endpoint = find("endpoint [\(id)]", query, \.place) {
                files.pjsip.endpoint(Array(id.utf8))
            }
            if let endpoint {
                query.steps?.remark(
                    "auth=\(Self.listed(endpoint.auths)) aors=\(Self.listed(endpoint.aors))")
            }
            found = found ?? endpoint
        }
        var credentials = credentials(of: found, query)
        let registered = found.map { address(of: $0, preferring: ids, query) }
        if let found, files.pjsip.isTrunk(found, byAddress) {
            credentials = .ofTrunk(query)
        }
        return credentials.account(
            realm: query.realm, aor: registered?.id ?? query.account,
            mayRegister: registered.map { $0.whyNotRegister == nil } ?? false,
            access: rules.list(found?.access ?? [], files.accessLists),
            table: found.map { "\($0.place)" } ?? file, hasRow: found != nil)
    }

    private static func listed(_ ids: [[UInt8]]) -> String {
        ids.prefix(listLimit).map(\.text).joined(separator: ",")
    }

    /// The first of the auths that can be used, completed by those for the same user.
    private func credentials(of endpoint: PjsipEndpoint?, _ query: LookUp) -> Credentials {
        var result = Credentials(user: query.account, boundRealm: query.ownRealm)
        for id in endpoint?.auths.prefix(Self.listLimit) ?? [] {
            let auth = find("auth [\(id.text)]", query, \.place) { files.pjsip.auth(id) }
            let read = auth.map { secret($0, query).credentials }
            query.steps?.remark(read?.words ?? PjsipSecret.missing)
            result.add(read)
        }
        return result
    }

    private func secret(_ auth: PjsipAuth, _ query: LookUp) -> PjsipSecret {
        return PjsipSecret(
            kind: auth.kind.text, user: auth.username.text, password: auth.password,
            md5: auth.md5Credential, digests: auth.digests.flatMap(\.listItems).map(\.text),
            realm: auth.realm.isEmpty ? realm(query.ownRealm) : auth.realm.text)
    }

    private func address(
        of endpoint: PjsipEndpoint, preferring names: [String], _ query: LookUp
    ) -> PjsipAddress {
        let id = PjsipAddress.chosen(
            endpoint.aors.prefix(Self.listLimit).map(\.text), preferring: names)
        let aor = find(id.map { "aor [\($0)]" } ?? "aor", query, \.place) {
            id.flatMap { files.pjsip.aor(Array($0.utf8)) }
        }
        let address = PjsipAddress(id: id, contacts: aor.map { Int64($0.maximumContacts) })
        query.steps?.remark(address.words(hasEndpoint: true))
        return address
    }
}
