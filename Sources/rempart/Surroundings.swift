internal import Glibc
internal import Messages
internal import Settings
internal import Spawning
internal import Sys

/// What good settings need of the machine they are checked on.
///
/// All of it is warnings: the file may be checked on another machine, or by someone who may not look.
struct Surroundings {
    /// Whether files can be looked at as another user.
    private let isRoot = geteuid() == 0
    /// The addresses of this machine.
    private let machine: [IPAddress]
    /// Whether the accounts' file is looked at, which waits for its disk.
    private let looksAtAccounts: Bool

    /// The machine this runs on, with these addresses; the accounts' file may be left to accounts-reader itself.
    init(machine: [IPAddress] = Socket.ownAddresses(), looksAtAccounts: Bool = true) {
        self.machine = machine
        self.looksAtAccounts = looksAtAccounts
    }

    /// A file that the settings name, and who reads it.
    private struct NamedFile {
        let path: String
        let reader: Role
        let value: SettingsFile.Value
    }

    /// The warnings, in the order of the text.
    func diagnostics(of file: SettingsFile) -> [Diagnostic] {
        let files = Self.files(of: file).compactMap(warning)
        let addresses = file.values.flatMap(addressWarnings)
        let isServer = file.values.contains { $0.setting.namesServer }
        let tables = isServer ? [] : file.values.compactMap(Self.tableWarning)
        let countries = countryWarning(file)
        return (files + addresses + tables + countries).sorted { $0.position < $1.position }
    }

    /// The supervisor opens the TLS files and that of the password; who reads the others opens them itself.
    private static func files(of file: SettingsFile) -> [NamedFile] {
        file.values.compactMap { value in
            guard let path = value.setting.namedFile, let reader = value.setting.readers.first
            else { return nil }
            let opener =
                reader == .terminator || value.setting.namesSecret ? .supervisor : reader
            return NamedFile(path: path, reader: opener, value: value)
        }
    }

    /// Countries without a database let everybody in.
    private func countryWarning(_ file: SettingsFile) -> [Diagnostic] {
        let countries = file.values.first { value in
            if case .country = value.setting.told.banner { true } else { false }
        }
        let isNamed = file.values.contains { value in
            if case .geoip = value.setting.told.banner { true } else { false }
        }
        let places = UsualPlaces.countryDatabases
        guard let countries, !isNamed, !places.contains(where: { unsafe access($0, F_OK) == 0 })
        else { return [] }
        return [
            Diagnostic(
                .warning, at: countries.position,
                "`\(countries.path)`: there is no country database: name one in defence.geoip, or lay"
                    + " it at \(places[0])")
        ]
    }

    /// A point separates nothing in the name of a table, which is looked for in the one database there is.
    private static func tableWarning(_ value: SettingsFile.Value) -> Diagnostic? {
        guard case .table(_, let name)? = value.setting.told.accountsReader,
            let point = name.lastIndex(of: ".")
        else { return nil }
        return Diagnostic(
            .warning, at: value.position,
            "`\(value.path)`: the point is part of the table's name: if \(name[..<point]) is its database,"
                + " write \(name[name.index(after: point)...]) alone")
    }

    private func warning(_ file: NamedFile) -> Diagnostic? {
        func warn(_ message: String) -> Diagnostic {
            Diagnostic(.warning, at: file.value.position, "`\(file.value.path)`: \(message)")
        }
        let isLookedAt = looksAtAccounts || file.reader != .accountsReader
        if isLookedAt, unsafe access(file.path, F_OK) != 0, errno == ENOENT {
            return warn("there is no \(file.path)")
        }
        if UsualPlaces.isHidden(file.path) {
            return warn(
                "\(file.path) cannot be seen by the service (ProtectHome=, PrivateTmp=): put it"
                    + " elsewhere, such as below /etc or /var/lib")
        }
        guard isLookedAt else { return nil }
        if file.value.setting.namesSecret {
            return SourceSecret.fault(of: file.path).map(warn)
        }
        if file.reader == .accountsReader, let stamp = FileStamp(file.path) {
            if file.value.setting.isFolder, stamp.isRegular {
                return warn(
                    "\(file.path) is a file: name the folder of Asterisk's files, as in"
                        + " `asterisk:///etc/asterisk`")
            }
            if !file.value.setting.isFolder, !stamp.isRegular {
                let right =
                    file.value.setting.isFreePBX
                    ? "FreePBX's own, as in `freepbx:///etc/freepbx.conf`"
                    : "Asterisk's SQLite file, as in `sqlite:///var/lib/asterisk/realtime.sqlite3`"
                return warn("\(file.path) is no regular file: name \(right)")
            }
        }
        guard isRoot, file.reader != .supervisor, !Self.mayRead(file.path, file.reader)
        else {
            return nil
        }
        return warn(
            "the user \(file.reader.user) may not read \(file.path): add it to the file's group,"
                + " and let the group enter the folders above")
    }

    /// Whether a process, with all groups that it gets, may read a file; also true when its user is not there.
    private static func mayRead(_ path: String, _ reader: Role) -> Bool {
        guard var user = User(named: reader.user) else { return true }
        if let other = reader.groupsOf.flatMap({ User(named: $0) }) { user.join(groupsOf: other) }
        let count = getgroups(0, nil)
        var own = [gid_t](repeating: 0, count: Int(max(count, 0)))
        guard unsafe getgroups(count, &own) == count,
            unsafe setgroups(user.groups.count, user.groups) == 0
        else { return true }
        // Root again in any case: the order is that in which each step is still permitted.
        defer {
            _ = seteuid(0)
            _ = setegid(0)
            _ = unsafe setgroups(own.count, own)
        }
        guard setegid(user.gid) == 0, seteuid(user.uid) == 0 else { return true }
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard raw >= 0 else { return errno != EACCES && errno != EPERM }
        close(raw)
        return true
    }

    private func addressWarnings(_ value: SettingsFile.Value) -> [Diagnostic] {
        guard let setting = value.setting.told.router, let bound = setting.endpoint?.address else {
            return []
        }
        var messages: [String] = []
        if Socket.isLocal(bound) == false {
            messages.append(
                "\(bound.ip) is not an address of this machine now: name one that `ip address`"
                    + " shows")
        }
        if let outside = setting.outside { messages += natWarnings(bound, outside.advertised) }
        return messages.map { message in
            Diagnostic(.warning, at: value.position, "`\(value.path)`: \(message)")
        }
    }

    /// What is strange about an outside address, and about the one that it is shown as.
    private func natWarnings(
        _ bound: SocketAddress, _ advertised: SocketAddress?
    ) -> [String] {
        if let kind = Self.kind(of: bound.ip), kind != "private" {
            return [
                "\(bound.ip) is a \(kind) address, which no other network reaches: name another one"
            ]
        }
        guard let advertised else {
            if bound.ip.isUnspecified { return everywhereWarnings(bound.ip) }
            return bound.ip.isPrivate
                ? [
                    "\(bound.ip) is a private address: only phones of your own networks reach it;"
                        + " behind NAT add ` as ` and the address that the Internet sees"
                ] : []
        }
        if let kind = Self.kind(of: advertised.ip) {
            return [
                "\(advertised.ip) is a \(kind) address: write behind `as` the one that the Internet"
                    + " sees, or leave `as` out"
            ]
        }
        return advertised == bound
            ? ["`as` names the address itself: leave it out, or name the one of the NAT"] : []
    }

    /// What is strange about an outside endpoint at every address of a family.
    private func everywhereWarnings(_ every: IPAddress) -> [String] {
        let kinds = machine.filter { $0.isV4 == every.isV4 }.map(Self.kind)
        guard kinds.contains("private"), !kinds.contains(nil) else { return [] }
        return [
            "all \(every.isV4 ? "IPv4" : "IPv6") addresses of this machine are private: only phones of your own"
                + " networks reach it. Behind NAT add ` as ` and the address that the Internet sees"
        ]
    }

    /// What an address that the Internet does not reach is; nil for others.
    private static func kind(of ip: IPAddress) -> String? {
        if ip.isLoopback { return "loopback" }
        if ip.isMulticast { return "multicast" }
        // 169.254.0.0/16 (RFC 3927).
        let ofLink = Network(IPAddress(v4: 0xA9FE_0000), prefix: 16)
        if ip.isLinkLocal || ofLink.contains(ip) { return "link-local" }
        return ip.isPrivate ? "private" : nil
    }
}

extension Setting {
    /// Whether it says that the accounts are in a server, where tables are of one of several databases or schemas.
    fileprivate var namesServer: Bool {
        if case .source(let url)? = told.accountsReader { url.hasPrefix("odbc://") } else { false }
    }

    /// Whether it names the file with the password to the accounts' source.
    fileprivate var namesSecret: Bool {
        if case .secretFile? = told.accountsReader { true } else { false }
    }

    /// The path of the file that it names, if it names one.
    var namedFile: String? {
        switch (told.terminator, told.accountsReader, told.banner) {
        case (.certificate(let path)?, _, _), (.key(let path)?, _, _): path
        case (_, .source(let url)?, _): Setting.path(ofSource: url)
        case (_, .secretFile(let path)?, _): path
        case (_, _, .geoip(let path)?), (_, _, .blockList(let path)?): path
        default: nil
        }
    }
}
