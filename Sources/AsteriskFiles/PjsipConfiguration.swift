// What PJSIP has of its files: sorcery.conf says which, pjsip.conf when it says nothing.

/// PJSIP's objects from files.
///
/// An object's id is compared byte by byte. Objects that come from a database are not in it; `sources` says where
/// they are.
package struct PjsipConfiguration: Sendable {
    /// The endpoints in the order of the files.
    package private(set) var endpoints: [PjsipEndpoint] = []
    /// The rules by which an address is an endpoint.
    package private(set) var identifies: [PjsipIdentify] = []
    /// The ids of the endpoints that Asterisk registers elsewhere: sections of type=registration name them or have
    /// their names, or their wizards have sends_registrations.
    package private(set) var registered: Set<[UInt8]> = []
    /// The section of type=global: default_realm, endpoint_identifier_order and others.
    package private(set) var global: Section?
    private var places: [[UInt8]: Int] = [:]
    private var auths: [[UInt8]: PjsipAuth] = [:]
    private var aors: [[UInt8]: PjsipAor] = [:]

    /// The endpoint of an id.
    package func endpoint(_ id: [UInt8]) -> PjsipEndpoint? { places[id].map { endpoints[$0] } }

    /// The auth of an id.
    package func auth(_ id: [UInt8]) -> PjsipAuth? { auths[id] }

    /// The address of record of an id.
    package func aor(_ id: [UInt8]) -> PjsipAor? { aors[id] }

    /// No object.
    init() {}

    /// Reads the files that sorcery.conf names, and pjsip_wizard.conf.
    init(
        _ folder: inout AsteriskFolder, _ sorcery: SorceryMap, _ realtime: RealtimeMap
    ) throws(ConfigurationFault) {
        var files = SorceryFiles(realtime: realtime)
        let endpoints = try files.objects("endpoint", sorcery, &folder)
        let auths = try files.objects("auth", sorcery, &folder)
        let aors = try files.objects("aor", sorcery, &folder)
        var made: [PjsipWizard] = []
        if let file = try folder.file("pjsip_wizard.conf", realtime) {
            for section in file.objects where PjsipWizard.isOne(section) {
                made.append(PjsipWizard(section, &folder))
            }
        }
        // Of two wizards with one name the later one counts, but after what stands in pjsip.conf.
        let wizards = made.reversed()
        for section in endpoints + wizards.map(\.endpoint)
        where places[section.name] == nil {
            places[section.name] = self.endpoints.count
            self.endpoints.append(PjsipEndpoint(section))
        }
        for section in auths + wizards.compactMap(\.auth)
        where self.auths[section.name] == nil {
            self.auths[section.name] = PjsipAuth(section)
        }
        for section in aors + wizards.map(\.aor) where self.aors[section.name] == nil {
            self.aors[section.name] = PjsipAor(section)
        }
        let outbound = try files.objects(
            "registration", of: "res_pjsip_outbound_registration", sorcery, &folder,
            isEachUnique: false)
        registered = Set(outbound.flatMap { [$0.name, $0.value("endpoint")] })
        registered.formUnion(made.filter(\.registers).map(\.endpoint.name))
        let identifies = try files.objects(
            "identify", of: "res_pjsip_endpoint_identifier_ip", sorcery, &folder,
            isEachUnique: false)
        self.identifies = (identifies + wizards.compactMap(\.identify)).map(
            PjsipIdentify.init)
        global = try files.objects("global", sorcery, &folder, isEachUnique: false).first
    }
}

/// The files of sorcery.conf, each read once.
private struct SorceryFiles {
    /// Which files are in a database.
    let realtime: RealtimeMap
    private var read: [String: Configuration?] = [:]

    init(realtime: RealtimeMap) { self.realtime = realtime }

    /// The sections of a type in the order of asking.
    mutating func objects(
        _ type: StaticString, of module: StaticString = "res_pjsip", _ sorcery: SorceryMap,
        _ folder: inout AsteriskFolder, isEachUnique: Bool = true
    ) throws(ConfigurationFault) -> [Section] {
        var sections: [Section] = []
        var ids: Set<[UInt8]> = []
        for source in sorcery.sources(type, of: module) {
            guard case .file(let name, let criteria) = source else { continue }
            let found = try file(name, &folder)?.objects.filter { section in
                criteria.allSatisfy { $0.isMet(section) }
            }
            // Two of a type that concerns no account end that type alone, in Asterisk.
            if isEachUnique { try requireUnique(found ?? [], type) }
            // The first file that has an id wins.
            sections += (found ?? []).filter { ids.insert($0.name).inserted }
        }
        return sections
    }

    private mutating func file(
        _ name: String, _ folder: inout AsteriskFolder
    ) throws(ConfigurationFault) -> Configuration? {
        if let known = read[name] { return known }
        let file = try folder.file(name, realtime)
        read[name] = .some(file)
        return file
    }

    /// Throws for two sections of one type and name, of which Asterisk takes no object of that type at all.
    private func requireUnique(
        _ sections: [Section], _ type: StaticString
    ) throws(ConfigurationFault) {
        var places: [[UInt8]: Place] = [:]
        for section in sections {
            if let first = places.updateValue(section.place, forKey: section.name) {
                throw ConfigurationFault(
                    at: section.place,
                    "[\(section.name.shown)] of type \(type) stands at \(first) too, and Asterisk takes none of that type: rename one or take it out"
                )
            }
        }
    }
}
